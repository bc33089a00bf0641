/** Blocks are compressed by themselves: distances fit into two bytes, and so do places in the table. */
export const MAX_BLOCK_BYTES = 65_536
const MIN_MATCH = 4
/** LZ4 ends each block with so many bytes as they are, and begins no match so close to the end; Snappy does not mind. */
const LAST_LITERALS = 5
const NO_MATCH_BYTES = 12
const HASH_BITS = 13
/** Of each match: where it begins, how far before it the same bytes are, and how many. */
export const MATCH_FIELDS = 3

/** Where bytes of the block were last seen, by the hash of four of them. One for all, since nothing lasts from block to block. */
const table = new Uint16Array(1 << HASH_BITS)
/** Those of the last call. */
export const matches = new Uint32Array(MATCH_FIELDS * Math.ceil(MAX_BLOCK_BYTES / MIN_MATCH))

/**
 * Finds what occurred before in a block of at most MAX_BLOCK_BYTES, greedily, as the fast modes of LZ4 and Snappy do, with larger steps where nothing is found for long. Gives how many matches
 * `matches` holds, in order and without overlaps.
 */
export function findMatches(bytes: Uint8Array, start: number, end: number): number {
  // Reads four bytes at once, wherever they lie.
  const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  table.fill(0)
  const lastStart = end - NO_MATCH_BYTES
  const lastEnd = end - LAST_LITERALS
  let fields = 0
  let at = start + 1
  let misses = 0
  while (at <= lastStart) {
    const word = words.getInt32(at, true)
    const slot = Math.imul(word, 0x9e3779b1) >>> (32 - HASH_BITS)
    // Empty slots name the start of the block, which is looked at like any other place.
    const candidate = start + table[slot]!
    table[slot] = at - start
    if (words.getInt32(candidate, true) !== word) {
      at += 1 + (misses++ >>> 6)
      continue
    }
    misses = 0
    const distance = at - candidate
    let to = at + MIN_MATCH
    while (to + 4 <= lastEnd && words.getInt32(to, true) === words.getInt32(to - distance, true)) to += 4
    while (to < lastEnd && bytes[to] === bytes[to - distance]) to++
    matches[fields] = at
    matches[fields + 1] = distance
    matches[fields + 2] = to - at
    fields += MATCH_FIELDS
    at = to
  }
  return fields / MATCH_FIELDS
}
