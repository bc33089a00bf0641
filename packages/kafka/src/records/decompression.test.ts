import { describe, expect, test } from 'vitest'
import { decompressLz4Frame } from './lz4.ts'
import { decompressSnappy } from './snappy.ts'

const MANY = 1 << 20

function read(...bytes: readonly number[]): string {
  return decompressSnappy(Buffer.from(bytes), MANY).toString()
}

function frame(...block: readonly number[]): string {
  return decompressLz4Frame(frameOf(block), MANY).toString()
}

/** One block, without checksums. */
function frameOf(block: readonly number[]): Buffer {
  return Buffer.from([0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0, block.length, 0, 0, 0, ...block, 0, 0, 0, 0])
}

describe('Snappy', () => {
  test('has literals and copies, which may overlap what they write', () => {
    // 8 bytes: "ab", then six from two bytes before.
    expect(read(8, 1 << 2, 97, 98, (2 << 2) | 1, 2)).toBe('abababab')
    // The same with a distance of two bytes, and of four.
    expect(read(8, 1 << 2, 97, 98, (5 << 2) | 2, 2, 0)).toBe('abababab')
    expect(read(8, 1 << 2, 97, 98, (5 << 2) | 3, 2, 0, 0, 0)).toBe('abababab')
  })

  test('does not reach before its beginning, nor beyond its end', () => {
    expect(() => read(8, 1 << 2, 97, 98, (2 << 2) | 1, 3)).toThrow('out of bounds')
    expect(() => read(8, 1 << 2, 97, 98, (2 << 2) | 1, 0)).toThrow('out of bounds')
    expect(() => read(7, 1 << 2, 97, 98, (2 << 2) | 1, 2)).toThrow('out of bounds')
    expect(() => read(9, 1 << 2, 97, 98, (2 << 2) | 1, 2)).toThrow('cut off')
    expect(() => read(2, 2 << 2, 97, 98)).toThrow('cut off')
    expect(() => read(0xff, 0xff, 0xff, 0x7f, 0)).toThrow('cannot become')
  })
})

describe('LZ4', () => {
  test('has literals and matches, which may overlap what they write', () => {
    expect(frame(0x22, 97, 98, 2, 0, 0x10, 99)).toBe('ababababc')
    // A length of 15 goes on in the next byte.
    expect(frame(0x2f, 97, 98, 2, 0, 1, 0x00)).toBe('ab'.repeat(11))
  })

  test('does not reach before its beginning, nor beyond what is there', () => {
    expect(() => frame(0x22, 97, 98, 3, 0, 0x10, 99)).toThrow('out of bounds')
    expect(() => frame(0x22, 97, 98, 0, 0, 0x10, 99)).toThrow('out of bounds')
    expect(() => frame(0x32, 97, 98)).toThrow('cut off')
    expect(() => frame(0x22, 97, 98, 2)).toThrow('cut off')
    expect(() => frame(0xf0, 255, 255)).toThrow('cut off')
    expect(() => decompressLz4Frame(Buffer.from('no frame at all'), MANY)).toThrow('does not begin')
  })

  test('becomes no more than it may', () => {
    const bytes = frameOf([0x1f, 97, 1, 0, 255, 255, 255, 0, 0x00])
    expect(decompressLz4Frame(bytes, MANY)).toHaveLength(1 + 15 + 3 * 255 + 4)
    expect(() => decompressLz4Frame(bytes, 100)).toThrow(RangeError)
  })
})
