import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compressLz4Frame } from './lz4-encoder.ts'
import { decompressLz4Frame } from './lz4.ts'
import { findMatches, MATCH_FIELDS, matches } from './matches.ts'
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

  test('gives back what comes again at every distance around those that are encoded otherwise', () => {
    for (const distance of [1, 2, 255, 256, 2047, 2048, 2049, 65_520]) {
      for (const length of [4, 11, 12, 64, 67, 68]) {
        const before = Buffer.from(
          Array.from({ length: distance }, (_, index) => Math.imul(index + 1, 0x9e3779b1) >>> 24),
        )
        const again = Buffer.from(Array.from({ length }, (_, index) => before[index % distance]!))
        const bytes = Buffer.concat([before, again, Buffer.from('the end of it')])
        expect(decompress(compress(bytes), MANY).equals(bytes), `${distance} ${length}`).toBe(true)
      }
    }
  })

  test('makes what repeats itself small, and nothing much larger', () => {
    const lines = Buffer.from(
      Array.from({ length: 2000 }, (_, line) => `{"user":"user-${line % 50}","amount":${line}}`).join('\n'),
    )
    expect(compress(lines).length).toBeLessThan(lines.length / 2)
    // Without anything that comes again: each block is one literal.
    let state = 1
    const noise = Buffer.from(
      Array.from({ length: 200_000 }, () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) >>> 24),
    )
    for (const bytes of [noise, noise.subarray(0, 65_536), noise.subarray(0, 61), noise.subarray(0, 0)]) {
      const compressed = compress(bytes)
      expect(compressed.length).toBeLessThan(bytes.length * 1.01 + 32)
      expect(decompress(compressed, MANY).equals(bytes)).toBe(true)
    }
  })
})

test('a match neither begins nor ends where LZ4 wants bytes as they are', () => {
  fc.assert(
    fc.property(pieces, (bytes) => {
      const block = bytes.subarray(0, 65_536)
      let anchor = 0
      for (let index = 0, count = findMatches(block, 0, block.length); index < count; index++) {
        const [at, distance, length] = matches.subarray(MATCH_FIELDS * index)
        expect(at! >= anchor && distance! >= 1 && distance! <= at! && length! >= 4).toBe(true)
        expect(at).toBeLessThanOrEqual(block.length - 12)
        anchor = at! + length!
        expect(anchor).toBeLessThanOrEqual(block.length - 5)
      }
    }),
  )
})
