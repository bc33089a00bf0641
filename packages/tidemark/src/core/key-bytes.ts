import { bigintFromBytes, bigintToBytes } from './bigint-bytes.ts'
import { ByteBuffer } from './byte-buffer.ts'
import type { ByteReader, ByteWriter, Codec } from './codec.ts'
import { TidemarkError } from './errors.ts'
import type { Key, KeyPart } from './key.ts'
import { murmur3, murmurFinish, murmurMix, murmurTail } from './murmur3.ts'

/**
 * Canonical bytes of keys, layout `key/1`: a tag, for those of variable length a varint with the payload's length, then the payload. Two keys are the same key
 * exactly if their bytes are. Pinned, as is the hash: savepoints and key groups depend on both.
 *
 * - string: WTF-8
 * - number: float64, little-endian, -0 as 0, one NaN (0x7ff8000000000000)
 * - bigint: the fewest bytes of two's complement, little-endian
 * - boolean: one byte
 * - tuple: its parts in this same layout, one after the other
 */
const KEY_TAG = { string: 1, number: 2, bigint: 3, boolean: 4, tuple: 5 } as const

export const keyCodec: Codec<Key> = { id: 'key/1', encode: writeKey, decode: readKey }

const NAN_HIGH_WORD = 0x7ff80000
const float = new Float64Array(1)
const words = new Int32Array(float.buffer)
const scratch = new ByteBuffer()

/** MurmurHash3 x86 32 over the payload of the key's canonical bytes, with its tag as seed; an unsigned number. Throws `INVALID_KEY`. */
export function keyHash(key: Key): number {
  return signedKeyHash(key) >>> 0
}

/** The same 32 bits as a signed number, which V8 never allocates. Nothing else is for numbers and ASCII strings either. */
export function signedKeyHash(key: Key): number {
  if (typeof key === 'number') return signedNumberHash(key)
  if (typeof key === 'string') return stringHash(key) | 0
  scratch.clear()
  writeKey(key, scratch)
  const bytes = scratch.view(0)
  return murmur3(bytes, payloadStart(bytes), bytes.length, bytes[0]!) | 0
}

/** `signedKeyHash` of a number. Murmur over two words, written out: a function small enough to be inlined where records are counted (benchmarks/keyed-count.ts). */
export function signedNumberHash(key: number): number {
  float[0] = key + 0 // -0 + 0 is 0
  const isNaN = key !== key
  let word = Math.imul(isNaN ? 0 : words[0]!, 0xcc9e2d51)
  let hash = KEY_TAG.number ^ Math.imul((word << 15) | (word >>> 17), 0x1b873593)
  hash = (Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64) | 0
  word = Math.imul(isNaN ? NAN_HIGH_WORD : words[1]!, 0xcc9e2d51)
  hash ^= Math.imul((word << 15) | (word >>> 17), 0x1b873593)
  hash = ((Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64) | 0) ^ 8
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}

function stringHash(text: string): number {
  const { length } = text
  let hash: number = KEY_TAG.string
  let at = 0
  for (; at + 4 <= length; at += 4) {
    const a = text.charCodeAt(at)
    const b = text.charCodeAt(at + 1)
    const c = text.charCodeAt(at + 2)
    const d = text.charCodeAt(at + 3)
    if ((a | b | c | d) > 0x7f) return encodedStringHash(text)
    hash = murmurMix(hash, a | (b << 8) | (c << 16) | (d << 24))
  }
  if (at < length) {
    const a = text.charCodeAt(at)
    const b = at + 1 < length ? text.charCodeAt(at + 1) : 0
    const c = at + 2 < length ? text.charCodeAt(at + 2) : 0
    if ((a | b | c) > 0x7f) return encodedStringHash(text)
    hash ^= murmurTail(a | (b << 8) | (c << 16))
  }
  return murmurFinish(hash, length)
}

function encodedStringHash(text: string): number {
  scratch.clear()
  scratch.string(text)
  const bytes = scratch.view(0)
  return murmur3(bytes, varintEnd(bytes, 0), bytes.length, KEY_TAG.string)
}

/** Where the payload of one key begins. */
function payloadStart(bytes: Uint8Array): number {
  const tag = bytes[0]!
  return tag === KEY_TAG.number || tag === KEY_TAG.boolean ? 1 : varintEnd(bytes, 1)
}

function varintEnd(bytes: Uint8Array, from: number): number {
  let at = from
  while (bytes[at]! >= 0x80) at++
  return at + 1
}

/** Appends the canonical bytes of `key`; `INVALID_KEY` when it is none. */
export function writeKey(key: Key, writer: ByteWriter): void {
  if (typeof key !== 'object' || key === null) return writePart(key, writer)
  checkKey(key, 'The key')
  const parts = new ByteBuffer(32)
  for (const part of key) writePart(part, parts)
  writer.byte(KEY_TAG.tuple)
  writer.varint(parts.length)
  writer.bytes(parts.view(0))
}

function writePart(part: KeyPart, writer: ByteWriter): void {
  switch (typeof part) {
    case 'string':
      writer.byte(KEY_TAG.string)
      return writer.string(part)
    case 'number':
      writer.byte(KEY_TAG.number)
      return writer.float64(part !== part ? Number.NaN : part + 0)
    case 'bigint': {
      const bytes = bigintToBytes(part)
      writer.byte(KEY_TAG.bigint)
      writer.varint(bytes.length)
      return writer.bytes(bytes)
    }
    case 'boolean':
      writer.byte(KEY_TAG.boolean)
      return writer.byte(part ? 1 : 0)
    case 'undefined':
    case 'object':
    case 'function':
    case 'symbol':
      throw invalidKey(part, 'The key')
  }
}

/** Reads what `writeKey` wrote; `CORRUPT_DATA`. */
export function readKey(reader: ByteReader): Key {
  const tag = reader.byte()
  if (tag !== KEY_TAG.tuple) return readPart(tag, reader)
  const length = reader.varint()
  if (length > reader.remaining || length === 0) throw corrupt('a tuple has an impossible length')
  const end = reader.offset + length
  const parts: KeyPart[] = []
  while (reader.offset < end) parts.push(readPart(reader.byte(), reader))
  if (reader.offset !== end) throw corrupt('a tuple is longer than it says')
  return parts as [KeyPart, ...KeyPart[]]
}

function readPart(tag: number, reader: ByteReader): KeyPart {
  switch (tag) {
    case KEY_TAG.string:
      return reader.string()
    case KEY_TAG.number: {
      const value = reader.float64()
      if (Object.is(value, -0)) throw corrupt('-0 is no canonical key')
      return value
    }
    case KEY_TAG.bigint:
      return bigintFromBytes(reader.bytes(reader.varint()))
    case KEY_TAG.boolean: {
      const byte = reader.byte()
      if (byte > 1) throw corrupt(`${byte} is no boolean`)
      return byte === 1
    }
    default:
      throw corrupt(`there is no key with tag ${tag}`)
  }
}

/** Where the key that begins at `from` ends. The bytes are trusted. */
export function keyEnd(bytes: Uint8Array, from: number): number {
  const tag = bytes[from]!
  if (tag === KEY_TAG.number) return from + 9
  if (tag === KEY_TAG.boolean) return from + 2
  let length = 0
  let scale = 1
  let at = from + 1
  for (; bytes[at]! >= 0x80; at++, scale *= 128) length += (bytes[at]! & 0x7f) * scale
  return at + 1 + length + bytes[at]! * scale
}

/** Throws `INVALID_KEY` unless `key` is one. `what` begins the message: `The key of input 'orders'`. */
export function checkKey(key: unknown, what: string): asserts key is Key {
  if (isKeyPart(key)) return
  if (!Array.isArray(key) || key.length === 0) throw invalidKey(key, what)
  // Not `every`: it skips holes.
  for (let index = 0; index < key.length; index++) {
    if (!isKeyPart(key[index])) throw invalidKey(key[index], `${what}, a tuple, at [${index}]`)
  }
}

/** Whether `checkKey` accepts it. */
export function isKey(key: unknown): key is Key {
  if (isKeyPart(key)) return true
  if (!Array.isArray(key) || key.length === 0) return false
  for (let index = 0; index < key.length; index++) if (!isKeyPart(key[index])) return false
  return true
}

/** The key, of a tuple a copy: whoever gave it may fill the same one for the next record. */
export function ownKey(key: Key): Key {
  return typeof key === 'object' && Array.isArray(key) ? (key.slice() as unknown as Key) : key
}

function isKeyPart(key: unknown): key is KeyPart {
  const type = typeof key
  return type === 'string' || type === 'number' || type === 'bigint' || type === 'boolean'
}

function invalidKey(key: unknown, what: string): TidemarkError {
  return new TidemarkError('INVALID_KEY', `${what} is ${kindOf(key)}`, {
    action: 'Return a string, number, bigint or boolean, or a non-empty tuple of them: [order.shop, order.day].',
  })
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (Array.isArray(value)) return value.length === 0 ? 'an empty array' : 'an array'
  if (typeof value !== 'object') return `a ${typeof value}`
  const { constructor } = value as { constructor?: { name?: unknown } }
  return typeof constructor?.name === 'string' ? `an object (${constructor.name})` : 'an object'
}

function corrupt(problem: string): TidemarkError {
  return new TidemarkError('CORRUPT_DATA', problem)
}
