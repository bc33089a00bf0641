const REFLECTED_POLYNOMIAL = 0x82f63b78

/** Eight tables of 256 entries, one after the other: table k advances a byte by k further zero bytes. */
const TABLES = makeTables()

/**
 * CRC-32C (Castagnoli, RFC 3720) as an unsigned number. Incremental: `crc32c(b, crc32c(a))` is the checksum of `a`
 * followed by `b`. Slicing-by-8 after Kounavis and Berry: eight bytes per step.
 */
export function crc32c(bytes: Uint8Array, previous = 0): number {
  const tables = TABLES
  const end = bytes.length
  let crc = ~previous
  let at = 0
  for (const last = end - 8; at <= last; at += 8) {
    const low = crc ^ (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24))
    crc =
      tables[1792 + (low & 255)]! ^
      tables[1536 + ((low >>> 8) & 255)]! ^
      tables[1280 + ((low >>> 16) & 255)]! ^
      tables[1024 + (low >>> 24)]! ^
      tables[768 + bytes[at + 4]!]! ^
      tables[512 + bytes[at + 5]!]! ^
      tables[256 + bytes[at + 6]!]! ^
      tables[bytes[at + 7]!]!
  }
  for (; at < end; at++) crc = (crc >>> 8) ^ tables[(crc ^ bytes[at]!) & 255]!
  return ~crc >>> 0
}

function makeTables(): Int32Array {
  const tables = new Int32Array(8 * 256)
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ REFLECTED_POLYNOMIAL
    tables[byte] = crc
  }
  for (let index = 256; index < tables.length; index++) {
    const before = tables[index - 256]!
    tables[index] = (before >>> 8) ^ tables[before & 255]!
  }
  return tables
}
