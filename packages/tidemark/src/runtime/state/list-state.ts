import { assertEncodable, deepFreeze } from '../../core/encodable.ts'
import type { List, Redistribution } from '../../core/state.ts'
import type { ListSnapshot } from './contract.ts'

/** A list per task, for operators without keys. An iteration sees the list as it was when it began. */
export class ListState implements List<unknown> {
  readonly name: string
  private readonly redistribution: Redistribution
  private readonly isDevelopment: boolean
  /** Only ever appended to; replaced as a whole. Whoever keeps it together with a length has a fixed list. */
  private items: unknown[]

  constructor(name: string, redistribution: Redistribution, restored: readonly unknown[], isDevelopment: boolean) {
    this.name = name
    this.redistribution = redistribution
    this.items = [...restored]
    this.isDevelopment = isDevelopment
  }

  get size(): number {
    return this.items.length
  }

  push(value: unknown): void {
    this.items.push(this.checked(value))
  }

  replace(values: Iterable<unknown>): void {
    const items: unknown[] = []
    for (const value of values) items.push(this.checked(value))
    this.items = items
  }

  clear(): void {
    this.items = []
  }

  [Symbol.iterator](): Iterator<unknown> {
    return iterateFirst(this.items, this.items.length)
  }

  snapshot(): ListSnapshot {
    return { name: this.name, mode: this.redistribution, items: this.items.slice() }
  }

  private checked(value: unknown): unknown {
    if (!this.isDevelopment) return value
    assertEncodable(value, `A value of list state '${this.name}'`)
    return deepFreeze(value)
  }
}

/** The first `length` items of an array that may grow meanwhile. */
export function* iterateFirst(items: readonly unknown[], length: number): Generator<unknown, void, undefined> {
  for (let index = 0; index < length; index++) yield items[index]
}
