import type { RecordBatch } from '../../core/element.ts'
import type { Key } from '../../core/key.ts'
import type { KeyedStateBackend } from './contract.ts'

/** So many keys are looked up at once: what they touch, three cache lines each, stays in the first cache. */
const WINDOW = 128
/** For fewer records it is not worth while. */
const LEAST_WINDOW = 8
/** As long as what lookups touch fits into the caches, the passes cost more than they save. */
const LEAST_KEYS = 1 << 15
/** A text lies in memory by itself: more to fetch, so it pays sooner (dearer with 1,000 keys, cheaper with 10,000). */
const LEAST_TEXT_KEYS = 1 << 12

/**
 * Makes the keys of a batch current one after the other, but looks them up some ahead: a processor fetches the memory for many independent lookups at the same time, and that of records
 * handled one by one only one after the other (benchmarks/keyed-count.ts with 1,000,000 keys). What is done to the state between two records is respected.
 *
 * Only where there are many keys: numbers, or strings whose hashes came with the records. To hash a text takes longer than to fetch it.
 */
export class KeyLookahead {
  private readonly backend: KeyedStateBackend
  private readonly keyOf: (record: unknown) => Key
  /** The window: of this batch, records `first` … `end` − 1. */
  private values: readonly unknown[] | null = null
  private first = 0
  private end = 0
  private readonly keys: Key[] = []
  private readonly hashes = new Int32Array(WINDOW)
  private readonly slots = new Int32Array(WINDOW)
  private moves = 0
  private readonly leastKeys: number
  private readonly leastTextKeys: number

  constructor(backend: KeyedStateBackend, keyOf: (record: unknown) => Key, leastKeys: number = LEAST_KEYS) {
    this.backend = backend
    this.keyOf = keyOf
    this.leastKeys = leastKeys
    this.leastTextKeys = Math.min(leastKeys, LEAST_TEXT_KEYS)
  }

  /** Makes the key of record `index` the current one, and returns it. `to`: how far the caller means to go. Throws what the selector throws for this record, and `INVALID_KEY`. */
  use(batch: RecordBatch, index: number, to: number): Key {
    const { values, keyHashes } = batch
    if (values !== this.values || index < this.first || index >= this.end) {
      const key = this.keyOf(values[index])
      if (to - index < LEAST_WINDOW || this.backend.keys < this.leastKeysFor(key, keyHashes !== null)) {
        if (keyHashes === null) this.backend.setCurrentKey(key)
        else this.backend.setHashedKey(key, keyHashes[index]!)
        return key
      }
      this.lookUp(batch, index, Math.min(to, index + WINDOW))
    }
    const at = index - this.first
    const key = this.keys[at]!
    this.backend.setFoundKey(key, this.hashes[at]!, this.slots[at]!, this.moves)
    return key
  }

  private leastKeysFor(key: Key, isHashed: boolean): number {
    if (typeof key === 'number') return this.leastKeys
    return isHashed && typeof key === 'string' ? this.leastTextKeys : Number.POSITIVE_INFINITY
  }

  private lookUp({ values, keyHashes }: RecordBatch, from: number, to: number): void {
    const { keyOf, keys, hashes } = this
    this.values = null
    let count = 0
    try {
      for (; count < to - from; count++) keys[count] = keyOf(values[from + count])
    } catch (error) {
      // Its turn comes later, unless the selector does not do the same twice.
      if (count === 0) throw error
    }
    if (keyHashes !== null) for (let index = 0; index < count; index++) hashes[index] = keyHashes[from + index]!
    this.moves = this.backend.lookUp(keys, hashes, this.slots, count, keyHashes !== null)
    this.values = values
    this.first = from
    this.end = from + count
  }
}
