/** What a column answers where nothing is stored; `undefined` is a value. */
export const ABSENT = Symbol('absent')

/** Some consecutive slots of a column: slot i of the part is at `from + i`. Either numbers with `present`, or values. */
export type ColumnPart =
  | { readonly kind: 'numbers'; readonly from: number; readonly numbers: Float64Array; readonly present: Uint8Array }
  | { readonly kind: 'values'; readonly from: number; readonly values: readonly unknown[] }

/**
 * One state of all keys of a key group, by slot. Begins as a column of numbers off the JavaScript heap (no garbage collection, copied by memcpy) and
 * becomes one of references for good when the first other value comes.
 */
export class StateColumn {
  private numbers: Float64Array
  /** 1 where a number is stored. */
  private present: Uint8Array
  private values: unknown[] | null = null

  constructor(capacity: number) {
    this.numbers = new Float64Array(capacity)
    this.present = new Uint8Array(capacity)
  }

  get(slot: number): unknown {
    if (this.values === null) return this.present[slot] === 1 ? this.numbers[slot] : ABSENT
    return slot < this.values.length ? this.values[slot] : ABSENT
  }

  /** Returns whether nothing was stored before. */
  set(slot: number, value: unknown): boolean {
    if (this.values === null) {
      if (typeof value === 'number') {
        this.numbers[slot] = value
        if (this.present[slot] === 1) return false
        this.present[slot] = 1
        return true
      }
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
    if (this.values === null) this.present[slot] = 0
    else this.values[slot] = ABSENT
    return true
  }

  grow(capacity: number): void {
    if (this.values !== null) return
    const { numbers, present } = this
    this.numbers = new Float64Array(capacity)
    this.numbers.set(numbers)
    this.present = new Uint8Array(capacity)
    this.present.set(present)
  }

  /** Slots `from` … `to − 1`: as they are now and stay (`copy`), or a view that is valid until the next change. */
  part(from: number, to: number, copy: boolean): ColumnPart {
    const { numbers, present, values } = this
    if (values !== null)
      return copy ? { kind: 'values', from: 0, values: values.slice(from, to) } : { kind: 'values', from, values }
    return copy
      ? { kind: 'numbers', from: 0, numbers: numbers.slice(from, to), present: present.slice(from, to) }
      : { kind: 'numbers', from, numbers, present }
  }

  private asValues(): unknown[] {
    const values: unknown[] = []
    for (let slot = 0; slot < this.numbers.length; slot++) {
      values.push(this.present[slot] === 1 ? this.numbers[slot] : ABSENT)
    }
    this.numbers = new Float64Array(0)
    this.present = new Uint8Array(0)
    return values
  }
}

/** The value of slot `index` of a part, or ABSENT. */
export function valueInPart(part: ColumnPart, index: number): unknown {
  const at = part.from + index
  if (part.kind === 'numbers') return part.present[at] === 1 ? part.numbers[at] : ABSENT
  return at < part.values.length ? part.values[at] : ABSENT
}
