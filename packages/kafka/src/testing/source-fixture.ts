import { type EnumeratorContext } from 'tidemark/connector'
import { MemoryFileSystem } from 'tidemark/testing'
import { afterEach, beforeEach, expect } from 'vitest'
import type { Decoder } from '../codec.ts'
import { text } from '../codecs/text.ts'
import { kafkaThrough } from '../kafka.ts'
import type { TopicOptions, TopicSelection } from '../options.ts'
import { MemoryCluster } from './memory-cluster.ts'
import { encodePlainBatch, type PlainBatch } from './plain-batch.ts'
import { SourceKit, type SourceKitCheckpoint } from './source-kit.ts'
import { TurnClock } from './turn-clock.ts'

export const fixture = { cluster: new MemoryCluster() }

let kits: { close(): Promise<void> }[]
let sequences: Map<bigint, number>
let stops: (() => void)[]

/** For test files of the source: a cluster of two brokers with a topic `orders` of two partitions for each test; what a test starts is closed, and has to let go of everything. */
export function useCluster(): void {
  beforeEach(() => {
    fixture.cluster = new MemoryCluster({ brokers: 2 })
    fixture.cluster.createTopic('orders', 2)
    kits = []
    stops = []
    sequences = new Map()
  })

  afterEach(async () => {
    for (const stop of stops) stop()
    for (const kit of kits) await kit.close()
    expect(fixture.cluster.openClients).toEqual([])
  })
}

export interface RunOptions {
  readonly restored?: SourceKitCheckpoint
  readonly parallelism?: number
  readonly isPaused?: boolean
  readonly clock?: SourceKit<string>['clock']
}

export async function run(
  options: TopicOptions<string>,
  { isPaused = false, ...rest }: RunOptions = {},
  topics: TopicSelection = 'orders',
): Promise<SourceKit<string>> {
  return started(SourceKit.start({ source: sourceOf(topics, options), isPaused, ...rest }))
}

/** Closes the kit at the end of the test, also where its start fails. */
export async function started<T>(starting: Promise<SourceKit<T>>): Promise<SourceKit<T>> {
  const kit = await starting
  kits.push(kit)
  return kit
}

export function sourceOf(topics: TopicSelection, options: TopicOptions<string>) {
  return kafkaOf().topic(topics, { value: text(), ...options })
}

export function kafkaOf() {
  return kafkaThrough({ brokers: 'memory:9092' }, () => fixture.cluster.client())
}

/** A clock that passes by itself, so that what waits for it gets on. */
export function slowly(stepMs = 100): TurnClock {
  const clock = new TurnClock()
  const timer = setInterval(() => clock.advance(stepMs), 1)
  stops.push(() => clearInterval(timer))
  return clock
}

export function enumeratorContext(assign: EnumeratorContext['assign']): EnumeratorContext {
  return {
    job: 'job',
    operator: 'source' as EnumeratorContext['operator'],
    parallelism: 1,
    restored: undefined,
    clock: new TurnClock(),
    files: new MemoryFileSystem(),
    secret: (name) => name,
    warn: () => {},
    assign,
    noMoreSplits: () => {},
    fail: (error) => expect.fail(String(error)),
  }
}

export function preparing(prepare: (value: string) => Promise<void> | undefined): Decoder<string> {
  return { kind: 'preparing', createDecoding: () => ({ prepare: (bytes) => prepare(textOf(bytes)), decode: textOf }) }
}

function textOf(bytes: Uint8Array | null): string {
  return new TextDecoder().decode(bytes ?? undefined)
}

export function batch(producerId: bigint, values: readonly string[]): Uint8Array {
  const sequence = sequences.get(producerId) ?? 0
  sequences.set(producerId, sequence + values.length)
  return encodePlainBatch(plainBatch(producerId, values, sequence))
}

export function plainBatch(producerId: bigint, values: readonly string[], baseSequence: number): PlainBatch {
  return {
    producerId,
    producerEpoch: producerId < 0n ? -1 : 0,
    baseSequence: producerId < 0n ? -1 : baseSequence,
    isTransactional: producerId >= 0n,
    isControl: false,
    lastOffsetDelta: values.length - 1,
    records: values.map((value, offsetDelta) => ({
      key: null,
      value: new TextEncoder().encode(value),
      headers: [],
      timestampMs: 0,
      offsetDelta,
    })),
  }
}

export function unused(): never {
  throw new Error('nothing is written here')
}
