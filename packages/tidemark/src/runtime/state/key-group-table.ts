import { ByteBuffer } from '../../core/byte-buffer.ts'
import { assert } from '../../core/errors.ts'
import type { Key } from '../../core/key.ts'
import { keyEnd, writeKey } from '../../core/key-bytes.ts'
import { readWtf8 } from '../../core/wtf8.ts'
import { ABSENT, type ColumnPart, StateColumn } from './state-column.ts'

/** Slots are preserved for snapshots in pages of this many: one copy costs about a microsecond per column. */
const PAGE_SLOTS = 1 << 10
const PAGE_BITS = 10
const FIRST_CAPACITY = 8
/** Fibonacci hashing: takes the upper bits of the product, since the lower bits of the hash are the same in all keys of a group. */
const GOLDEN = 0x9e3779b1 | 0
/** Shorter strings V8 never stores as a piece of a longer one. */
const SLICED_STRING_MIN = 13

/** A page as a snapshot writes it. Key bytes lie in the table's log, which is only ever appended to. */
export interface PagePart {
  readonly slots: number
  readonly keysFrom: number
  readonly keysTo: number
  /** One per state; null where no key of the group has it. */
  readonly columns: readonly (ColumnPart | null)[]
}

/**
 * All state of one key group: an open-addressing table from keys to slots, and a column per state. Slots are numbered in the order in which keys came and never
 * reused: the bytes of a page's keys are encoded once and lie together. A table with too many dead slots is replaced by a compact one.
 *
 * `identity` is what a key is compared by: its map key, with a stand-in for NaN.
 */
export class KeyGroupTable {
  readonly keyGroup: number
  readonly columns: (StateColumn | null)[]
  /** Slots given out, dead ones included. */
  count = 0
  /** Slots whose key has state. */
  live = 0
  /** Per page: the snapshot number that was the newest when the page was last preserved, or born. */
  readonly preservedAt: number[] = []
  /** Per page: the newest snapshot when it came into being. That one and those before it do not hold the page. */
  readonly bornAt: number[] = []
  readonly keyLog = new ByteBuffer(64)
  private readonly pageKeys: number[] = []
  private readonly identities: unknown[] = []
  private hashes = new Int32Array(FIRST_CAPACITY)
  /** How many states of the slot's key are stored. */
  private stored = new Uint16Array(FIRST_CAPACITY)
  /** Pairs of slot + 1 (0 for none) and hash, side by side to share a cache line; linear probing, at most half full. */
  private index = new Int32Array(FIRST_CAPACITY * 4)
  private shift = 32 - Math.log2(FIRST_CAPACITY * 2)

  constructor(keyGroup: number, states: number) {
    this.keyGroup = keyGroup
    this.columns = Array.from({ length: states }, () => null)
  }

  get pages(): number {
    return this.bornAt.length
  }

  /** Whether so many slots are dead that a compact copy pays. */
  get isSparse(): boolean {
    return this.count - this.live > Math.max(256, this.live)
  }

  /** The slot of a key, or -1. */
  find(identity: unknown, hash: number): number {
    const { index } = this
    const mask = index.length - 1
    const wanted = hash | 0
    let at = (Math.imul(wanted, GOLDEN) >>> this.shift) << 1
    for (;;) {
      const slot = index[at]! - 1
      if (slot < 0) return -1
      if (index[at + 1] === wanted && this.identities[slot] === identity) return slot
      at = (at + 2) & mask
    }
  }

  /** The page that the next slot given out lies in, if it exists. */
  get lastPage(): number {
    return this.count >> PAGE_BITS
  }

  /** Gives a slot to a key that has none. The page it lies in must have been preserved. */
  add(key: Key, identity: unknown, hash: number, newestSnapshot: number): number {
    const keyFrom = this.keyLog.length
    writeKey(key, this.keyLog)
    return this.append(ownIdentity(identity, this.keyLog, keyFrom), hash, keyFrom, newestSnapshot)
  }

  /** Stores a state; the page must have been preserved. */
  set(slot: number, state: number, value: unknown): void {
    const column = (this.columns[state] ??= new StateColumn(this.hashes.length))
    if (column.set(slot, value)) this.stored[slot]!++
  }

  get(slot: number, state: number): unknown {
    const column = this.columns[state]!
    return column === null ? ABSENT : column.get(slot)
  }

  /** Removes a state; the page must have been preserved. Returns whether the key thereby lost its slot. */
  remove(slot: number, state: number): boolean {
    const column = this.columns[state]!
    if (column === null || !column.remove(slot)) return false
    this.stored[slot]!--
    if (this.stored[slot]! > 0) return false
    this.unlink(slot)
    return true
  }

  /** A page as it is now: a copy that stays, or a view that is valid until the next change. */
  part(page: number, copy: boolean): PagePart {
    const from = page * PAGE_SLOTS
    const to = Math.min(from + PAGE_SLOTS, this.count)
    return {
      slots: to - from,
      keysFrom: this.pageKeys[page]!,
      keysTo: this.pageKeys[page + 1] ?? this.keyLog.length,
      columns: this.columns.map((column) => column?.part(from, to, copy) ?? null),
    }
  }

  /** A table without the dead slots. Snapshots that need this one keep it: it is not changed any more. */
  compact(newestSnapshot: number): KeyGroupTable {
    const table = new KeyGroupTable(this.keyGroup, this.columns.length)
    const log = this.keyLog.view(0)
    let keyFrom = 0
    for (let slot = 0; slot < this.count; slot++) {
      const keyTo = keyEnd(log, keyFrom)
      if (this.stored[slot]! > 0) {
        const newKeyFrom = table.keyLog.length
        table.keyLog.bytes(log.subarray(keyFrom, keyTo))
        const target = table.append(this.identities[slot], this.hashes[slot]!, newKeyFrom, newestSnapshot)
        for (let state = 0; state < this.columns.length; state++) {
          const value = this.get(slot, state)
          if (value !== ABSENT) table.set(target, state, value)
        }
      }
      keyFrom = keyTo
    }
    return table
  }

  private append(identity: unknown, hash: number, keyFrom: number, newestSnapshot: number): number {
    const slot = this.count++
    if (slot === this.hashes.length) this.grow()
    if ((slot & (PAGE_SLOTS - 1)) === 0) {
      this.bornAt.push(newestSnapshot)
      this.preservedAt.push(newestSnapshot)
      this.pageKeys.push(keyFrom)
    }
    this.identities.push(identity)
    this.hashes[slot] = hash
    this.live++
    this.link(slot)
    return slot
  }

  private link(slot: number): void {
    const { index } = this
    const mask = index.length - 1
    const hash = this.hashes[slot]!
    let at = this.home(hash)
    while (index[at] !== 0) at = (at + 2) & mask
    index[at] = slot + 1
    index[at + 1] = hash
  }

  /** Where the search for a hash begins. */
  private home(hash: number): number {
    return (Math.imul(hash, GOLDEN) >>> this.shift) << 1
  }

  /** Takes a slot out of the index, moving later ones of the same run up (no tombstones). */
  private unlink(slot: number): void {
    const { index } = this
    const mask = index.length - 1
    let hole = this.home(this.hashes[slot]!)
    while (index[hole] !== slot + 1) hole = (hole + 2) & mask
    for (let at = (hole + 2) & mask; index[at] !== 0; at = (at + 2) & mask) {
      const distance = (at - this.home(index[at + 1]!)) & mask
      if (distance >= ((at - hole) & mask)) {
        index[hole] = index[at]!
        index[hole + 1] = index[at + 1]!
        hole = at
      }
    }
    index[hole] = 0
    this.identities[slot] = undefined
    this.live--
  }

  private grow(): void {
    const capacity = this.hashes.length * 2
    const { hashes, stored } = this
    this.hashes = new Int32Array(capacity)
    this.hashes.set(hashes)
    this.stored = new Uint16Array(capacity)
    this.stored.set(stored)
    for (const column of this.columns) column?.grow(capacity)
    this.index = new Int32Array(capacity * 4)
    this.shift--
    for (let slot = 0; slot < hashes.length; slot++) if (stored[slot]! > 0) this.link(slot)
  }
}

export function pageOf(slot: number): number {
  return slot >> PAGE_BITS
}

/** A string key may be a piece of a long line, which it would keep in memory for as long as the state lives: it is copied. */
function ownIdentity(identity: unknown, log: ByteBuffer, keyFrom: number): unknown {
  if (typeof identity !== 'string' || identity.length < SLICED_STRING_MIN || identity.charCodeAt(0) === 0)
    return identity
  const bytes = log.view(keyFrom)
  let at = 1
  while (bytes[at]! >= 0x80) at++
  const copy = readWtf8(bytes, at + 1, bytes.length)
  assert(copy.length === identity.length, 'a key log holds what was written to it')
  return copy
}
