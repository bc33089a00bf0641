/** Reflected polynomial of CRC-32C (Castagnoli). */
const POLYNOMIAL = 0x82f63b78

function tables(): Tables {
  const all = Array.from({ length: 16 }, () => new Uint32Array(256))
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ POLYNOMIAL
    all[0]![byte] = crc
  }
  for (let byte = 0; byte < 256; byte++) {
    let crc = all[0]![byte]!
    for (let table = 1; table < 16; table++) {
      crc = all[0]![crc & 255]! ^ (crc >>> 8)
      all[table]![byte] = crc
    }
  }
  return all as readonly Uint32Array[] as Tables
}

type Tables = readonly [
  ...[Uint32Array, Uint32Array, Uint32Array, Uint32Array, Uint32Array, Uint32Array, Uint32Array, Uint32Array],
  ...[Uint32Array, Uint32Array, Uint32Array, Uint32Array, Uint32Array, Uint32Array, Uint32Array, Uint32Array],
]

const [T0, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13, T14, T15] = tables()

/**
 * CRC-32C of the bytes from `start` to before `end`. Slicing by 16 (Kounavis and Berry): 16 independent look-ups per step, about six times the speed of the byte
 * by byte loop, and as fast as a call into WebAssembly with the copy that it needs.
 */
export function crc32c(bytes: Uint8Array, start: number, end: number): number {
  let crc = -1
  let at = start
  for (const last = end - 15; at < last; at += 16) {
    crc ^= bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
    crc =
      T15[crc & 255]! ^
      T14[(crc >>> 8) & 255]! ^
      T13[(crc >>> 16) & 255]! ^
      T12[crc >>> 24]! ^
      T11[bytes[at + 4]!]! ^
      T10[bytes[at + 5]!]! ^
      T9[bytes[at + 6]!]! ^
      T8[bytes[at + 7]!]! ^
      T7[bytes[at + 8]!]! ^
      T6[bytes[at + 9]!]! ^
      T5[bytes[at + 10]!]! ^
      T4[bytes[at + 11]!]! ^
      T3[bytes[at + 12]!]! ^
      T2[bytes[at + 13]!]! ^
      T1[bytes[at + 14]!]! ^
      T0[bytes[at + 15]!]!
  }
  for (; at < end; at++) crc = T0[(crc ^ bytes[at]!) & 255]! ^ (crc >>> 8)
  return ~crc >>> 0
}
