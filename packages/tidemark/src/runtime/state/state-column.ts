/** What a column answers where nothing is stored; `undefined` is a value. */
export const ABSENT = Symbol('absent')

/** Marks a number as absent: the low word of a NaN that no computation makes. Stored NaNs are made canonical, so it is never a user's. */
const ABSENT_LOW_WORD = 0x7dea0001
const ABSENT_BITS = 0x7ff80000_7dea0001n
const NAN_HIGH_WORD = 0x7ff80000

/** Some consecutive slots of a column: slot i of the part is at `from + i`. `words`: the same memory as `numbers`. */
export type ColumnPart =
  | { readonly kind: 'numbers'; readonly from: number; readonly numbers: Float64Array; readonly words: Int32Array }
  | { readonly kind: 'values'; readonly from: number; readonly values: readonly unknown[] }

/**
 * One state of all keys of a key group, by slot. Begins as a column of numbers off the JavaScript heap (no garbage collection, copied by memcpy) and
 * becomes one of references for good when the first other value comes.
 */
export class StateColumn {
  private numbers: Float64Array<ArrayBuffer>
  private words: Int32Array
  private values: unknown[] | null = null

  constructor(capacity: number) {
    this.numbers = absentNumbers(capacity)
    this.words = new Int32Array(this.numbers.buffer)
  }

  get(slot: number): unknown {
    if (this.values !== null) return slot < this.values.length ? this.values[slot] : ABSENT
    const number = this.numbers[slot]!
    return number === number || !isAbsentWord(this.words, slot) ? number : ABSENT
  }

  /** Returns whether nothing was stored before. */
  set(slot: number, value: unknown): boolean {
    if (this.values === null) {
      if (typeof value === 'number') return this.setNumber(slot, value)
      this.values = this.asValues()
    }
    const { values } = this
    // No holes: arrays with holes are slower, and read through the prototype.
    while (values.length <= slot) values.push(ABSENT)
    const wasAbsent = values[slot] === ABSENT
    values[slot] = value
    return wasAbsent
  }

  /** Returns whether something was stored. */
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

  grow(capacity: number): void {
    if (this.values !== null) return
    const { numbers } = this
    this.numbers = absentNumbers(capacity)
    this.numbers.set(numbers)
    this.words = new Int32Array(this.numbers.buffer)
  }

  /** Slots `from` … `to − 1`: as they are now and stay (`copy`), or a view that is valid until the next change. */
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

function absentNumbers(capacity: number): Float64Array<ArrayBuffer> {
  // Filled as integers: a NaN that passes through a float register may lose its bits.
  return new Float64Array(new BigUint64Array(capacity).fill(ABSENT_BITS).buffer)
}
