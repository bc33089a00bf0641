/**
 * MurmurHash3 x86 32 (Appleby, public domain), in pieces, so that callers can feed words without making bytes first. Pinned: key groups depend on it.
 */
export function murmurMix(hash: number, word: number): number {
  const mixed = hash ^ murmurTail(word)
  return (Math.imul((mixed << 13) | (mixed >>> 19), 5) + 0xe6546b64) | 0
}

/** What the last one to three bytes (as a little-endian word) change the hash by. */
export function murmurTail(word: number): number {
  const scrambled = Math.imul(word, 0xcc9e2d51)
  return Math.imul((scrambled << 15) | (scrambled >>> 17), 0x1b873593)
}

/** Ends a hash over `length` bytes; an unsigned number. */
export function murmurFinish(hash: number, length: number): number {
  let mixed = hash ^ length
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return (mixed ^ (mixed >>> 16)) >>> 0
}

/** The hash of `bytes[from] … bytes[to − 1]`. */
export function murmur3(bytes: Uint8Array, from: number, to: number, seed: number): number {
  let hash = seed | 0
  let at = from
  for (; at + 4 <= to; at += 4) {
    hash = murmurMix(hash, bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24))
  }
  if (at < to) {
    let tail = bytes[at]!
    if (at + 1 < to) tail |= bytes[at + 1]! << 8
    if (at + 2 < to) tail |= bytes[at + 2]! << 16
    hash ^= murmurTail(tail)
  }
  return murmurFinish(hash, to - from)
}
