/**
 * What do snapshots of 1,000,000 keys cost? For state of numbers and of small objects, by string and by number keys: updates per second without and
 * with a snapshot every second, CPU share of the snapshots, and the longest turn of the loop. Run: npm run bench:state-snapshot
 */
import { ByteBuffer } from '../packages/tidemark/src/core/byte-buffer.ts'
import { ByteBufferReader } from '../packages/tidemark/src/core/byte-buffer-reader.ts'
import { crc32c } from '../packages/tidemark/src/core/crc32c.ts'
import type { Key } from '../packages/tidemark/src/core/key.ts'
import type { Value } from '../packages/tidemark/src/core/state.ts'
import { valueCodec } from '../packages/tidemark/src/core/value-codec.ts'
import type { KeyedStateBackend } from '../packages/tidemark/src/runtime/state/contract.ts'
import { createHeapKeyedStateBackend } from '../packages/tidemark/src/runtime/state/heap-keyed-state-backend.ts'

const SLICE_BYTES = 64 * 1024
const BATCH = 512
const RUNS = 5
const SECONDS = Number(process.argv[2] ?? 3)

interface Account {
  readonly count: number
  readonly total: number
  readonly last: string
}

const updates = {
  numbers: (old: unknown) => ((old as number | undefined) ?? 0) + 1,
  objects: (old: unknown): Account => {
    const account = old as Account | undefined
    return { count: (account?.count ?? 0) + 1, total: (account?.total ?? 0) + 1.5, last: 'order-12345' }
  },
}
const keyKinds: Readonly<Record<string, (index: number) => Key>> = {
  'string keys': (index) => `user-${index}`,
  'number keys': (index) => index,
}

const median = (values: readonly number[]): number =>
  values.toSorted((left, right) => left - right)[values.length >> 1]!
const round = (value: number, digits = 1): string => value.toFixed(digits)

/** Indexes in an order without a pattern, the same in each run. */
const shuffled = (count: number, from: number): Uint32Array => {
  const order = new Uint32Array(1 << 20)
  let state = 12345
  for (let index = 0; index < order.length; index++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    order[index] = Math.floor((state / 2 ** 32) * from) % count
  }
  return order
}

const makeBackend = (): { backend: KeyedStateBackend; value: Value<unknown, unknown> } => {
  const backend = createHeapKeyedStateBackend({
    operator: 'bench',
    states: { value: { kind: 'value', initial: null } },
    maxParallelism: 128,
    keyGroups: { start: 0, end: 128 },
    isDevelopment: false,
  })
  return { backend, value: backend.handle('value') as Value<unknown, unknown> }
}

const benchUpdates = (keyOf: (index: number) => Key, count: number): void => {
  const keys = Array.from({ length: count }, (_, index) => keyOf(index))
  const order = shuffled(count, count)
  const { backend, value } = makeBackend()
  const map = new Map<Key, number>()
  const own: number[] = []
  const plain: number[] = []
  for (let run = 0; run < RUNS + 1; run++) {
    let start = performance.now()
    for (const index of order) {
      backend.setCurrentKey(keys[index]!)
      value.update(updates.numbers)
    }
    own.push(order.length / (performance.now() - start) / 1000)
    start = performance.now()
    for (const index of order) {
      const key = keys[index]!
      map.set(key, (map.get(key) ?? 0) + 1)
    }
    plain.push(order.length / (performance.now() - start) / 1000)
  }
  console.log(
    `${String(count).padStart(9)} ${typeof keys[0]} keys: ${round(median(own.slice(1)))} M updates/s (a plain Map: ${round(median(plain.slice(1)))})`,
  )
}

const benchSnapshots = (label: string, keyOf: (index: number) => Key, change: (old: unknown) => unknown): void => {
  const count = 1_000_000
  const keys = Array.from({ length: count }, (_, index) => keyOf(index))
  const order = shuffled(count, count)
  const { backend, value } = makeBackend()
  for (const key of keys) {
    backend.setCurrentKey(key)
    value.set(change(undefined))
  }
  let at = 0
  const batch = () => {
    for (let left = BATCH; left > 0; left--) {
      backend.setCurrentKey(keys[order[at++ & (order.length - 1)]!]!)
      value.update(change)
    }
  }
  const without = runLoop(batch, null)
  const buffer = new ByteBuffer()
  const withSnapshots = runLoop(batch, () => {
    const snapshotting = backend.snapshot()
    let bytes = 0
    return () => {
      const { isDone } = snapshotting.writeSlice(buffer, SLICE_BYTES)
      bytes += buffer.length
      buffer.clear()
      if (isDone) snapshotting.release()
      return isDone ? bytes : -1
    }
  })
  const { rate, snapshots, cpuShare, sliceMs, longestTurnMs, longestSliceMs, bytes } = withSnapshots
  console.log(
    `${label}: ${round(without.rate, 2)} M updates/s without, ${round(rate, 2)} with snapshots; ${snapshots} snapshots of ${round(bytes / 1e6)} MB, ` +
      `${round(sliceMs)} ms each (median), ${round(cpuShare * 100)} % of the time; longest slice ${round(longestSliceMs)} ms, ` +
      `longest turn ${round(longestTurnMs)} ms (without: ${round(without.longestTurnMs)} ms)`,
  )
  benchRestore(label, backend)
}

/** What a start does with a snapshot: it sums all bytes before anything else, then each task sums and reads its own. */
const benchRestore = (label: string, backend: KeyedStateBackend): void => {
  const snapshotting = backend.snapshot()
  const buffer = new ByteBuffer()
  const { blocks } = snapshotting.writeSlice(buffer, Number.POSITIVE_INFINITY)
  const bytes = buffer.take()
  snapshotting.release()
  const start = performance.now()
  crc32c(bytes)
  const summed = performance.now()
  const restored = makeBackend().backend
  for (const block of blocks) {
    const part = bytes.subarray(block.offset, block.offset + block.length)
    if (crc32c(part) !== block.crc32c) throw new Error('a block was not written as it was summed')
    restored.restoreBlock(block, part, snapshotting.states)
  }
  const megabytes = bytes.length / 1e6
  console.log(
    `${label}: ${round(megabytes)} MB are verified in ${round(summed - start)} ms and restored in ${round(performance.now() - summed)} ms`,
  )
}

interface Measured {
  readonly rate: number
  readonly snapshots: number
  readonly cpuShare: number
  readonly sliceMs: number
  readonly longestTurnMs: number
  readonly longestSliceMs: number
  readonly bytes: number
}

/** Batches, and between them one slice where a snapshot is due: begun every second. */
const runLoop = (batch: () => void, begin: (() => () => number) | null): Measured => {
  const start = performance.now()
  const end = start + SECONDS * 1000
  let nextSnapshot = start
  let slice: (() => number) | null = null
  let batches = 0
  let inSnapshot = 0
  let inSlices = 0
  let longestTurnMs = 0
  let longestSliceMs = 0
  let bytes = 0
  const durations: number[] = []
  for (let now = start; now < end;) {
    batch()
    batches++
    const afterBatch = performance.now()
    if (begin !== null && slice === null && afterBatch >= nextSnapshot) {
      slice = begin()
      nextSnapshot += 1000
      inSnapshot = 0
    }
    if (slice !== null) {
      const written = slice()
      const took = performance.now() - afterBatch
      inSnapshot += took
      inSlices += took
      longestSliceMs = Math.max(longestSliceMs, took)
      if (written >= 0) {
        durations.push(inSnapshot)
        bytes = written
        slice = null
      }
    }
    const after = performance.now()
    longestTurnMs = Math.max(longestTurnMs, after - now)
    now = after
  }
  const elapsed = performance.now() - start
  return {
    rate: (batches * BATCH) / elapsed / 1000,
    snapshots: durations.length,
    cpuShare: inSlices / elapsed,
    sliceMs: durations.length === 0 ? 0 : median(durations),
    longestTurnMs,
    longestSliceMs,
    bytes,
  }
}

const benchCodec = (): void => {
  const value = { id: 12, at: 1.5, total: 1e9, items: 3, shop: 'berlin-01' }
  const buffer = new ByteBuffer()
  const rates: [number, number][] = []
  for (let run = 0; run < RUNS + 1; run++) {
    const start = performance.now()
    buffer.clear()
    for (let index = 0; index < 100_000; index++) valueCodec.encode(value, buffer)
    const middle = performance.now()
    const reader = new ByteBufferReader(buffer.take())
    for (let index = 0; index < 100_000; index++) valueCodec.decode(reader)
    rates.push([100 / (middle - start), 100 / (performance.now() - middle)])
  }
  const [encode, decode] = [0, 1].map((side) => round(median(rates.slice(1).map((rate) => rate[side]!)), 2))
  console.log(`value/1, objects with four numbers and a short string: encode ${encode} M/s, decode ${decode} M/s`)
}

benchCodec()
for (const keyOf of Object.values(keyKinds)) for (const count of [1000, 1_000_000]) benchUpdates(keyOf, count)
for (const [keys, keyOf] of Object.entries(keyKinds)) {
  for (const [values, change] of Object.entries(updates)) benchSnapshots(`1 M ${values}, ${keys}`, keyOf, change)
}
