import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { crc32c, crc32cCombine } from './crc32c.ts'

/** The definition, bit by bit. */
function slowCrc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ 0x82f63b78
  }
  return ~crc >>> 0
}

/** The checksum of 2^exponent zeros. */
function zerosOf(exponent: number): number {
  let zeros = crc32c(new Uint8Array(1))
  for (let done = 0; done < exponent; done++) zeros = crc32cCombine(zeros, zeros, 2 ** done)
  return zeros
}

describe('crc32c', () => {
  const ascending = Uint8Array.from({ length: 32 }, (_, index) => index)
  it.each([
    ['nothing', new Uint8Array(0), 0],
    ['the digits 1 to 9', new TextEncoder().encode('123456789'), 0xe3069283],
    ['32 zeros', new Uint8Array(32), 0x8a9136aa],
    ['32 ones', new Uint8Array(32).fill(0xff), 0x62a8ab43],
    ['32 ascending bytes', ascending, 0x46dd794e],
    ['32 descending bytes', ascending.toReversed(), 0x113fdb5c],
  ])('has the value of RFC 3720 for %s', (_, bytes, expected) => {
    expect(crc32c(bytes)).toBe(expected)
  })

  it('has the value of RFC 3720 for an iSCSI read command', () => {
    const command = new Uint8Array(48)
    command.set([0x01, 0xc0], 0)
    command.set([0x14], 16)
    command.set([0x04, 0x00], 22)
    command.set([0x14, 0, 0, 0, 0x18, 0x28], 27)
    command.set([0x02], 40)
    expect(crc32c(command)).toBe(0xd9963a56)
  })

  it('equals the bitwise definition, whole and in pieces, at any alignment', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(200), fc.nat(7), (bytes, cut, shift) => {
        const shifted = new Uint8Array(bytes.length + shift)
        shifted.set(bytes, shift)
        const view = shifted.subarray(shift)
        const expected = slowCrc32c(bytes)
        expect(crc32c(view)).toBe(expected)
        const first = crc32c(view.subarray(0, cut))
        const rest = view.subarray(cut)
        expect(crc32c(rest, first)).toBe(expected)
        expect(crc32cCombine(first, crc32c(rest), rest.length)).toBe(expected)
      }),
    )
  })

  it('combines parts of any length: as zeros by doubling say', () => {
    // The checksum of 2^n zeros from that of 2^(n − 1).
    let zeros = crc32c(new Uint8Array(1))
    for (let exponent = 0; exponent < 45; exponent++) {
      const length = 2 ** exponent
      const twice = crc32cCombine(zeros, zeros, length)
      if (exponent < 16) expect(twice).toBe(crc32c(new Uint8Array(2 * length)))
      // In pieces it is the same: three quarters and a quarter.
      if (exponent > 1) {
        const half = zerosOf(exponent - 1)
        const fourth = zerosOf(exponent - 2)
        const threeQuarters = crc32cCombine(half, fourth, length / 4)
        expect(crc32cCombine(threeQuarters, fourth, length / 4)).toBe(zerosOf(exponent))
      }
      zeros = twice
    }
  })
})
