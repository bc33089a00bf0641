import type { Codec } from '../codec.ts'
import { badBytes, badValue, tombstone, typeName } from './bad-value.ts'
import { decodeUtf8, writeUtf8 } from './utf8.ts'

const encoder = new TextEncoder()
/** Half of a surrogate pair: has no UTF-8. */
const LONE_SURROGATE = /\p{Surrogate}/u

/** Text in UTF-8, as Kafka's own `StringSerializer`. Bytes that are not UTF-8 make a bad record; Java's deserializer replaces them silently. */
export function text(): Codec<string> {
  return TEXT
}

const TEXT: Codec<string> = {
  kind: 'text',
  createDecoding: () => ({ decode: readText, decodeRange: readTextRange }),
  createEncoding: () => ({ encode: writeText, encodeInto: writeTextInto }),
}

function readText(bytes: Uint8Array | null): string {
  if (bytes === null) throw tombstone('text')
  return readTextRange(bytes, 0, bytes.length)
}

function readTextRange(bytes: Uint8Array, start: number, end: number): string {
  try {
    return decodeUtf8(bytes, start, end)
  } catch (cause) {
    throw badBytes('is not UTF-8 text', bytes.subarray(start, end), cause)
  }
}

function writeText(value: string): Uint8Array {
  if (typeof value !== 'string') throw badValue('text', typeName(value), 'Give a string.')
  const written = encoder.encode(value)
  // Only texts beyond ASCII can hold one.
  if (written.length !== value.length && LONE_SURROGATE.test(value)) {
    throw badValue(
      'text',
      'holds half of a surrogate pair, which UTF-8 cannot say',
      'Use value.toWellFormed(), or bytes().',
    )
  }
  return written
}

function writeTextInto(value: string, target: Uint8Array, at: number): number {
  if (typeof value !== 'string') return -1
  const end = writeUtf8(target, at, value)
  // Beyond ASCII there is more to look at.
  return end - at === value.length ? end : -1
}
