const FIRST_PAIRS = 1 << 4
/** Fibonacci hashing: takes the upper bits of the product, since the lower bits of the hash are much the same in all keys of a group. */
const GOLDEN = 0x9e3779b1 | 0
/** Up to here, which fits into a cache of a processor, the index is at most a quarter full: half of the keys of one that is half full are not where their hash says, and each of these costs a branch that was not foreseen. */
const SPARSE_WORDS = 1 << 17
/** After a growth each new key brings so many slots over: far more than are needed before the next growth. */
const SLOTS_PER_STEP = 64

/** What the index asks about slots. */
export interface IndexedSlots {
  /** Slots given out so far are below this. */
  readonly end: number
  /** Whether the slot is in use, and its hash. */
  isUsed(slot: number): boolean
  hashOf(slot: number): number
  /** In which generation of the index the slot was linked. */
  linkedIn(slot: number): number
  setLinkedIn(slot: number, generation: number): void
}

/**
 * From hashes to slots: open addressing, linear probing, at most half full, no tombstones. It grows without a stop: slots move to the larger index a few at a time, and until
 * all have, what is not found there is looked for in the smaller one, which does not change any more. What it still says of removed or reused slots does no harm, since
 * whoever looks compares the key.
 */
export class KeyIndex {
  /** Pairs of slot + 1 (0 for none) and hash, side by side to share a cache line. */
  pairs = new Int32Array(FIRST_PAIRS * 2)
  /** The smaller one, while slots move. */
  old: Int32Array | null = null
  private readonly slots: IndexedSlots
  private generation = 1
  private used = 0
  /** Slots from here to `moveEnd` have still to be moved. */
  private next = 0
  private moveEnd = 0

  constructor(slots: IndexedSlots) {
    this.slots = slots
  }

  /** Adds a slot whose key is in none. */
  link(slot: number): void {
    if (this.used + 1 > this.most) this.grow()
    if (this.old !== null) this.move(SLOTS_PER_STEP)
    this.used++
    this.insert(slot)
  }

  /** Takes a slot out; its hash must still be known. */
  unlink(slot: number): void {
    this.used--
    if (this.slots.linkedIn(slot) === this.generation) this.close(slot)
  }

  /** So many slots may be linked. */
  private get most(): number {
    const { length } = this.pairs
    return length <= SPARSE_WORDS ? length >> 3 : length >> 2
  }

  private insert(slot: number): void {
    const { pairs } = this
    const mask = pairs.length - 1
    const hash = this.slots.hashOf(slot)
    let at = firstPair(hash, pairs)
    while (pairs[at] !== 0) at = (at + 2) & mask
    pairs[at] = slot + 1
    pairs[at + 1] = hash
    this.slots.setLinkedIn(slot, this.generation)
  }

  /** Empties the pair of a slot, moving later ones of the same run up. */
  private close(slot: number): void {
    const { pairs } = this
    const mask = pairs.length - 1
    let hole = firstPair(this.slots.hashOf(slot), pairs)
    while (pairs[hole] !== slot + 1) hole = (hole + 2) & mask
    for (let at = (hole + 2) & mask; pairs[at] !== 0; at = (at + 2) & mask) {
      const distance = (at - firstPair(pairs[at + 1]!, pairs)) & mask
      if (distance >= ((at - hole) & mask)) {
        pairs[hole] = pairs[at]!
        pairs[hole + 1] = pairs[at + 1]!
        hole = at
      }
    }
    pairs[hole] = 0
    this.slots.setLinkedIn(slot, 0)
  }

  private grow(): void {
    // Never many: a growth ends long before the next.
    if (this.old !== null) this.move(Number.POSITIVE_INFINITY)
    this.old = this.pairs
    this.pairs = new Int32Array(this.old.length * 2)
    this.generation++
    this.next = 0
    this.moveEnd = this.slots.end
  }

  private move(count: number): void {
    const { slots, generation } = this
    const end = Math.min(this.moveEnd, this.next + count)
    for (let slot = this.next; slot < end; slot++)
      if (slots.isUsed(slot) && slots.linkedIn(slot) !== generation) this.insert(slot)
    this.next = end
    if (end === this.moveEnd) this.old = null
  }
}

/** Where the search for a hash begins. */
export function firstPair(hash: number, pairs: Int32Array): number {
  return (Math.imul(hash, GOLDEN) >>> Math.clz32((pairs.length >> 1) - 1)) << 1
}
