import { assertEncodable, deepFreeze } from '../../core/encodable.ts'
import type { Key } from '../../core/key.ts'
import { checkKey } from '../../core/key-bytes.ts'
import { keyOfMapKey, type MapKey, mapKeyOf } from '../../core/map-key.ts'
import type {
  AggregateFunction,
  Aggregating,
  List,
  MapHandle,
  Reducing,
  StateDescriptor,
  Value,
} from '../../core/state.ts'
import { unreachable } from '../../core/errors.ts'
import { ListCell, MapCell } from './collection-cells.ts'
import type { KeyedHandle } from './contract.ts'
import { iterateFirst } from './list-state.ts'
import { ABSENT } from './state-column.ts'

/** What handles do to the state of the current key. `state` is the number of a declared state. */
export interface CurrentKeyState {
  read(state: number): unknown
  write(state: number, value: unknown): void
  erase(state: number): void
  /** The newest snapshot's number, and whether one is being written. */
  readonly newestSnapshot: number
  readonly isSnapshotting: boolean
  readonly isDevelopment: boolean
  readonly operator: string
}

export function createKeyedHandle(
  backend: CurrentKeyState,
  state: number,
  name: string,
  descriptor: StateDescriptor,
): KeyedHandle {
  switch (descriptor.kind) {
    case 'value':
      return new ValueHandle(backend, state, name, descriptor.initial)
    case 'list':
      return new ListHandle(backend, state, name)
    case 'map':
      return new KeyedMapHandle(backend, state, name)
    case 'reducing':
      return new ReducingHandle(backend, state, name, descriptor.reduce)
    case 'aggregating':
      return new AggregatingHandle(backend, state, name, descriptor.aggregate)
    case 'broadcast':
      throw new Error(`broadcast state '${name}' is not keyed`)
    default:
      return unreachable(descriptor)
  }
}

abstract class Handle {
  protected readonly backend: CurrentKeyState
  protected readonly state: number
  private readonly name: string

  constructor(backend: CurrentKeyState, state: number, name: string) {
    this.backend = backend
    this.state = state
    this.name = name
  }

  clear(): void {
    this.backend.erase(this.state)
  }

  protected check(value: unknown): void {
    if (!this.backend.isDevelopment || typeof value === 'number' || typeof value === 'string') return
    assertEncodable(value, `A value of state '${this.name}' of ${this.backend.operator}`)
    deepFreeze(value)
  }
}

class ValueHandle extends Handle implements Value<unknown, unknown> {
  private readonly initial: (() => unknown) | null

  constructor(backend: CurrentKeyState, state: number, name: string, initial: (() => unknown) | null) {
    super(backend, state, name)
    this.initial = initial
  }

  get(): unknown {
    const value = this.backend.read(this.state)
    if (value !== ABSENT) return value
    return this.initial === null ? undefined : this.initial()
  }

  set(value: unknown): void {
    this.check(value)
    this.backend.write(this.state, value)
  }

  update(change: (old: unknown) => unknown): unknown {
    const value = change(this.get())
    this.set(value)
    return value
  }
}

class ReducingHandle extends Handle implements Reducing<unknown> {
  private readonly reduce: (left: unknown, right: unknown) => unknown

  constructor(
    backend: CurrentKeyState,
    state: number,
    name: string,
    reduce: (left: unknown, right: unknown) => unknown,
  ) {
    super(backend, state, name)
    this.reduce = reduce
  }

  get(): unknown {
    const value = this.backend.read(this.state)
    return value === ABSENT ? undefined : value
  }

  add(input: unknown): unknown {
    const old = this.backend.read(this.state)
    const value = old === ABSENT ? input : this.reduce(old, input)
    this.check(value)
    this.backend.write(this.state, value)
    return value
  }
}

class AggregatingHandle extends Handle implements Aggregating<unknown, unknown> {
  private readonly aggregate: AggregateFunction<unknown, unknown, unknown>

  constructor(
    backend: CurrentKeyState,
    state: number,
    name: string,
    aggregate: AggregateFunction<unknown, unknown, unknown>,
  ) {
    super(backend, state, name)
    this.aggregate = aggregate
  }

  get(): unknown {
    const accumulator = this.backend.read(this.state)
    return accumulator === ABSENT ? undefined : this.aggregate.result(accumulator)
  }

  add(input: unknown): void {
    const old = this.backend.read(this.state)
    const accumulator = this.aggregate.add(old === ABSENT ? this.aggregate.create() : old, input)
    this.check(accumulator)
    this.backend.write(this.state, accumulator)
  }
}

class ListHandle extends Handle implements List<unknown> {
  get size(): number {
    return this.cell()?.length ?? 0
  }

  push(value: unknown): void {
    this.check(value)
    const { backend, state } = this
    const cell = this.cell()
    if (cell === null) return backend.write(state, new ListCell([value], backend.newestSnapshot))
    cell.items.push(value)
    if (backend.isSnapshotting && cell.since < backend.newestSnapshot) {
      // The snapshot keeps the old cell with its old length.
      backend.write(state, new ListCell(cell.items, backend.newestSnapshot))
    } else {
      cell.length++
      cell.since = backend.newestSnapshot
    }
  }

  replace(values: Iterable<unknown>): void {
    const items: unknown[] = []
    for (const value of values) {
      this.check(value)
      items.push(value)
    }
    if (items.length === 0) this.clear()
    else this.backend.write(this.state, new ListCell(items, this.backend.newestSnapshot))
  }

  [Symbol.iterator](): Iterator<unknown> {
    const cell = this.cell()
    return cell === null ? iterateFirst([], 0) : iterateFirst(cell.items, cell.length)
  }

  private cell(): ListCell | null {
    const cell = this.backend.read(this.state)
    return cell === ABSENT ? null : (cell as ListCell)
  }
}

class KeyedMapHandle extends Handle implements MapHandle<Key, unknown> {
  get size(): number {
    return this.cell()?.entries.size ?? 0
  }

  get(key: Key): unknown {
    return this.cell()?.entries.get(mapKeyOf(key))
  }

  has(key: Key): boolean {
    return this.cell()?.entries.has(mapKeyOf(key)) ?? false
  }

  set(key: Key, value: unknown): void {
    checkKey(key, 'A key of map state')
    this.check(value)
    const { backend, state } = this
    if (this.cell() === null) {
      backend.write(state, new MapCell(new Map<MapKey, unknown>([[mapKeyOf(key), value]]), backend.newestSnapshot))
    } else {
      this.changeable().entries.set(mapKeyOf(key), value)
    }
  }

  delete(key: Key): void {
    const cell = this.cell()
    const mapKey = mapKeyOf(key)
    if (cell === null || !cell.entries.has(mapKey)) return
    if (cell.entries.size === 1) this.clear()
    else this.changeable().entries.delete(mapKey)
  }

  /** The entries as they are when the iteration begins. */
  [Symbol.iterator](): Iterator<readonly [Key, unknown]> {
    const cell = this.cell()
    if (cell === null) return iteratePairs([])
    // The iteration holds the entries like a snapshot does: the next change copies them.
    cell.since = HELD
    return iteratePairs(cell.entries)
  }

  /** The cell of the current key, which nobody else holds. */
  private changeable(): MapCell {
    const { backend, state } = this
    const cell = this.cell()!
    const isHeld = cell.since === HELD || (backend.isSnapshotting && cell.since < backend.newestSnapshot)
    if (!isHeld) {
      cell.since = backend.newestSnapshot
      return cell
    }
    const copy = new MapCell(new Map(cell.entries), backend.newestSnapshot)
    backend.write(state, copy)
    return copy
  }

  private cell(): MapCell | null {
    const cell = this.backend.read(this.state)
    return cell === ABSENT ? null : (cell as MapCell)
  }
}

/** `since` of a cell that an iteration holds. */
const HELD = -1

function* iteratePairs(
  entries: Iterable<readonly [MapKey, unknown]>,
): Generator<readonly [Key, unknown], void, undefined> {
  for (const [key, value] of entries) yield [keyOfMapKey(key), value]
}
