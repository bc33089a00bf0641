import type { RecordBatch } from '../../core/element.ts'
import type { Key } from '../../core/key.ts'
import { isKey, ownKey, signedKeyHash, signedNumberHash } from '../../core/key-bytes.ts'
import { roomForRecords } from '../channel/record-room.ts'
import type { KeyedStateBackend } from './contract.ts'

/** So many keys are looked up at once: what they touch, three cache lines each, stays in the first cache. */
const WINDOW = 128

/**
 * Makes the keys of a batch current one after the other, but looks them up some ahead: a processor fetches the memory for many independent lookups at the same time, and that of records
 * handled one by one only one after the other (benchmarks/keyed-count.ts with 1,000,000 keys). What is done to the state between two records is respected.
 *
 * The selector is called for later records first: a tuple that it gives is copied, since it may fill the same one for the next record.
 */
export class KeyLookahead {
  private readonly backend: KeyedStateBackend
  private readonly keyOf: (record: unknown) => Key
  /** The window: of this batch, records `first` … `end` − 1. */
  private values: readonly unknown[] | null = null
  first = 0
  private end = 0
  /** Of the records in the window. */
  keys: readonly Key[] = []
  /** Of the keys, from `hashesFrom` on. */
  private hashes: readonly number[] = []
  private hashesFrom = 0
  /** Where their states were when the window was opened (while `isCurrent`, they still are); -1 for keys that had none. */
  readonly slots = new Int32Array(WINDOW)
  private moves = 0

  constructor(backend: KeyedStateBackend, keyOf: (record: unknown) => Key) {
    this.backend = backend
    this.keyOf = keyOf
  }

  /** Makes the key of record `index` the current one, and returns it. `to`: how far the caller means to go. Throws what the selector throws for this record, and `INVALID_KEY`. */
  use(batch: RecordBatch, index: number, to: number): Key {
    if (!this.isOpenAt(batch, index)) this.lookUp(batch, index, Math.min(to, index + WINDOW))
    return this.useOpen(index)
  }

  /** `use` of a record in the window. */
  useOpen(index: number): Key {
    const at = index - this.first
    const key = this.keys[at]!
    this.backend.setFoundKey(key, this.hashes[this.hashesFrom + at]!, this.slots[at]!, this.moves)
    return key
  }

  /** Makes sure that the keys of records from `index` on have been looked up and lie there; returns how far, at most `to`. Throws what the selector throws for the first. */
  open(batch: RecordBatch, index: number, to: number): number {
    if (!this.isOpenAt(batch, index) || !this.isCurrent) this.lookUp(batch, index, Math.min(to, index + WINDOW))
    return Math.min(to, this.end)
  }

  /** Whether what `slots` says is still true. */
  get isCurrent(): boolean {
    return this.backend.moves === this.moves
  }

  private isOpenAt(batch: RecordBatch, index: number): boolean {
    return batch.values === this.values && index >= this.first && index < this.end
  }

  private lookUp({ values, keyHashes }: RecordBatch, from: number, to: number): void {
    const { keyOf } = this
    this.values = null
    // A new array: to store new objects in an old one costs more than to make one.
    const keys = roomForRecords(to - from) as Key[]
    let count = 0
    try {
      for (; count < to - from; count++) keys[count] = ownKey(keyOf(values[from + count]))
    } catch (error) {
      // Its turn comes later, unless the selector does not do the same twice.
      if (count === 0) throw error
    }
    this.hashes = keyHashes ?? hashesOf(keys, count)
    this.hashesFrom = keyHashes === null ? 0 : from
    this.moves = this.backend.lookUp(keys, this.hashes, this.hashesFrom, this.slots, count)
    this.keys = keys
    this.values = values
    this.first = from
    this.end = from + count
  }
}

/** 0 for what is no key. */
function hashesOf(keys: readonly Key[], count: number): readonly number[] {
  // oxlint-disable-next-line unicorn/no-new-array -- one allocation
  const hashes = new Array<number>(count)
  for (let index = 0; index < count; index++) {
    const key = keys[index]!
    hashes[index] = typeof key === 'number' ? signedNumberHash(key) : isKey(key) ? signedKeyHash(key) : 0
  }
  return hashes
}
