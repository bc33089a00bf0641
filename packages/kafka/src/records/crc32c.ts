/** Reflected polynomial of CRC-32C (Castagnoli). */
const POLYNOMIAL = 0x82f63b78

function tables(): Tables {
  const all = Array.from({ length: 16 }, () => new Int32Array(256))
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
  return all as readonly Int32Array[] as Tables
}

type Tables = readonly [
  ...[Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array],
  ...[Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array],
]

const [T0, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13, T14, T15] = tables()

/**
 * CRC-32C of the bytes from `start` to before `end`. Slicing by 16 (Kounavis and Berry): 16 independent look-ups per step. The bytes are read four at a time, the tables are signed: both
 * together take half the time of single bytes and unsigned tables (0.4 instead of 0.8 ns per byte), less than WebAssembly with the copy that it needs.
 */
export function crc32c(bytes: Uint8Array, start: number, end: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let crc = -1
  let at = start
  for (const last = end - 15; at < last; at += 16) {
    const a = crc ^ view.getInt32(at, true)
    const b = view.getInt32(at + 4, true)
    const c = view.getInt32(at + 8, true)
    const d = view.getInt32(at + 12, true)
    crc =
      T15[a & 255]! ^
      T14[(a >>> 8) & 255]! ^
      T13[(a >>> 16) & 255]! ^
      T12[a >>> 24]! ^
      T11[b & 255]! ^
      T10[(b >>> 8) & 255]! ^
      T9[(b >>> 16) & 255]! ^
      T8[b >>> 24]! ^
      T7[c & 255]! ^
      T6[(c >>> 8) & 255]! ^
      T5[(c >>> 16) & 255]! ^
      T4[c >>> 24]! ^
      T3[d & 255]! ^
      T2[(d >>> 8) & 255]! ^
      T1[(d >>> 16) & 255]! ^
      T0[d >>> 24]!
  }
  for (; at < end; at++) crc = T0[(crc ^ bytes[at]!) & 255]! ^ (crc >>> 8)
  return ~crc >>> 0
}
