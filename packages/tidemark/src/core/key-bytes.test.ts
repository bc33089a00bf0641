import { readFileSync } from 'node:fs'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteBuffer } from './byte-buffer.ts'
import { ByteBufferReader } from './byte-buffer-reader.ts'
import { isTidemarkError } from './errors.ts'
import type { Key, KeyPart } from './key.ts'
import { checkKey, keyCodec, keyEnd, keyHash, signedKeyHash } from './key-bytes.ts'
import { keyGroupOf, keyGroupRange, subtaskOfHash, subtaskOfKeyGroup } from './key-group.ts'
import { keyOfMapKey, mapKeyOf } from './map-key.ts'
import { murmur3 } from './murmur3.ts'

type GoldenKey =
  | { string: string }
  | { number: string }
  | { bigint: string }
  | { boolean: boolean }
  | { tuple: GoldenKey[] }
interface GoldenLine {
  readonly key: GoldenKey
  readonly bytes: string
  readonly hash: number
  readonly keyGroupOf128: number
}

const golden = readFileSync(new URL('../../../../test/golden/key-hash.jsonl', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as GoldenLine)

const keyOfGolden = (key: GoldenKey): Key => {
  if ('string' in key) return key.string
  if ('number' in key) return Number(key.number)
  if ('bigint' in key) return BigInt(key.bigint)
  if ('boolean' in key) return key.boolean
  return key.tuple.map(keyOfGolden) as unknown as Key
}

const encode = (key: Key) => {
  const buffer = new ByteBuffer()
  keyCodec.encode(key, buffer)
  return buffer.take()
}

const anyPart: fc.Arbitrary<KeyPart> = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.constantFrom('', '\u0000', '\u0000\u0000s1:a', 's1:a', '\u0000s1:a', '1', 'true', 'NaN', '\ud83d'),
  fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 6 }).map((units) => String.fromCharCode(...units)),
  fc.constantFrom(0, -0, 1, Number.NaN, Infinity),
  fc.double(),
  fc.integer(),
  fc.constantFrom(0n, 1n, -1n, 128n, -128n, -129n, 255n, 1n << 63n, -(1n << 63n)),
  fc.bigInt(),
  fc.boolean(),
)
const anyKey: fc.Arbitrary<Key> = fc.oneof(
  anyPart,
  fc.array(anyPart, { minLength: 1, maxLength: 4 }).map((parts) => parts as unknown as Key),
)

/** What "the same key" means, said without bytes. */
const isSameKey = (left: Key, right: Key): boolean => {
  if (typeof left === 'object' && typeof right === 'object') {
    return left.length === right.length && left.every((part, index) => isSameKey(part, right[index]!))
  }
  return left === right || (left !== left && right !== right)
}

describe('key bytes and hash', () => {
  it.each(golden)('has the pinned bytes, hash and key group: $bytes', ({ key, bytes, hash, keyGroupOf128 }) => {
    const given = keyOfGolden(key)
    expect(Buffer.from(encode(given)).toString('hex')).toBe(bytes)
    expect(keyHash(given)).toBe(hash)
    expect(keyGroupOf(given, 128)).toBe(keyGroupOf128)
  })

  it('hashes the payload with the tag as seed, whichever fast path is taken', () => {
    fc.assert(
      fc.property(anyKey, (key) => {
        const bytes = encode(key)
        const head = bytes[0] === 2 || bytes[0] === 4 ? 1 : bytes[1]! < 0x80 ? 2 : 3
        expect(keyHash(key)).toBe(murmur3(bytes, head, bytes.length, bytes[0]!))
      }),
    )
  })

  it('comes back from its bytes, which end where keyEnd says', () => {
    fc.assert(
      fc.property(anyKey, fc.uint8Array({ maxLength: 3 }), (key, rest) => {
        const bytes = encode(key)
        expect(isSameKey(keyCodec.decode(new ByteBufferReader(bytes)), key)).toBe(true)
        expect(keyEnd(new Uint8Array([...rest, ...bytes, ...rest]), rest.length)).toBe(rest.length + bytes.length)
      }),
    )
  })

  it('tells keys apart by bytes and by map key exactly as it should', () => {
    fc.assert(
      fc.property(anyKey, anyKey, (left, right) => {
        const isSame = isSameKey(left, right)
        expect(Buffer.compare(encode(left), encode(right)) === 0).toBe(isSame)
        expect(new Set([mapKeyOf(left), mapKeyOf(right)]).size === 1).toBe(isSame)
        expect(isSameKey(keyOfMapKey(mapKeyOf(left)), left)).toBe(true)
      }),
      { numRuns: 5000 },
    )
  })

  it('answers random bytes with a key or CORRUPT_DATA', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 30 }), fc.integer({ min: 1, max: 6 }), (bytes, tag) => {
        try {
          encode(keyCodec.decode(new ByteBufferReader(new Uint8Array([tag, ...bytes]))))
        } catch (error) {
          if (!isTidemarkError(error) || error.code !== 'CORRUPT_DATA') throw error
        }
      }),
      { numRuns: 3000 },
    )
  })

  it.each<[unknown, RegExp]>([
    [undefined, /The key of orders is undefined/],
    [null, /is null/],
    [{ id: 1 }, /is an object \(Object\)/],
    [new Date(0), /is an object \(Date\)/],
    [[], /is an empty array/],
    [['a', ['b']], /a tuple, at \[1\] is an array/],
    // oxlint-disable-next-line no-sparse-arrays
    [['a', , 'b'], /a tuple, at \[1\] is undefined/],
    [Symbol('x'), /is a symbol/],
    [() => 1, /is a function/],
  ])('refuses %o', (key, message) => {
    const invalid = expect.objectContaining({ code: 'INVALID_KEY', message: expect.stringMatching(message) as unknown })
    expect(() => checkKey(key, 'The key of orders')).toThrow(invalid as Error)
    expect(() => keyHash(key as Key)).toThrow(expect.objectContaining({ code: 'INVALID_KEY' }) as Error)
  })
})

describe('key-group ranges', () => {
  it('give a key the subtask of its group', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1000 }),
        fc.integer({ min: 1, max: 1000 }),
        anyKey,
        (first, second, key) => {
          const maxParallelism = Math.max(first, second)
          const parallelism = Math.min(first, second)
          const group = keyGroupOf(key, maxParallelism)
          expect(subtaskOfHash(maxParallelism, parallelism)(signedKeyHash(key))).toBe(
            subtaskOfKeyGroup(maxParallelism, parallelism, group),
          )
        },
      ),
    )
  })

  it('partition all groups, each group at the subtask that is computed for it', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1000 }), fc.integer({ min: 1, max: 1000 }), (first, second) => {
        const maxParallelism = Math.max(first, second)
        const parallelism = Math.min(first, second)
        let next = 0
        for (let subtask = 0; subtask < parallelism; subtask++) {
          const { start, end } = keyGroupRange(maxParallelism, parallelism, subtask)
          expect(start).toBe(next)
          for (let group = start; group < end; group++) {
            expect(subtaskOfKeyGroup(maxParallelism, parallelism, group)).toBe(subtask)
          }
          next = end
        }
        expect(next).toBe(maxParallelism)
      }),
      { numRuns: 100 },
    )
  })

  it('are those of KeyGroupRangeAssignment', () => {
    expect([0, 1, 2].map((subtask) => keyGroupRange(128, 3, subtask))).toEqual([
      { start: 0, end: 43 },
      { start: 43, end: 86 },
      { start: 86, end: 128 },
    ])
    expect([0, 1, 2].map((subtask) => keyGroupRange(4, 3, subtask))).toEqual([
      { start: 0, end: 2 },
      { start: 2, end: 3 },
      { start: 3, end: 4 },
    ])
  })
})
