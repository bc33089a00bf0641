const REFLECTED_POLYNOMIAL = 0x82f63b78
/** Below so many bytes a view of words is not worth its making. */
const WORDS_FROM_BYTES = 64
/** The polynomial 1. */
const ONE = 0x8000_0000
const POWERS = makePowers()

/**
 * CRC-32C (Castagnoli, RFC 3720) as an unsigned number. Incremental: `crc32c(b, crc32c(a))` is the checksum of `a`
 * followed by `b`. Slicing-by-16 after Kounavis and Berry: 16 independent look-ups per step. 0.6 ns per byte, where look-ups in one table take 0.9 and WebAssembly, with the copy that it needs, 0.5.
 */
export const crc32c: (bytes: Uint8Array, previous?: number) => number = withTables()

/** The checksum of a first part followed by a second of `length` bytes, from the checksums of both: as zlib's crc32_combine, in a microsecond. */
export function crc32cCombine(first: number, second: number, length: number): number {
  let shift = ONE
  let power = 3
  for (let rest = length; rest > 0; rest = Math.floor(rest / 2), power++)
    if (rest % 2 === 1) shift = multiply(POWERS[power % POWERS.length]!, shift)
  return (multiply(shift, first) ^ second) >>> 0
}

/**
 * The tables are constants of a function: those of a module become variables when it is bundled, and then V8 looks for them, and for their length, at each look-up (1.4 instead of 0.6 ns per byte).
 */
function withTables(): (bytes: Uint8Array, previous?: number) => number {
  const [T0, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13, T14, T15] = makeTables()

  function ofBytes(bytes: Uint8Array, from: number, to: number, previous: number): number {
    let crc = previous
    for (let at = from; at < to; at++) crc = (crc >>> 8) ^ T0[(crc ^ bytes[at]!) & 255]!
    return crc
  }

  function ofWords(words: Int32Array, previous: number): number {
    let crc = previous
    for (let at = 0; at < words.length; at += 4) {
      const a = crc ^ words[at]!
      const b = words[at + 1]!
      const c = words[at + 2]!
      const d = words[at + 3]!
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
    return crc
  }

  return (bytes, previous = 0) => {
    if (bytes.length < WORDS_FROM_BYTES) return ~ofBytes(bytes, 0, bytes.length, ~previous) >>> 0
    // Words have to be aligned: what lies before the first and after the last four of them goes byte by byte.
    const start = -bytes.byteOffset & 3
    const steps = (bytes.length - start) >> 4
    const words = new Int32Array(bytes.buffer, bytes.byteOffset + start, steps * 4)
    const before = ofBytes(bytes, 0, start, ~previous)
    return ~ofBytes(bytes, start + steps * 16, bytes.length, ofWords(words, before)) >>> 0
  }
}

type Tables = readonly [
  ...[Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array],
  ...[Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array],
]

/** Table k advances a byte by k further zero bytes. */
function makeTables(): Tables {
  const tables = Array.from({ length: 16 }, () => new Int32Array(256))
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ REFLECTED_POLYNOMIAL
    tables[0]![byte] = crc
  }
  for (let byte = 0; byte < 256; byte++) {
    let crc = tables[0]![byte]!
    for (let table = 1; table < 16; table++) {
      crc = (crc >>> 8) ^ tables[0]![crc & 255]!
      tables[table]![byte] = crc
    }
  }
  return tables as readonly Int32Array[] as Tables
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
