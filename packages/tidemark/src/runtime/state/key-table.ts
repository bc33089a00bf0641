import type { ByteBuffer } from '../../core/byte-buffer.ts'
import { assert } from '../../core/errors.ts'
import type { Key } from '../../core/key.ts'
import { isKey, keyEnd, writeKey } from '../../core/key-bytes.ts'
import { mapKeyOf } from '../../core/map-key.ts'
import { readWtf8 } from '../../core/wtf8.ts'
import { firstPair, type IndexedSlots, KeyIndex } from './key-index.ts'
import { KeyPage, LEAST_PAGE_SLOTS, MOST_PAGE_SLOTS, type PageGroup } from './key-pages.ts'
import { ABSENT, CHUNK_BITS, CHUNK_SLOTS, type ColumnPart, StateColumn } from './state-column.ts'

const CHUNK_MASK = CHUNK_SLOTS - 1
/** Shorter strings V8 never stores as a piece of a longer one. */
const SLICED_STRING_MIN = 13

/** As long as what lookups touch fits into the caches, to fetch it ahead costs more than it saves. */
const LEAST_SLOTS_TO_TOUCH = 1 << 12

/** A page as a snapshot writes it: its slots with the bytes of their keys, one after the other. */
export interface PagePart {
  readonly slots: number
  readonly keys: Uint8Array
  /** One per state; null where no key has it. */
  readonly columns: readonly (ColumnPart | null)[]
}

/**
 * All keyed state of one task: an index from keys to slots, and a column per state. Slots come in pages, each of one key group, and are given out in the order in which keys come: so the
 * bytes of a page's keys are encoded once and lie together. A slot whose key has lost all state stays empty until its group has so many of them that it is packed anew.
 *
 * `identity` is what a key is compared by: its map key.
 */
export class KeyTable implements IndexedSlots {
  /** Slots given out are below this. */
  end = 0
  /** How often a key has lost its slot or got another. */
  moves = 0
  /** So that no compiler leaves out what only touches. */
  touched = 0
  /** Some identity may stand for another key than itself: it begins with NUL. */
  private hasEscapes = false
  private readonly columns: (StateColumn | null)[]
  private readonly identities = new StateColumn()
  private readonly index = new KeyIndex(this)
  private readonly chunks: SlotChunk[] = []
  /** The page of each stretch of as many slots as the smallest page has. */
  private readonly pages: (KeyPage | null)[] = []
  /** Free stretches by the logarithm of their size. */
  private readonly free: number[][] = []

  constructor(states: number) {
    this.columns = Array.from({ length: states }, () => null)
    for (let size = 1; size <= MOST_PAGE_SLOTS; size *= 2) this.free.push([])
  }

  /** The slot of a key, or -1. */
  find(identity: unknown, hash: number): number {
    const slot = this.findIn(this.index.pairs, identity, hash)
    return slot < 0 && this.index.old !== null ? this.findIn(this.index.old, identity, hash) : slot
  }

  /** `find` for a number. */
  findNumber(key: number, hash: number): number {
    if (key !== key) return this.find(key, hash)
    const slot = this.findNumberIn(this.index.pairs, key, hash)
    return slot < 0 && this.index.old !== null ? this.findNumberIn(this.index.old, key, hash) : slot
  }

  /**
   * `find` for the first `count` keys (-1 for what is no key), the slots into `slots`. In a large table in passes over all of them, in which none waits for another, so the processor fetches what they need at the same time: the
   * first passes only fetch what is to be compared, the last the states.
   */
  findAll(keys: readonly Key[], hashes: readonly number[], hashesFrom: number, slots: Int32Array, count: number): void {
    const isLarge = this.end > LEAST_SLOTS_TO_TOUCH
    if (isLarge) this.touchKeys(keys, hashes, hashesFrom, slots, count)
    const { pairs } = this.index
    const { identities, hasEscapes } = this
    const mask = pairs.length - 1
    for (let index = 0; index < count; index++) {
      const key = keys[index]!
      const hash = hashes[hashesFrom + index]!
      let at = firstPair(hash, pairs)
      while (pairs[at + 1] !== hash && pairs[at] !== 0) at = (at + 2) & mask
      const slot = pairs[at]! - 1
      const isFound =
        slot >= 0 &&
        (typeof key === 'number'
          ? identities.holdsNumber(slot, key)
          : typeof key === 'string' && identities.get(slot) === key && !(hasEscapes && key.charCodeAt(0) === 0))
      slots[index] = isFound ? slot : this.findKey(key, hash)
    }
    if (isLarge) for (const column of this.columns) column?.touch(slots, count)
  }

  private findKey(key: Key, hash: number): number {
    if (typeof key === 'number') return this.findNumber(key, hash)
    return isKey(key) ? this.find(mapKeyOf(key), hash) : -1
  }

  private touchKeys(
    keys: readonly Key[],
    hashes: readonly number[],
    hashesFrom: number,
    slots: Int32Array,
    count: number,
  ): void {
    const { pairs } = this.index
    for (let index = 0; index < count; index++) slots[index] = pairs[firstPair(hashes[hashesFrom + index]!, pairs)]! - 1
    let touched = 0
    for (let index = 0; index < count; index++) {
      const slot = slots[index]!
      if (typeof keys[index] !== 'string' || slot < 0) continue
      const identity = this.identities.get(slot)
      if (typeof identity === 'string') touched += identity.length
    }
    this.touched = touched
  }

  pageOf(slot: number): KeyPage {
    return this.pages[Math.floor(slot / LEAST_PAGE_SLOTS)]!
  }

  /** Gives a slot of the group to a key that has none. If the group's last page has room, it must have been preserved. */
  add(group: PageGroup, key: Key, identity: unknown, hash: number, newestSnapshot: number): number {
    const page = group.pageWithRoom ?? this.addPage(group, newestSnapshot)
    const keyFrom = page.keys.length
    writeKey(key, page.keys)
    return this.append(page, ownIdentity(identity, page.keys, keyFrom), hash)
  }

  get(slot: number, state: number): unknown {
    const column = this.columns[state]!
    return column === null ? ABSENT : column.get(slot)
  }

  /** Stores a state; the page must have been preserved. */
  set(slot: number, state: number, value: unknown): void {
    const column = this.columns[state] ?? this.makeColumn(state)
    if (column.set(slot, value)) this.chunks[slot >> CHUNK_BITS]!.stored[slot & CHUNK_MASK]!++
  }

  /** Adds to a number that is stored and returns the sum; NaN, and nothing is changed, where none is. The page must have been preserved. */
  addTo(slot: number, state: number, summand: number): number {
    const column = this.columns[state]!
    return column === null ? Number.NaN : column.add(slot, summand)
  }

  /** The number that is stored, or NaN. */
  numberAt(slot: number, state: number): number {
    const column = this.columns[state]!
    return column === null ? Number.NaN : column.numberAt(slot)
  }

  /** Stores a number, no NaN, where `numberAt` gave one; the page must have been preserved. */
  replaceNumber(slot: number, state: number, value: number): void {
    this.columns[state]!.replaceNumber(slot, value)
  }

  /** Removes a state; the page must have been preserved. Returns whether the key thereby lost its slot. */
  remove(slot: number, state: number): boolean {
    const column = this.columns[state]!
    if (column === null || !column.remove(slot)) return false
    const { stored } = this.chunks[slot >> CHUNK_BITS]!
    stored[slot & CHUNK_MASK]!--
    if (stored[slot & CHUNK_MASK]! > 0) return false
    this.drop(slot)
    return true
  }

  /** A page as it is now: a copy that stays, or a view that is valid until the next change. */
  part({ first, count, keys }: KeyPage, copy: boolean): PagePart {
    return {
      slots: count,
      keys: keys.view(0),
      columns: this.columns.map((column) => column?.part(first, first + count, copy) ?? null),
    }
  }

  /** Moves a group's keys to `packed`, without the dead slots. All of its pages must have been preserved; their slots are used again. */
  pack(group: PageGroup, packed: PageGroup, newestSnapshot: number): void {
    for (const page of group.pages) {
      const bytes = page.keys.view(0)
      let keyFrom = 0
      for (let slot = page.first; slot < page.first + page.count; slot++) {
        const keyTo = keyEnd(bytes, keyFrom)
        if (this.isUsed(slot)) {
          const target = packed.pageWithRoom ?? this.addPage(packed, newestSnapshot)
          target.keys.bytes(bytes, keyFrom, keyTo)
          this.moveSlot(slot, target)
        }
        keyFrom = keyTo
      }
    }
    for (const { first, slots } of group.pages) this.free[Math.log2(slots)]!.push(first)
  }

  isUsed(slot: number): boolean {
    return this.chunks[slot >> CHUNK_BITS]!.stored[slot & CHUNK_MASK]! > 0
  }

  hashOf(slot: number): number {
    return this.chunks[slot >> CHUNK_BITS]!.hashes[slot & CHUNK_MASK]!
  }

  linkedIn(slot: number): number {
    return this.chunks[slot >> CHUNK_BITS]!.linkedIn[slot & CHUNK_MASK]!
  }

  setLinkedIn(slot: number, generation: number): void {
    this.chunks[slot >> CHUNK_BITS]!.linkedIn[slot & CHUNK_MASK] = generation
  }

  private findIn(pairs: Int32Array, identity: unknown, hash: number): number {
    const mask = pairs.length - 1
    for (let at = firstPair(hash, pairs); ; at = (at + 2) & mask) {
      const slot = pairs[at]! - 1
      if (slot < 0) return -1
      if (pairs[at + 1] === hash && isSame(this.identities.get(slot), identity)) return slot
    }
  }

  private findNumberIn(pairs: Int32Array, key: number, hash: number): number {
    const mask = pairs.length - 1
    for (let at = firstPair(hash, pairs); ; at = (at + 2) & mask) {
      const slot = pairs[at]! - 1
      if (slot < 0) return -1
      if (pairs[at + 1] === hash && this.identities.holdsNumber(slot, key)) return slot
    }
  }

  private append(page: KeyPage, identity: unknown, hash: number): number {
    const slot = page.first + page.count++
    page.group.count++
    page.group.live++
    this.identities.set(slot, identity)
    this.hasEscapes ||= typeof identity === 'string' && identity.charCodeAt(0) === 0
    this.chunks[slot >> CHUNK_BITS]!.hashes[slot & CHUNK_MASK] = hash
    this.index.link(slot)
    return slot
  }

  private drop(slot: number): void {
    this.moves++
    this.index.unlink(slot)
    this.identities.remove(slot)
    this.pageOf(slot).group.live--
  }

  private moveSlot(slot: number, page: KeyPage): void {
    const identity = this.identities.get(slot)
    const values = this.columns.map((column) => column?.get(slot) ?? ABSENT)
    this.drop(slot)
    for (const column of this.columns) column?.remove(slot)
    this.chunks[slot >> CHUNK_BITS]!.stored[slot & CHUNK_MASK] = 0
    const target = this.append(page, identity, this.hashOf(slot))
    for (const [state, value] of values.entries()) if (value !== ABSENT) this.set(target, state, value)
  }

  private addPage(group: PageGroup, newestSnapshot: number): KeyPage {
    const slots = group.nextPageSlots
    const page = new KeyPage(group, this.allocate(slots), slots, newestSnapshot)
    for (let slot = page.first; slot < page.first + slots; slot += LEAST_PAGE_SLOTS)
      this.pages[slot / LEAST_PAGE_SLOTS] = page
    group.pages.push(page)
    return page
  }

  /** A free stretch of so many slots, a power of two, at a multiple of it: halves of larger ones are kept for later. */
  private allocate(slots: number): number {
    const free = this.free[Math.log2(slots)]!.pop()
    if (free !== undefined) return free
    if (slots === MOST_PAGE_SLOTS) return this.extend()
    const first = this.allocate(slots * 2)
    this.free[Math.log2(slots)]!.push(first + slots)
    return first
  }

  private extend(): number {
    const first = this.end
    this.end += MOST_PAGE_SLOTS
    while (this.pages.length < this.end / LEAST_PAGE_SLOTS) this.pages.push(null)
    if (this.chunks.length < this.end / CHUNK_SLOTS) this.chunks.push(new SlotChunk())
    this.identities.reserve(this.end)
    for (const column of this.columns) column?.reserve(this.end)
    return first
  }

  private makeColumn(state: number): StateColumn {
    const column = new StateColumn()
    column.reserve(this.end)
    this.columns[state] = column
    return column
  }
}

/** What there is of each slot beside its key and its states. */
class SlotChunk {
  readonly hashes = new Int32Array(CHUNK_SLOTS)
  /** How many states of the slot's key are stored. */
  readonly stored = new Uint16Array(CHUNK_SLOTS)
  readonly linkedIn = new Uint8Array(CHUNK_SLOTS)
}

/** NaN is a key but equals nothing. */
function isSame(left: unknown, right: unknown): boolean {
  return left === right || (left !== left && right !== right)
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
