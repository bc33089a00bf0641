import { TidemarkError } from './errors.ts'

/** The fewest bytes of two's complement, little-endian, that hold `value`; none for 0. */
export function bigintToBytes(value: bigint): Uint8Array {
  if (value === 0n) return new Uint8Array(0)
  const magnitude = value < 0n ? -value - 1n : value
  const bits = magnitude === 0n ? 0 : (magnitude.toString(16).length - 1) * 4 + topBits(magnitude)
  const length = (bits >> 3) + 1
  const hex = BigInt.asUintN(length * 8, value)
    .toString(16)
    .padStart(length * 2, '0')
  const bytes = new Uint8Array(length)
  for (let index = 0; index < length; index++) {
    bytes[length - 1 - index] = Number.parseInt(hex.slice(index * 2, index * 2 + 2), 16)
  }
  return bytes
}

/** The inverse; `CORRUPT_DATA` when there are more bytes than needed. */
export function bigintFromBytes(bytes: Uint8Array): bigint {
  const { length } = bytes
  if (length === 0) return 0n
  const top = bytes[length - 1]!
  const below = length > 1 ? bytes[length - 2]! : 0
  const isMinimal = length === 1 ? top !== 0 : !((top === 0 && below < 0x80) || (top === 0xff && below >= 0x80))
  if (!isMinimal) throw new TidemarkError('CORRUPT_DATA', 'a bigint has more bytes than it needs')
  const digits: string[] = []
  for (let index = length - 1; index >= 0; index--) digits.push(bytes[index]!.toString(16).padStart(2, '0'))
  return BigInt.asIntN(length * 8, BigInt(`0x${digits.join('')}`))
}

function topBits(magnitude: bigint): number {
  return 32 - Math.clz32(Number.parseInt(magnitude.toString(16)[0]!, 16))
}
