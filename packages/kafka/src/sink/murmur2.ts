const SEED = 0x9747b28c
const MULTIPLIER = 0x5bd1e995

/** Murmur2 as Kafka's producers use it: 32 bits, signed. From `org.apache.kafka.common.utils.Utils.murmur2`. */
export function murmur2(bytes: Uint8Array, start = 0, length = bytes.length - start): number {
  let hash = SEED ^ length
  let at = start
  for (const last = start + length - 3; at < last; at += 4) {
    let word = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
    word = Math.imul(word, MULTIPLIER)
    word ^= word >>> 24
    hash = Math.imul(hash, MULTIPLIER) ^ Math.imul(word, MULTIPLIER)
  }
  const rest = start + length - at
  if (rest === 3) hash ^= bytes[at + 2]! << 16
  if (rest >= 2) hash ^= bytes[at + 1]! << 8
  if (rest >= 1) hash = Math.imul(hash ^ bytes[at]!, MULTIPLIER)
  hash ^= hash >>> 13
  hash = Math.imul(hash, MULTIPLIER)
  return hash ^ (hash >>> 15)
}

/** The partition that every producer of Kafka's own gives to a record with this key. */
export function partitionOfKey(key: Uint8Array, partitions: number, start = 0, length = key.length - start): number {
  return (murmur2(key, start, length) & 0x7fffffff) % partitions
}
