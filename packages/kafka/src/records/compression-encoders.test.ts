import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compressLz4Frame } from './lz4-encoder.ts'
import { decompressLz4Frame } from './lz4.ts'
import { compressSnappy } from './snappy-encoder.ts'
import { decompressSnappy } from './snappy.ts'

const MANY = 1 << 24
const CODECS = [
  { name: 'LZ4', compress: compressLz4Frame, decompress: decompressLz4Frame },
  { name: 'Snappy', compress: compressSnappy, decompress: decompressSnappy },
]

/** Pieces of which some come again near and far: literals and matches of all lengths, over the borders of blocks, too. */
const pieces = fc
  .array(
    fc.oneof(
      fc.record({ fresh: fc.uint8Array({ minLength: 1, maxLength: 400 }), repeat: fc.constant(1) }),
      fc.record({ fresh: fc.uint8Array({ minLength: 1, maxLength: 5 }), repeat: fc.integer({ min: 1, max: 3000 }) }),
      fc.record({ back: fc.integer({ min: 1, max: 140_000 }), length: fc.integer({ min: 1, max: 40_000 }) }),
    ),
    { maxLength: 30 },
  )
  .map((parts) => {
    let all = Buffer.alloc(0)
    for (const part of parts) {
      const next =
        'fresh' in part
          ? Buffer.concat(Array.from({ length: part.repeat }, () => part.fresh))
          : all.subarray(Math.max(0, all.length - part.back)).subarray(0, part.length)
      all = Buffer.concat([all, next])
    }
    return all
  })

describe.each(CODECS)('$name', ({ compress, decompress }) => {
  test('gives back what was compressed', () => {
    fc.assert(
      fc.property(pieces, (bytes) => {
        expect(decompress(compress(bytes), MANY).equals(bytes)).toBe(true)
      }),
      { numRuns: 300 },
    )
  })

  test('gives back every length around those that are encoded otherwise', () => {
    for (const length of [...Array(90).keys(), 255, 256, 257, 270, 271, 65_535, 65_536, 65_537, 131_073]) {
      const same = Buffer.alloc(length, 7)
      const different = Buffer.from(Array.from({ length }, (_, index) => Math.imul(index + 1, 0x9e3779b1) >>> 24))
      for (const bytes of [same, different, Buffer.concat([different, same, different])]) {
        expect(decompress(compress(bytes), MANY).equals(bytes), `${length}`).toBe(true)
      }
    }
  })

  test('makes what repeats itself small, and nothing much larger', () => {
    const lines = Buffer.from(
      Array.from({ length: 2000 }, (_, line) => `{"user":"user-${line % 50}","amount":${line}}`).join('\n'),
    )
    expect(compress(lines).length).toBeLessThan(lines.length / 2)
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200_000 }), (bytes) => {
        expect(compress(bytes).length).toBeLessThan(bytes.length * 1.01 + 32)
      }),
      { numRuns: 30 },
    )
  })
})
