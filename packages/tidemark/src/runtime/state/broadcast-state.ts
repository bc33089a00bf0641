import { assertEncodable, deepFreeze } from '../../core/encodable.ts'
import { TidemarkError } from '../../core/errors.ts'
import type { Key } from '../../core/key.ts'
import { checkKey } from '../../core/key-bytes.ts'
import { keyOfMapKey, type MapKey, mapKeyOf } from '../../core/map-key.ts'
import type { BroadcastMap, ReadonlyBroadcastMap } from '../../core/state.ts'
import type { ListSnapshot } from './contract.ts'

/**
 * A map of which every task has a copy; the copies are equal because all tasks see the same broadcast records in the same way. Iterates in insertion order; an
 * iteration sees the map as it was when it began.
 */
export class BroadcastState implements BroadcastMap<Key, unknown> {
  readonly name: string
  /** What sides get that may only read. */
  readonly readable: ReadonlyBroadcastMap<Key, unknown>
  private readonly isDevelopment: boolean
  private readonly entries = new Map<MapKey, unknown>()

  /** `restored`: the items of one copy, pairs of key and value. */
  constructor(name: string, restored: readonly unknown[], isDevelopment: boolean) {
    this.name = name
    this.isDevelopment = isDevelopment
    this.readable = new ReadableBroadcastState(this)
    for (const item of restored) {
      if (!Array.isArray(item) || item.length !== 2) {
        throw new TidemarkError('CORRUPT_DATA', `an entry of broadcast state '${name}' is no pair of key and value`)
      }
      const [key, value] = item as [unknown, unknown]
      checkKey(key, `A key of broadcast state '${name}'`)
      this.entries.set(mapKeyOf(key), value)
    }
  }

  get size(): number {
    return this.entries.size
  }

  get(key: Key): unknown {
    return this.entries.get(mapKeyOf(key))
  }

  has(key: Key): boolean {
    return this.entries.has(mapKeyOf(key))
  }

  set(key: Key, value: unknown): void {
    checkKey(key, `A key of broadcast state '${this.name}'`)
    if (this.isDevelopment) {
      assertEncodable(value, `A value of broadcast state '${this.name}'`)
      deepFreeze(value)
    }
    this.entries.set(mapKeyOf(key), value)
  }

  delete(key: Key): void {
    this.entries.delete(mapKeyOf(key))
  }

  clear(): void {
    this.entries.clear()
  }

  [Symbol.iterator](): Iterator<readonly [Key, unknown]> {
    return this.pairs()[Symbol.iterator]()
  }

  /** Every task hands out the whole map; one copy is restored to each. */
  snapshot(): ListSnapshot {
    return { name: this.name, mode: 'broadcast', items: this.pairs() }
  }

  private pairs(): (readonly [Key, unknown])[] {
    return Array.from(this.entries, ([key, value]) => [keyOfMapKey(key), value] as const)
  }
}

class ReadableBroadcastState implements ReadonlyBroadcastMap<Key, unknown> {
  readonly #state: BroadcastState

  constructor(state: BroadcastState) {
    this.#state = state
  }

  get size(): number {
    return this.#state.size
  }

  get(key: Key): unknown {
    return this.#state.get(key)
  }

  has(key: Key): boolean {
    return this.#state.has(key)
  }

  [Symbol.iterator](): Iterator<readonly [Key, unknown]> {
    return this.#state[Symbol.iterator]()
  }
}
