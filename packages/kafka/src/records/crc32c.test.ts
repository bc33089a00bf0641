import { expect, test } from 'vitest'
import { crc32c } from './crc32c.ts'

test('gives the checksums of RFC 3720 (iSCSI), B.4', () => {
  const ascending = Uint8Array.from({ length: 32 }, (_, index) => index)
  expect(checksum(new Uint8Array(32))).toBe(0x8a9136aa)
  expect(checksum(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43)
  expect(checksum(ascending)).toBe(0x46dd794e)
  expect(checksum(ascending.toReversed())).toBe(0x113fdb5c)
  expect(checksum(Buffer.from('123456789'))).toBe(0xe3069283)
})

test('does not depend on where the bytes lie, nor on what lies around them', () => {
  const bytes = Uint8Array.from({ length: 100 }, (_, index) => (index * 37) % 251)
  const expected = crc32c(bytes.slice(20, 71), 0, 51)
  expect(crc32c(bytes, 20, 71)).toBe(expected)
})

function checksum(bytes: Uint8Array): number {
  return crc32c(bytes, 0, bytes.length)
}
