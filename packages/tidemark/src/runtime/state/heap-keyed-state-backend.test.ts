import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteBuffer } from '../../core/byte-buffer.ts'
import type { Key } from '../../core/key.ts'
import { signedKeyHash } from '../../core/key-bytes.ts'
import { keyGroupRange } from '../../core/key-group.ts'
import type { KeyedBlock } from '../../core/manifest.ts'
import { crc32c } from '../../core/crc32c.ts'
import type { Aggregating, List, MapHandle, Reducing, StateDescriptor, StateSchema, Value } from '../../core/state.ts'
import { strictlyEqual } from '../../core/strictly-equal.ts'
import type { KeyedStateBackend, KeyedStateSnapshotting } from './contract.ts'
import { createHeapKeyedStateBackend } from './heap-keyed-state-backend.ts'

const STATES: Readonly<Record<string, StateDescriptor>> = {
  count: { kind: 'value', initial: () => 0 },
  value: { kind: 'value', initial: null },
  list: { kind: 'list', redistribution: 'split' },
  map: { kind: 'map' },
  sum: { kind: 'reducing', reduce: (left, right) => (left as number) + (right as number) },
  mean: {
    kind: 'aggregating',
    aggregate: {
      create: () => [0, 0],
      add: (accumulator, input) => [
        (accumulator as number[])[0]! + (input as number),
        (accumulator as number[])[1]! + 1,
      ],
      result: (accumulator) => (accumulator as number[])[0]! / (accumulator as number[])[1]!,
    },
  },
}

interface Handles {
  readonly count: Value<number, number>
  readonly value: Value<unknown, undefined>
  readonly list: List<unknown>
  readonly map: MapHandle<Key, unknown>
  readonly sum: Reducing<number>
  readonly mean: Aggregating<number, number>
}

interface Site {
  readonly backend: KeyedStateBackend
  readonly handles: Handles
}

const makeSite = (
  maxParallelism: number,
  { parallelism = 1, subtask = 0, states = STATES, isDevelopment = false } = {},
): Site => {
  const backend = createHeapKeyedStateBackend({
    operator: 'count',
    states,
    maxParallelism,
    keyGroups: keyGroupRange(maxParallelism, parallelism, subtask),
    isDevelopment,
  })
  const names = Object.keys(states)
  return {
    backend,
    handles: Object.fromEntries(names.map((name) => [name, backend.handle(name)])) as unknown as Handles,
  }
}

interface Written {
  readonly bytes: Uint8Array
  readonly blocks: readonly KeyedBlock[]
  readonly states: readonly StateSchema[]
}

/** A snapshot being written slice by slice. */
class Writing {
  readonly snapshotting: KeyedStateSnapshotting
  private readonly buffer = new ByteBuffer()
  private readonly blocks: KeyedBlock[] = []
  isDone = false

  constructor(backend: KeyedStateBackend) {
    this.snapshotting = backend.snapshot()
  }

  slice(maxBytes: number): void {
    if (this.isDone) return
    const { blocks, isDone } = this.snapshotting.writeSlice(this.buffer, maxBytes)
    this.blocks.push(...blocks)
    this.isDone = isDone
  }

  finish(maxBytes = 1 << 16): Written {
    while (!this.isDone) this.slice(maxBytes)
    this.snapshotting.release()
    return { bytes: this.buffer.take(), blocks: this.blocks, states: this.snapshotting.states }
  }
}

const restore = (site: Site, written: Written, isWanted: (keyGroup: number) => boolean = () => true): void => {
  for (const block of written.blocks) {
    const bytes = written.bytes.subarray(block.offset, block.offset + block.length)
    expect(crc32c(bytes)).toBe(block.crc32c)
    if (isWanted(block.keyGroup)) site.backend.restoreBlock(block, bytes, written.states)
  }
}

/** What the handles say of one key: what every implementation and the model must agree on. */
interface Seen {
  readonly count: unknown
  readonly value: unknown
  readonly list: readonly unknown[]
  readonly map: readonly (readonly [Key, unknown])[]
  readonly sum: unknown
  readonly mean: unknown
}

const EMPTY: Seen = { count: 0, value: undefined, list: [], map: [], sum: undefined, mean: undefined }

const see = ({ backend, handles }: Site, key: Key): Seen => {
  backend.setCurrentKey(key)
  return {
    count: handles.count.get(),
    value: handles.value.get(),
    list: [...handles.list],
    map: [...handles.map],
    sum: handles.sum.get(),
    mean: handles.mean.get(),
  }
}

const SPECIAL: readonly Key[] = [
  '',
  '\u0000',
  '\u0000s1:a',
  ['a'],
  ['a', 1],
  Number.NaN,
  0,
  1n,
  1,
  true,
  '\ud83d',
  'x'.repeat(40),
]
const KEYS: readonly Key[] = [
  ...SPECIAL,
  ...Array.from({ length: 3000 }, (_, index) => (index % 2 === 0 ? `key-number-${index}` : index + 1_000_000)),
]

type Change =
  | { readonly kind: 'count' | 'sum' | 'mean'; readonly by: number }
  | { readonly kind: 'value' | 'push'; readonly value: unknown }
  | { readonly kind: 'map-set'; readonly key: Key; readonly value: unknown }
  | { readonly kind: 'map-delete'; readonly key: Key }
  | { readonly kind: 'replace'; readonly values: readonly unknown[] }
  | { readonly kind: 'clear'; readonly state: keyof Seen }
  | { readonly kind: 'clear-all' }

const apply = ({ backend, handles }: Site, key: Key, change: Change): void => {
  backend.setCurrentKey(key)
  switch (change.kind) {
    case 'count':
      if (!addInPlace(backend, key, change.by)) handles.count.update((old) => old + change.by)
      return
    case 'sum':
      handles.sum.add(change.by)
      return
    case 'mean':
      return handles.mean.add(change.by)
    case 'value':
      return handles.value.set(change.value)
    case 'push':
      return handles.list.push(change.value)
    case 'replace':
      return handles.list.replace(change.values)
    case 'map-set':
      return handles.map.set(change.key, change.value)
    case 'map-delete':
      return handles.map.delete(change.key)
    case 'clear':
      return handles[change.state].clear()
    case 'clear-all':
      for (const handle of Object.values(handles) as { clear(): void }[]) handle.clear()
  }
}

/** As steps of our own do with keys that they looked up; false where the key had no state, or no number. Odd numbers are stored, even ones are added. */
function addInPlace(backend: Site['backend'], key: Key, by: number): boolean {
  const slots = new Int32Array(1)
  backend.lookUp([key], [signedKeyHash(key)], 0, slots, 1)
  const counts = backend.numbers('count')
  const old = counts.get(slots[0]!)
  if (by % 2 === 0) return !Number.isNaN(counts.add(slots[0]!, by))
  if (Number.isNaN(old)) return false
  counts.replace(slots[0]!, old + by)
  return true
}

/** The same, said naively. */
class Model {
  private readonly seen: (Seen & { readonly accumulator: readonly number[] })[]

  constructor(seen?: Model['seen']) {
    this.seen = seen ?? KEYS.map(() => ({ ...EMPTY, accumulator: [] }))
  }

  copy(): Model {
    return new Model([...this.seen])
  }

  at(index: number): Seen {
    const { accumulator: _, ...seen } = this.seen[index]!
    return seen
  }

  /** Whether anything is stored: a count that was set to 0 is. */
  apply(index: number, change: Change): void {
    const old = this.seen[index]!
    const next = this.seen
    switch (change.kind) {
      case 'count':
        next[index] = { ...old, count: (old.count as number) + change.by }
        return
      case 'sum':
        next[index] = { ...old, sum: ((old.sum as number | undefined) ?? 0) + change.by }
        return
      case 'mean': {
        const accumulator = [(old.accumulator[0] ?? 0) + change.by, (old.accumulator[1] ?? 0) + 1]
        next[index] = { ...old, accumulator, mean: accumulator[0]! / accumulator[1]! }
        return
      }
      case 'value':
        next[index] = { ...old, value: change.value }
        return
      case 'push':
        next[index] = { ...old, list: [...old.list, change.value] }
        return
      case 'replace':
        next[index] = { ...old, list: change.values }
        return
      case 'map-set': {
        const at = old.map.findIndex(([key]) => key === change.key)
        const entry = [change.key, change.value] as const
        next[index] = { ...old, map: at < 0 ? [...old.map, entry] : old.map.with(at, entry) }
        return
      }
      case 'map-delete':
        next[index] = { ...old, map: old.map.filter(([key]) => key !== change.key) }
        return
      case 'clear':
        next[index] = {
          ...old,
          [change.state]: EMPTY[change.state],
          ...(change.state === 'mean' ? { accumulator: [] } : {}),
        }
        return
      case 'clear-all':
        next[index] = { ...EMPTY, accumulator: [] }
    }
  }
}

const anyValue = fc.oneof(
  fc.constantFrom<unknown>(-0, Number.NaN, 1.5, undefined, null, 'text', [1, 2], { a: { b: 1n } }),
  fc.integer(),
)
const anyChange: fc.Arbitrary<Change> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom('count' as const, 'sum' as const, 'mean' as const),
      by: fc.oneof(fc.constant(1), fc.integer()),
    }),
  },
  fc.record({ kind: fc.constantFrom('value' as const, 'push' as const), value: anyValue }),
  fc.record({ kind: fc.constant('map-set' as const), key: fc.constantFrom<Key>('a', 'b', 3, 4n), value: anyValue }),
  fc.record({ kind: fc.constant('map-delete' as const), key: fc.constantFrom<Key>('a', 'b', 3, 4n) }),
  fc.record({ kind: fc.constant('replace' as const), values: fc.array(anyValue, { maxLength: 150 }) }),
  fc.record({
    kind: fc.constant('clear' as const),
    state: fc.constantFrom('count', 'value', 'list', 'map', 'sum', 'mean'),
  }),
  { weight: 2, arbitrary: fc.constant({ kind: 'clear-all' as const }) },
)

/** Bulk changes make pages, growth and compaction happen; `start` and `slice` interleave snapshots with them. */
const anyStep = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('change' as const),
      from: fc.nat(KEYS.length - 1),
      count: fc.integer({ min: 1, max: 5 }),
      change: anyChange,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('change' as const),
      from: fc.nat(KEYS.length - 1),
      count: fc.integer({ min: 100, max: 2500 }),
      change: anyChange,
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('start' as const) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('slice' as const),
      which: fc.nat(3),
      maxBytes: fc.constantFrom(1, 100, 5000, 100_000),
    }),
  },
)

const expectSame = (site: Site, model: Model, message: string): void => {
  for (const [index, key] of KEYS.entries()) {
    const actual = see(site, key)
    if (!strictlyEqual(actual, model.at(index))) {
      expect.fail(`${message}: key ${String(key)} is ${fc.stringify(actual)}, not ${fc.stringify(model.at(index))}`)
    }
  }
}

/** The first page that changes is the last one that either of them waits for. */
const TWO_SNAPSHOTS = [
  { kind: 'change' as const, from: 0, count: 100, change: { kind: 'count' as const, by: 1 } },
  { kind: 'start' as const },
  { kind: 'start' as const },
  { kind: 'change' as const, from: 0, count: 100, change: { kind: 'clear-all' as const } },
]

describe('the keyed state backend in memory', () => {
  it('behaves as a plain map, and each snapshot holds exactly the state of its moment, whatever happens meanwhile', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(1, 3, 128),
        fc.array(anyStep, { maxLength: 60 }),
        fc.constantFrom(700, 1 << 16),
        (maxParallelism, steps, sliceBytes) => {
          const site = makeSite(maxParallelism)
          const model = new Model()
          const writings: { writing: Writing; model: Model }[] = []
          for (const step of steps) {
            if (step.kind === 'start') writings.push({ writing: new Writing(site.backend), model: model.copy() })
            else if (step.kind === 'slice') writings[step.which]?.writing.slice(step.maxBytes)
            else {
              const to = Math.min(step.from + step.count, KEYS.length)
              for (let index = step.from; index < to; index++) {
                apply(site, KEYS[index]!, step.change)
                model.apply(index, step.change)
              }
            }
          }
          expectSame(site, model, 'the backend')
          for (const [number, { writing, model: then }] of writings.entries()) {
            const restored = makeSite(maxParallelism)
            restore(restored, writing.finish(sliceBytes))
            expectSame(restored, then, `snapshot ${number}`)
          }
        },
      ),
      { numRuns: 150, examples: [[1, TWO_SNAPSHOTS, 700]] },
    )
  })

  it('keeps its state through rescaling from one task to two, three, four and back', () => {
    const changes = fc.array(fc.tuple(fc.nat(KEYS.length - 1), anyChange), { minLength: 50, maxLength: 300 })
    fc.assert(
      fc.property(changes, fc.constantFrom(4, 7, 128), (given, maxParallelism) => {
        const model = new Model()
        let sites = [makeSite(maxParallelism)]
        for (const [index, change] of given) {
          apply(sites[0]!, KEYS[index]!, change)
          model.apply(index, change)
        }
        const keys = sites[0]!.backend.keys
        for (const parallelism of [2, 3, 4, 1]) {
          const snapshots = sites.map(({ backend }) => new Writing(backend).finish(1000))
          sites = Array.from({ length: parallelism }, (_, subtask) => {
            const site = makeSite(maxParallelism, { parallelism, subtask })
            const { start, end } = keyGroupRange(maxParallelism, parallelism, subtask)
            for (const written of snapshots) restore(site, written, (group) => group >= start && group < end)
            return site
          })
          expect(sites.reduce((sum, { backend }) => sum + backend.keys, 0)).toBe(keys)
        }
        expectSame(sites[0]!, model, 'after rescaling')
      }),
      { numRuns: 30 },
    )
  })

  it('counts keys that have any state', () => {
    const { backend, handles } = makeSite(128)
    for (const key of SPECIAL) {
      backend.setCurrentKey(key)
      handles.count.set(0)
      handles.value.set(undefined)
    }
    expect(backend.keys).toBe(SPECIAL.length)
    backend.setCurrentKey(['a'])
    handles.count.clear()
    expect(backend.keys).toBe(SPECIAL.length)
    handles.value.clear()
    handles.value.clear()
    expect(backend.keys).toBe(SPECIAL.length - 1)
    handles.list.push(1)
    handles.list.replace([])
    handles.map.set('k', 1)
    handles.map.delete('k')
    expect(backend.keys).toBe(SPECIAL.length - 1)
    const entries = new Writing(backend).finish().blocks.reduce((sum, block) => sum + block.entries, 0)
    expect(entries).toBe(SPECIAL.length - 1)
  })

  it('writes long lists and maps in slices, and loses nothing that changes between them', () => {
    const { backend, handles } = makeSite(1)
    backend.setCurrentKey('k')
    const items = Array.from({ length: 5000 }, (_, index) => `item ${index}`)
    for (const item of items) handles.list.push(item)
    for (const item of items) handles.map.set(item, item)
    const writing = new Writing(backend)
    let slices = 0
    for (; !writing.isDone; slices++) {
      writing.slice(2000)
      handles.list.push('late')
      handles.map.delete(items[slices]!)
      handles.map.set(`late ${slices}`, 1)
    }
    expect(slices).toBeGreaterThan(50)
    const restored = makeSite(1)
    restore(restored, writing.finish())
    expect(see(restored, 'k').list).toEqual(items)
    expect(see(restored, 'k').map).toEqual(items.map((item) => [item, item]))
    expect(handles.list.size).toBe(items.length + slices)
  })

  it('bounds slices by the bytes asked for', () => {
    const { backend, handles } = makeSite(16)
    for (let index = 0; index < 20_000; index++) {
      backend.setCurrentKey(index)
      if (index % 3 === 0) handles.count.set(index)
      else handles.value.set({ index, text: 'some text' })
    }
    const snapshotting = backend.snapshot()
    const buffer = new ByteBuffer()
    for (let isDone = false; !isDone;) {
      ;({ isDone } = snapshotting.writeSlice(buffer, 10_000))
      // One page of numbers or one chunk of items may be on top.
      expect(buffer.length).toBeLessThan(10_000 + 20_000)
      buffer.clear()
    }
    snapshotting.release()
  })

  it('lets an iteration over a map see the entries of its beginning', () => {
    const { backend, handles } = makeSite(1)
    backend.setCurrentKey('k')
    for (const key of ['a', 'b', 'c']) handles.map.set(key, 1)
    const seen: Key[] = []
    for (const [key] of handles.map) {
      seen.push(key)
      handles.map.delete(key)
      handles.map.set(`${String(key)}'`, 1)
    }
    expect(seen).toEqual(['a', 'b', 'c'])
    expect([...handles.map].map(([key]) => key)).toEqual(["a'", "b'", "c'"])
  })

  it('stores every NaN, also one with the bits that mark absence inside', () => {
    const nan = new DataView(new ArrayBuffer(8))
    nan.setUint32(0, 0x7ff80000)
    nan.setUint32(4, 0x7dea0001)
    const { backend, handles } = makeSite(1)
    backend.setCurrentKey('k')
    handles.value.set(nan.getFloat64(0))
    expect(handles.value.get()).toBeNaN()
    const restored = makeSite(1)
    restore(restored, new Writing(backend).finish())
    expect(see(restored, 'k').value).toBeNaN()
  })

  it('gives a fresh initial value each time', () => {
    const states: Record<string, StateDescriptor> = { value: { kind: 'value', initial: () => ({ n: 0 }) } }
    const { backend, handles } = makeSite(1, { states })
    backend.setCurrentKey('k')
    expect(handles.value.get()).toEqual({ n: 0 })
    expect(handles.value.get()).not.toBe(handles.value.get())
    expect(backend.keys).toBe(0)
  })

  it('freezes values in development, and refuses at once what a snapshot would refuse', () => {
    const { backend, handles } = makeSite(1, { isDevelopment: true })
    backend.setCurrentKey('k')
    const value = { inner: [1] }
    handles.value.set(value)
    expect(Object.isFrozen(value.inner)).toBe(true)
    expect(() => handles.list.push({ f: () => 1 })).toThrow(/state 'list' of count .* \$\.f is a function/)
  })

  it('names state and key of what a snapshot cannot hold', () => {
    const { backend, handles } = makeSite(1)
    backend.setCurrentKey('k')
    handles.value.set({ f: () => 1 })
    expect(() => new Writing(backend).finish()).toThrow(
      /state 'value' of count, key k, cannot be stored .* \$\.f is a function/,
    )
  })

  it('refuses access without a key, foreign keys and foreign key groups', () => {
    const { backend, handles } = makeSite(128, { parallelism: 2, subtask: 0 })
    const access = expect.objectContaining({ code: 'STATE_ACCESS' }) as Error
    expect(() => handles.count.get()).toThrow(access)
    expect(() => handles.count.set(1)).toThrow(access)
    expect(() => handles.count.clear()).toThrow(access)
    expect(() => backend.currentKey).toThrow(access)
    expect(() => {
      for (let key = 0; key < 50; key++) backend.setCurrentKey(key)
    }).toThrow(expect.objectContaining({ code: 'INVALID_KEY' }) as Error)
    const block = { keyGroup: 64, offset: 0, length: 1, entries: 0, crc32c: 0 }
    expect(() => backend.restoreBlock(block, new Uint8Array([1]), [])).toThrow(
      expect.objectContaining({ code: 'STATE_INCOMPATIBLE' }) as Error,
    )
  })
})

const write = (states: Readonly<Record<string, StateDescriptor>>, fill: (site: Site) => void): Written => {
  const site = makeSite(1, { states })
  site.backend.setCurrentKey('k')
  fill(site)
  return new Writing(site.backend).finish()
}

describe('restoring keyed state', () => {
  const number: StateDescriptor = { kind: 'value', initial: null }

  it('finds a state under the name it was moved from', () => {
    const written = write({ old: number }, ({ backend }) => (backend.handle('old') as Value<unknown, unknown>).set(7))
    const site = makeSite(1, { states: { value: { ...number, movedFrom: 'old' } } })
    restore(site, written)
    site.backend.setCurrentKey('k')
    expect(site.handles.value.get()).toBe(7)
  })

  it.each<[string, unknown]>([
    ['numbers', 7],
    ['objects', {}],
  ])('refuses %s of a state that is gone, and says what to do; an empty one may go', (_what, value) => {
    const written = write({ value: number, gone: number }, ({ backend }) =>
      (backend.handle('gone') as Value<unknown, unknown>).set(value),
    )
    expect(() => restore(makeSite(1, { states: { value: number } }), written)).toThrow(
      expect.objectContaining({
        code: 'STATE_INCOMPATIBLE',
        message: expect.stringContaining("'gone'") as string,
      }) as Error,
    )
    const empty = write({ value: number, gone: number }, ({ handles }) => handles.value.set(value))
    const site = makeSite(1, { states: { value: number } })
    restore(site, empty)
    site.backend.setCurrentKey('k')
    expect(site.handles.value.get()).toEqual(value)
  })

  it('refuses another kind of state and another codec, naming old and new', () => {
    const written = write({ value: number }, ({ handles }) => handles.value.set(1))
    const target = makeSite(1, { states: { value: { kind: 'list', redistribution: 'split' } } })
    expect(() => restore(target, written)).toThrow(/'value' of count is list state, but .* is value state/)
    const states = written.states.map((schema) => ({ ...schema, codec: 'value/9' }))
    expect(() => restore(makeSite(1, { states: { value: number } }), { ...written, states })).toThrow(/'value\/9'/)
  })

  it('answers damaged blocks with CORRUPT_DATA, never with anything else', () => {
    const written = write(STATES, (site) => {
      for (const key of KEYS.slice(0, 30)) {
        apply(site, key, { kind: 'count', by: 1 })
        if (key !== 0) apply(site, key, { kind: 'push', value: { a: 1 } })
        apply(site, key, { kind: 'map-set', key: 'a', value: 1 })
      }
    })
    const block = written.blocks[0]!
    fc.assert(
      fc.property(fc.nat(), fc.nat({ max: 255 }), fc.boolean(), (at, to, isCut) => {
        const bytes = written.bytes.slice()
        bytes[at % bytes.length] = to
        try {
          makeSite(1).backend.restoreBlock(block, isCut ? bytes.subarray(0, at % bytes.length) : bytes, written.states)
        } catch (error) {
          expect(error).toMatchObject({ code: 'CORRUPT_DATA' })
        }
      }),
      { numRuns: 1000 },
    )
  })
})
