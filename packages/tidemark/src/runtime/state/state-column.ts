/** What a column answers where nothing is stored; `undefined` is a value. */
export const ABSENT = Symbol('absent')

/** Columns grow by chunks of this many slots: what lies in earlier chunks is never copied. The first begins small and doubles. */
export const CHUNK_BITS = 14
export const CHUNK_SLOTS = 1 << CHUNK_BITS
const CHUNK_MASK = CHUNK_SLOTS - 1

/** Marks a number as absent: the low word of a NaN that no computation makes. Stored NaNs are made canonical, so it is never a user's. */
const ABSENT_LOW_WORD = 0x7dea0001
const ABSENT_BITS = 0x7ff80000_7dea0001n
const NAN_HIGH_WORD = 0x7ff80000

/** Some consecutive slots of a column: slot i of the part is at `from + i`. `words`: the same memory as `numbers`. */
export type ColumnPart =
  | { readonly kind: 'numbers'; readonly from: number; readonly numbers: Float64Array; readonly words: Int32Array }
  | { readonly kind: 'values'; readonly from: number; readonly values: readonly unknown[] }

/**
 * A value per slot. Each chunk begins as numbers off the JavaScript heap (no garbage collection, copied by memcpy) and becomes one of references for good when the
 * first other value comes.
 */
export class StateColumn {
  private readonly chunks: ColumnChunk[] = []
  /** So that no compiler leaves out what only touches. */
  touched = 0

  /** Makes room for slots 0 … `slots` − 1. */
  reserve(slots: number): void {
    const last = this.chunks.length - 1
    if (last >= 0) this.chunks[last]!.reserve(Math.min(slots - last * CHUNK_SLOTS, CHUNK_SLOTS))
    for (let first = this.chunks.length * CHUNK_SLOTS; first < slots; first += CHUNK_SLOTS)
      this.chunks.push(new ColumnChunk(first === 0 ? Math.min(slots, CHUNK_SLOTS) : CHUNK_SLOTS))
  }

  get(slot: number): unknown {
    return this.chunks[slot >> CHUNK_BITS]!.get(slot & CHUNK_MASK)
  }

  /** Whether `get` would answer this number, which is no NaN. */
  holdsNumber(slot: number, number: number): boolean {
    return this.chunks[slot >> CHUNK_BITS]!.holdsNumber(slot & CHUNK_MASK, number)
  }

  /** Returns whether nothing was stored before. */
  set(slot: number, value: unknown): boolean {
    return this.chunks[slot >> CHUNK_BITS]!.set(slot & CHUNK_MASK, value)
  }

  /** Adds to a number that is stored and returns the sum; NaN, and nothing is changed, where none is stored or the sum is no number. */
  add(slot: number, summand: number): number {
    return this.chunks[slot >> CHUNK_BITS]!.add(slot & CHUNK_MASK, summand)
  }

  /** The number that is stored, or NaN. */
  numberAt(slot: number): number {
    return this.chunks[slot >> CHUNK_BITS]!.numberAt(slot & CHUNK_MASK)
  }

  /** Stores a number, no NaN, where `numberAt` gave one. */
  replaceNumber(slot: number, value: number): void {
    this.chunks[slot >> CHUNK_BITS]!.replaceNumber(slot & CHUNK_MASK, value)
  }

  /** Fetches what lies in the first `count` of these slots (-1 for none) into the cache. */
  touch(slots: Int32Array, count: number): void {
    let sum = 0
    for (let index = 0; index < count; index++) {
      const slot = slots[index]!
      if (slot >= 0) sum += this.chunks[slot >> CHUNK_BITS]!.touch(slot & CHUNK_MASK)
    }
    this.touched = sum
  }

  /** Returns whether something was stored. */
  remove(slot: number): boolean {
    return this.chunks[slot >> CHUNK_BITS]!.remove(slot & CHUNK_MASK)
  }

  /** Slots `from` … `to − 1`, of one chunk: as they are now and stay (`copy`), or a view that is valid until the next change. */
  part(from: number, to: number, copy: boolean): ColumnPart {
    const first = from & CHUNK_MASK
    return this.chunks[from >> CHUNK_BITS]!.part(first, first + to - from, copy)
  }
}

class ColumnChunk {
  private numbers: Float64Array<ArrayBuffer>
  private words: Int32Array
  private values: unknown[] | null = null

  constructor(slots: number) {
    this.numbers = absentNumbers(slots)
    this.words = new Int32Array(this.numbers.buffer)
  }

  reserve(slots: number): void {
    const { numbers, values } = this
    if (values !== null) {
      // No holes: arrays with holes are slower, and read through the prototype.
      while (values.length < slots) values.push(ABSENT)
    } else if (numbers.length < slots) {
      this.numbers = absentNumbers(Math.min(Math.max(slots, numbers.length * 2), CHUNK_SLOTS))
      this.numbers.set(numbers)
      this.words = new Int32Array(this.numbers.buffer)
    }
  }

  get(slot: number): unknown {
    if (this.values !== null) return this.values[slot]
    const number = this.numbers[slot]!
    return number === number || !isAbsentWord(this.words, slot) ? number : ABSENT
  }

  holdsNumber(slot: number, number: number): boolean {
    return this.values === null ? this.numbers[slot] === number : this.values[slot] === number
  }

  set(slot: number, value: unknown): boolean {
    if (this.values === null) {
      if (typeof value === 'number') return this.setNumber(slot, value)
      this.values = this.asValues()
    }
    const { values } = this
    const wasAbsent = values[slot] === ABSENT
    values[slot] = value
    return wasAbsent
  }

  /** NaN in chunks of references too: they come from other values. */
  numberAt(slot: number): number {
    return this.values === null ? this.numbers[slot]! : Number.NaN
  }

  replaceNumber(slot: number, value: number): void {
    this.numbers[slot] = value
  }

  touch(slot: number): number {
    return this.values === null ? this.words[slot * 2]! & 1 : this.values[slot] === ABSENT ? 1 : 0
  }

  add(slot: number, summand: number): number {
    if (this.values !== null) return Number.NaN
    const sum = this.numbers[slot]! + summand
    if (sum === sum) this.numbers[slot] = sum
    return sum
  }

  remove(slot: number): boolean {
    if (this.get(slot) === ABSENT) return false
    if (this.values === null) {
      this.words[slot * 2] = ABSENT_LOW_WORD
      this.words[slot * 2 + 1] = NAN_HIGH_WORD
    } else {
      this.values[slot] = ABSENT
    }
    return true
  }

  part(from: number, to: number, copy: boolean): ColumnPart {
    const { numbers, words, values } = this
    if (values !== null)
      return copy ? { kind: 'values', from: 0, values: values.slice(from, to) } : { kind: 'values', from, values }
    if (!copy) return { kind: 'numbers', from, numbers, words }
    const copied = numbers.slice(from, to)
    return { kind: 'numbers', from: 0, numbers: copied, words: new Int32Array(copied.buffer) }
  }

  private setNumber(slot: number, value: number): boolean {
    const { numbers, words } = this
    const old = numbers[slot]!
    const wasAbsent = old !== old && isAbsentWord(words, slot)
    if (value === value) {
      numbers[slot] = value
    } else {
      words[slot * 2] = 0
      words[slot * 2 + 1] = NAN_HIGH_WORD
    }
    return wasAbsent
  }

  private asValues(): unknown[] {
    const values: unknown[] = []
    for (let slot = 0; slot < this.numbers.length; slot++) values.push(this.get(slot))
    this.numbers = absentNumbers(0)
    this.words = new Int32Array(0)
    return values
  }
}

/** The value of slot `index` of a part, or ABSENT. */
export function valueInPart(part: ColumnPart, index: number): unknown {
  const at = part.from + index
  if (part.kind === 'values') return at < part.values.length ? part.values[at] : ABSENT
  const number = part.numbers[at]!
  return number === number || !isAbsentWord(part.words, at) ? number : ABSENT
}

/** Only to be asked of NaNs. */
export function isAbsentWord(words: Int32Array, slot: number): boolean {
  return words[slot * 2] === ABSENT_LOW_WORD
}

function absentNumbers(slots: number): Float64Array<ArrayBuffer> {
  // Filled as integers: a NaN that passes through a float register may lose its bits.
  return new Float64Array(new BigUint64Array(slots).fill(ABSENT_BITS).buffer)
}
