const REFLECTED_POLYNOMIAL = 0x82f63b78

/** Eight tables of 256 entries, one after the other: table k advances a byte by k further zero bytes. */
const TABLES = makeTables()
/** Below so many bytes a view of words is not worth its making. */
const WORDS_FROM_BYTES = 64
/** The polynomial 1. */
const ONE = 0x8000_0000
const POWERS = makePowers()

/**
 * CRC-32C (Castagnoli, RFC 3720) as an unsigned number. Incremental: `crc32c(b, crc32c(a))` is the checksum of `a`
 * followed by `b`. Slicing-by-8 after Kounavis and Berry: eight bytes per step.
 */
export function crc32c(bytes: Uint8Array, previous = 0): number {
  if (bytes.length < WORDS_FROM_BYTES) return ~ofBytes(bytes, 0, bytes.length, ~previous) >>> 0
  // Words have to be aligned: what lies before the first and after the last pair of them goes byte by byte.
  const start = -bytes.byteOffset & 3
  const pairs = (bytes.length - start) >> 3
  const words = new Int32Array(bytes.buffer, bytes.byteOffset + start, pairs * 2)
  const before = ofBytes(bytes, 0, start, ~previous)
  return ~ofBytes(bytes, start + pairs * 8, bytes.length, ofWords(words, before)) >>> 0
}

/** The checksum of a first part followed by a second of `length` bytes, from the checksums of both: as zlib's crc32_combine, in a microsecond. */
export function crc32cCombine(first: number, second: number, length: number): number {
  let shift = ONE
  let power = 3
  for (let rest = length; rest > 0; rest = Math.floor(rest / 2), power++)
    if (rest % 2 === 1) shift = multiply(POWERS[power % POWERS.length]!, shift)
  return (multiply(shift, first) ^ second) >>> 0
}

function ofBytes(bytes: Uint8Array, from: number, to: number, previous: number): number {
  let crc = previous
  for (let at = from; at < to; at++) crc = (crc >>> 8) ^ TABLES[(crc ^ bytes[at]!) & 255]!
  return crc
}

function ofWords(words: Int32Array, previous: number): number {
  const tables = TABLES
  let crc = previous
  for (let at = 0; at < words.length; at += 2) {
    const low = crc ^ words[at]!
    const high = words[at + 1]!
    crc =
      tables[1792 + (low & 255)]! ^
      tables[1536 + ((low >>> 8) & 255)]! ^
      tables[1280 + ((low >>> 16) & 255)]! ^
      tables[1024 + (low >>> 24)]! ^
      tables[768 + (high & 255)]! ^
      tables[512 + ((high >>> 8) & 255)]! ^
      tables[256 + ((high >>> 16) & 255)]! ^
      tables[high >>> 24]!
  }
  return crc
}

/** The product of two polynomials modulo that of the checksum; the highest bit is x^0. */
function multiply(left: number, right: number): number {
  let product = 0
  let factor = right
  for (let bit = ONE; bit !== 0; bit >>>= 1) {
    if ((left & bit) !== 0) product ^= factor
    factor = (factor & 1) === 0 ? factor >>> 1 : (factor >>> 1) ^ REFLECTED_POLYNOMIAL
  }
  return product
}

/** x^(2^n). The order of x is 2^31 − 1 (of zlib's polynomial 2^32 − 1), so after 31 of them they come again. */
function makePowers(): Int32Array {
  const powers = new Int32Array(31)
  powers[0] = ONE >>> 1
  for (let index = 1; index < powers.length; index++) powers[index] = multiply(powers[index - 1]!, powers[index - 1]!)
  return powers
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
