import { describe, expect, it } from 'vitest'
import { connect } from '../../api/connect.ts'
import { defineJob } from '../../api/define-job.ts'
import { output } from '../../api/output.ts'
import { broadcastMap, value } from '../../api/state.ts'
import type { JobDefinition } from '../../core/job.ts'
import type { Sink } from '../../core/sink.ts'
import { JobBench } from '../../testing/job-bench/job-bench.ts'
import { watchedSink } from '../../testing/job-bench/watched-sink.ts'
import { PushLog, pushSource } from '../../testing/test-job/push-source.ts'
import type { RunOptions } from './contract.ts'

const COUNT = 60
const numbersTo = (count: number) => Array.from({ length: count }, (_, index) => index)
const texts = (records: readonly unknown[]) => records.map((record) => JSON.stringify(record)).toSorted()
const runningCounts = (count: number) => numbersTo(count).map((index) => ['all', index + 1] as const)

type Out = readonly unknown[] | string | number

/** A job over numbers 0 … COUNT − 1, and what it must write. */
interface Topology {
  readonly name: string
  build(numbers: PushLog, out: Sink<Out>): JobDefinition
  readonly expected: readonly Out[]
}

const TOPOLOGIES: readonly Topology[] = [
  {
    name: 'a diamond with union: both ways of every record, counted',
    build: (numbers, out) =>
      defineJob('diamond', (job) => {
        const source = job.source('numbers', pushSource<number>(numbers))
        const even = source
          .filter((number) => number % 2 === 0)
          .rebalance()
          .map((number) => number)
        const tripled = source.flatMap((number) => [number, number, number])
        even
          .union(tripled)
          .keyBy(() => 'all')
          .runningCount('count')
          .to('out', out)
      }),
    expected: runningCounts(COUNT / 2 + 3 * COUNT),
  },
  {
    name: 'a broadcast side: every task knows every rule',
    build: (numbers, out) =>
      defineJob('rules', (job) => {
        const source = job.source('numbers', pushSource<number>(numbers))
        const { seen } = connect({ numbers: source.keyBy((number) => number % 5), rules: source.broadcast() }).process(
          'apply',
          {
            state: { rules: broadcastMap<number, true>(), count: value(0) },
            outputs: { seen: output<string>() },
            on: {
              numbers(_, { key, state, emit }) {
                emit.seen(`number ${key} ${state.count.update((count) => count + 1)}`)
              },
              rules(rule, { state, subtask, emit }) {
                if (state.rules.get(rule) === true) emit.seen(`rule ${rule} came twice`)
                state.rules.set(rule, true)
                if (subtask === 0) emit.seen(`rules ${state.rules.size}`)
              },
            },
          },
        )
        seen.to('out', out)
      }),
    expected: [
      ...numbersTo(5).flatMap((key) => numbersTo(COUNT / 5).map((index) => `number ${key} ${index + 1}`)),
      ...numbersTo(COUNT).map((index) => `rules ${index + 1}`),
    ],
  },
  {
    name: 'two keyed steps with a rebalance between them',
    build: (numbers, out) =>
      defineJob('two-steps', (job) => {
        job
          .source('numbers', pushSource<number>(numbers))
          .keyBy((number) => number % 7)
          .scan(
            'sum',
            () => 0,
            (sum) => sum + 1,
          )
          .rebalance()
          .map(([, sum]) => sum)
          .keyBy(() => 'all')
          .runningCount('count')
          .to('out', out)
      }),
    expected: runningCounts(COUNT),
  },
  {
    name: 'a flatMap that makes more of one record than channels and batches hold',
    build: (numbers, out) =>
      defineJob('exploding', (job) => {
        job
          .source('numbers', pushSource<number>(numbers))
          .flatMap(function* (number) {
            for (let index = 0; index < 40; index++) yield number
          })
          .keyBy(() => 'all')
          .runningCount('count')
          .to('out', out)
      }),
    expected: runningCounts(40 * COUNT),
  },
]

const OPTIONS: readonly RunOptions[] = [
  { parallelism: 1 },
  { parallelism: 2, channelCapacity: 1, batchSize: 1 },
  { parallelism: 3, maxConcurrentCheckpoints: 3, checkpointInterval: 3 },
  { parallelism: 4, batchSize: 64, channelCapacity: 64 },
]

/** Kills the process at some moments, feeds what is left, and lets the job finish. */
async function live(bench: JobBench, topology: Topology, options: RunOptions) {
  const log = new PushLog('numbers')
  const { sink, collector, calls } = watchedSink<Out>()
  const job = topology.build(log, sink)
  const chunks = [numbersTo(COUNT).slice(0, 20), numbersTo(COUNT).slice(20, 40), numbersTo(COUNT).slice(40)]
  for (const [index, chunk] of chunks.entries()) {
    log.push(chunk)
    bench.start(job, options)
    await bench.next('checkpoint-completed')
    if (index === 1) await bench.next('checkpoint-triggered')
    bench.kill()
  }
  log.end()
  await bench.drive(bench.start(job, options).result)
  return { collector, calls }
}

describe.each(TOPOLOGIES)('$name', (topology) => {
  it.each(OPTIONS)('is exact through kills with %o', async (options) => {
    const bench = new JobBench(options.parallelism)
    const { collector } = await live(bench, topology, options)
    expect(texts(collector.records)).toEqual(texts(topology.expected))
    expect(bench.all('started').map(({ from }) => from.kind)).toEqual(['fresh', 'restored', 'restored', 'restored'])
  })

  it.each(['at-least-once', 'AT_LEAST_ONCE'] as const)('loses nothing in mode %s', async (checkpointMode) => {
    const bench = new JobBench(5)
    const { collector } = await live(bench, topology, { parallelism: 2, checkpointMode })
    const found = new Set(texts(collector.records))
    // Counts may pass over numbers that were counted twice; the highest tells that nothing is missing.
    if (topology.expected.every((expected) => Array.isArray(expected))) {
      const highest = Math.max(...collector.records.map((record) => (record as readonly [string, number])[1]))
      expect(highest).toBeGreaterThanOrEqual(topology.expected.length)
    } else {
      const missing = texts(topology.expected).filter((expected) => !found.has(expected))
      expect(missing.filter((text) => text.includes('rules'))).toEqual([])
    }
  })
})

describe('back pressure', () => {
  it('stops the source when the sink takes nothing, and checkpoints of what has passed still complete', async () => {
    const bench = new JobBench()
    const log = new PushLog('numbers')
    log.push(numbersTo(1000))
    let room = 10
    const watched = watchedSink<number>({ accepts: () => room > 0 && room-- > 0 })
    const job = defineJob('slow', (builder) => {
      builder
        .source('numbers', pushSource<number>(log))
        .rebalance()
        .map((number) => number)
        .to('out', watched.sink)
    })
    const master = bench.start(job, { channelCapacity: 8, batchSize: 4, checkpointInterval: '1d' })
    await bench.until(() => master.status === 'running')
    await bench.rest()
    // A channel, a batch being filled, one on its way and one in the sink.
    expect(master.metrics().sourceRecords).toBeLessThan(10 + 8 + 6 * 4)
    expect(master.metrics().sourceRecords).toBeGreaterThan(10)
    const checkpoint = master.triggerCheckpoint()
    for (; room <= 0 && watched.collector.records.length < 500;) {
      room = 50
      watched.wake()
      await bench.rest()
    }
    await bench.drive(checkpoint)
    room = Number.POSITIVE_INFINITY
    watched.wake()
    log.end()
    await bench.drive(master.result)
    expect(watched.collector.records).toEqual(numbersTo(1000))
    expect(master.metrics().backPressure).toBeGreaterThanOrEqual(0)
  })
})
