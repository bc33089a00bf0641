import { assert } from '../../core/errors.ts'

/**
 * The memory of a ring: a header of eight cache lines, then the data, a power of two of bytes. Positions count bytes since the beginning, modulo 2^32; what lies between
 * them has been sent and not been taken yet. Words that different threads write lie in different cache lines.
 */
export const HEADER_BYTES = 512
const LINE_WORDS = 16

/** Words of the header. */
export const WORD = {
  layout: 0,
  /** How many records may always be on the way. */
  capacity: 1,
  /** Written by the producer: where it will write next. */
  written: LINE_WORDS,
  /** Written by the producer: the records (an event counts as one) of all elements that are in the ring to their last byte, or were. */
  recordsWritten: LINE_WORDS + 1,
  /** Written by the consumer: up to where it has taken. */
  taken: 2 * LINE_WORDS,
  /** Written by the consumer: the records of all elements that it has taken in full. */
  recordsTaken: 2 * LINE_WORDS + 1,
  /** Written by the consumer: how many records may be on the way now, at least `capacity`. */
  credit: 2 * LINE_WORDS + 2,
  /** 1: the consumer found nothing and wants to be woken. Set by the consumer, cleared by who wakes it. */
  consumerWaits: 3 * LINE_WORDS,
  /** 1: the producer found no room and wants to be woken. */
  producerWaits: 4 * LINE_WORDS,
  /** Three lines reserved for an event that overtakes the data (unaligned checkpoints): sequence number, length, bytes. */
  priority: 5 * LINE_WORDS,
} as const

const LAYOUT = 0x7469_0003
const MIN_DATA_BYTES = 8
const MAX_DATA_BYTES = 1 << 30
/** The credit in records is at most so many times the capacity. */
export const MOST_CAPACITIES = 8
export const MOST_RECORDS = 2 ** 31 - 1

/** Each frame begins with its length in bytes, 32 bits, little-endian. */
export const FRAME_HEAD_BYTES = 4

/**
 * Memory for one channel. Its credit: so many bytes of data (rounded up to a power of two), and so many records, which the last element may exceed; more records if its consumer takes those in
 * a few milliseconds (ring-reader.ts).
 */
export function createRing(bytes: number, records: number): SharedArrayBuffer {
  assert(bytes > 0 && bytes <= MAX_DATA_BYTES, 'a ring has a size of at most 1 GiB')
  assert(records > 0 && records <= MOST_RECORDS, 'a ring has room for a record')
  let size = MIN_DATA_BYTES
  while (size < bytes) size *= 2
  const memory = new SharedArrayBuffer(HEADER_BYTES + size)
  const words = new Int32Array(memory)
  words[WORD.layout] = LAYOUT
  words[WORD.capacity] = records
  words[WORD.credit] = records
  return memory
}

export interface RingMemory {
  readonly words: Int32Array<SharedArrayBuffer>
  readonly data: Uint8Array<SharedArrayBuffer>
}

/** The views that both ends work with. */
export function viewRing(memory: SharedArrayBuffer): RingMemory {
  const words = new Int32Array(memory, 0, HEADER_BYTES >> 2)
  assert(words[WORD.layout] === LAYOUT, 'this memory is no ring')
  return { words, data: new Uint8Array(memory, HEADER_BYTES) }
}
