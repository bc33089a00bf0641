import { describe, expect, it } from 'vitest'
import { connect } from '../../api/connect.ts'
import { defineJob } from '../../api/define-job.ts'
import { output } from '../../api/output.ts'
import { list, value } from '../../api/state.ts'
import type { Stream } from '../../api/stream.ts'
import type { Sink } from '../../core/sink.ts'
import { JobBench } from '../../testing/job-bench/job-bench.ts'
import { watchedSink } from '../../testing/job-bench/watched-sink.ts'
import { PushLog, pushSource } from '../../testing/test-job/push-source.ts'
import type { RunOptions } from './contract.ts'

function pushed(name: string, ...records: readonly number[]): PushLog {
  const log = new PushLog(name)
  log.push(records)
  return log
}

const numbersTo = (count: number) => Array.from({ length: count }, (_, index) => index)
const ascending = (numbers: readonly number[]) => numbers.toSorted((left, right) => left - right)

const PREFIXES = 40
const COUNT = 400

const prefix = (number: number) => number % PREFIXES

/** Counts records in list state that belongs to the task, passes them on, and tells its count at the end. */
const counted = (stage: string, stream: Stream<number>, counts: Sink<readonly [string, number]>) => {
  const { records, count } = stream.process(stage, {
    state: { seen: list<number>() },
    outputs: { records: output<number>(), count: output<readonly [string, number]>() },
    onRecord(number, { state, emit }) {
      // One item, or several after the parallelism has changed.
      state.seen.replace([[...state.seen].reduce((sum, seen) => sum + seen, 1)])
      emit.records(number)
    },
    onEnd({ state, emit }) {
      emit.count([stage, [...state.seen].reduce((sum, seen) => sum + seen, 0)])
    },
  })
  count.to(`count of ${stage}`, counts)
  return records
}

const coStream = (
  logs: readonly [PushLog, PushLog],
  sinks: {
    readonly counts: readonly Sink<readonly [string, number]>[]
    readonly out: Sink<readonly [number, number]>
  },
  onSeen: () => void,
) =>
  defineJob('co-stream', (job) => {
    const left = counted('filter', job.source('left', pushSource<number>(logs[0])), sinks.counts[0]!)
    const right = counted('map', job.source('right', pushSource<number>(logs[1])).rebalance(), sinks.counts[1]!)
    const { both } = connect({ left: left.keyBy(prefix), right: right.keyBy(prefix) }).process('co-count', {
      state: { seen: value(0) },
      outputs: { both: output<readonly [number, number]>() },
      on: {
        left(_, { key, state, emit }) {
          onSeen()
          emit.both([key, state.seen.update((seen) => seen + 1)])
        },
        right(_, { key, state, emit }) {
          onSeen()
          emit.both([key, state.seen.update((seen) => seen + 1)])
        },
      },
    })
    const last = counted(
      'last',
      both.map(([key]) => key),
      sinks.counts[2]!,
    )
    last.filter(() => false).to('nowhere', watchedSink<number>().sink)
    both.to('out', sinks.out)
  })

describe('operator state and two-input alignment (scenario 16)', () => {
  it.each([1, 2, 3, 4])(
    'every stage has counted every record once, through a failure, at parallelism %i',
    async (parallelism) => {
      const bench = new JobBench(parallelism)
      const logs = [pushed('left', ...numbersTo(COUNT / 4)), pushed('right', ...numbersTo(COUNT / 4))] as const
      const counts = [0, 1, 2].map(() => watchedSink<readonly [string, number]>())
      const out = watchedSink<readonly [number, number]>()
      let seen = 0
      const job = coStream(logs, { counts: counts.map(({ sink }) => sink), out: out.sink }, () => {
        // Half way through the second half, which no checkpoint can hold before the first one is complete.
        if (++seen === COUNT * 0.75) throw new Error('planned')
      })
      const master = bench.start(job, { parallelism, restartStrategy: { kind: 'fixed-delay', attempts: 1, delay: 1 } })
      await bench.next('checkpoint-completed')
      for (const log of logs) {
        log.push(numbersTo(COUNT / 2).slice(COUNT / 4))
        log.end()
      }
      await bench.drive(master.result)
      expect(bench.all('started').map(({ from }) => from.kind)).toEqual(['fresh', 'restored'])
      const totals = counts.map(({ collector }) => collector.records.reduce((sum, [, count]) => sum + count, 0))
      expect(totals).toEqual([COUNT / 2, COUNT / 2, COUNT])
      const perPrefix = new Map<number, number[]>()
      for (const [key, count] of out.collector.records) perPrefix.set(key, [...(perPrefix.get(key) ?? []), count])
      expect(perPrefix.size).toBe(PREFIXES)
      for (const values of perPrefix.values()) {
        expect(ascending(values)).toEqual(numbersTo(COUNT / PREFIXES).map((index) => index + 1))
      }
    },
  )

  it.each([
    [2, 3],
    [3, 1],
    [1, 4],
  ])('also when the job is suspended at parallelism %i and goes on at %i', async (before, after) => {
    const bench = new JobBench(before)
    const logs = [pushed('left', ...numbersTo(COUNT / 4)), pushed('right', ...numbersTo(COUNT / 4))] as const
    const counts = [0, 1, 2].map(() => watchedSink<readonly [string, number]>())
    const out = watchedSink<readonly [number, number]>()
    const job = coStream(logs, { counts: counts.map(({ sink }) => sink), out: out.sink }, () => {})
    const first = bench.start(job, { parallelism: before })
    await bench.next('checkpoint-completed')
    await bench.drive(first.stop())
    for (const log of logs) {
      log.push(numbersTo(COUNT / 2).slice(COUNT / 4))
      log.end()
    }
    await bench.drive(bench.start(job, { parallelism: after }).result)
    const totals = counts.map(({ collector }) => collector.records.reduce((sum, [, count]) => sum + count, 0))
    expect(totals).toEqual([COUNT / 2, COUNT / 2, COUNT])
    expect(out.collector.records).toHaveLength(COUNT)
    for (let key = 0; key < PREFIXES; key++) {
      const values = out.collector.records.filter(([prefix]) => prefix === key).map(([, count]) => count)
      expect(ascending(values)).toEqual(numbersTo(COUNT / PREFIXES).map((index) => index + 1))
    }
  })
})

const SHORT = 20
const LONG = 100

const twoLengths = (short: PushLog, long: PushLog, sinks: readonly [Sink<number>, Sink<number>, Sink<number>]) =>
  defineJob('two-lengths', (job) => {
    const left = job.source('short', pushSource<number>(short))
    const right = job.source('long', pushSource<number>(long))
    left
      .rebalance()
      .map((number) => number)
      .to('short-out', sinks[0])
    right
      .rebalance()
      .map((number) => number)
      .to('long-out', sinks[1])
    left
      .union(right)
      .keyBy((number) => number)
      .scan(
        'both',
        () => 0,
        (sum) => sum + 1,
      )
      .map(([number]) => number)
      .to('both-out', sinks[2])
  })

const startTwoLengths = (bench: JobBench, options: RunOptions = {}) => {
  const short = pushed('short', ...numbersTo(SHORT))
  const long = pushed('long', ...numbersTo(LONG / 2))
  const outs = [watchedSink<number>(), watchedSink<number>(), watchedSink<number>()] as const
  short.end()
  const job = twoLengths(short, long, [outs[0].sink, outs[1].sink, outs[2].sink])
  const master = bench.start(job, options)
  const finish = () => {
    long.push(numbersTo(LONG).slice(LONG / 2))
    long.end()
  }
  const expectExact = () => {
    expect(ascending(outs[0].collector.records)).toEqual(numbersTo(SHORT))
    expect(ascending(outs[1].collector.records)).toEqual(numbersTo(LONG))
    expect(ascending(outs[2].collector.records)).toEqual(ascending([...numbersTo(SHORT), ...numbersTo(LONG)]))
  }
  return { job, master, outs, finish, expectExact }
}

describe('checkpoints after some tasks have finished (scenario 20)', () => {
  it.each([1, 2, 3])('go on, at parallelism %i', async (parallelism) => {
    const bench = new JobBench()
    const { master, outs, finish, expectExact } = startTwoLengths(bench, { parallelism })
    await bench.until(() => outs[0].calls.filter((call) => call === 'close').length === parallelism)
    const before = bench.all('checkpoint-completed').length
    await bench.until(() => bench.all('checkpoint-completed').length >= before + 3)
    finish()
    await bench.drive(master.result)
    expectExact()
    expect(bench.all('checkpoint-failed')).toEqual([])
  })

  it.each([1, 2])(
    'a last one comes also when the interval is longer than the run, at parallelism %i',
    async (parallelism) => {
      const bench = new JobBench()
      const { master, finish, expectExact } = startTwoLengths(bench, { checkpointInterval: '365d', parallelism })
      finish()
      await bench.drive(master.result)
      expectExact()
      expect(bench.all('checkpoint-completed').length).toBeGreaterThan(0)
      expect(bench.clock.monotonic()).toBeLessThan(60_000)
    },
  )

  it.each([1, 2, 3])('restore what has finished as finished, at parallelism %i', async (parallelism) => {
    const bench = new JobBench()
    const { job, outs, finish, expectExact } = startTwoLengths(bench, { parallelism })
    await bench.until(() => outs[0].calls.filter((call) => call === 'close').length === parallelism)
    bench.kill()
    const opened = outs[0].calls.filter((call) => call === 'open').length
    const again = bench.start(job, { parallelism })
    await bench.until(() => again.status === 'running')
    await bench.until(() => bench.all('checkpoint-completed').length > 3)
    finish()
    const { metrics } = await bench.drive(again.result)
    expect(bench.all('started').at(-1)!.from.kind).toBe('restored')
    expectExact()
    // Finished operators do not run again.
    expect(outs[0].calls.filter((call) => call === 'open')).toHaveLength(opened)
    expect(metrics.operators.find(({ operator }) => operator === 'short')?.recordsIn ?? 0).toBe(0)
  })

  it('a failover before the last checkpoint changes nothing about the results', async () => {
    const bench = new JobBench()
    const { job, outs, finish, expectExact } = startTwoLengths(bench, { checkpointInterval: '365d' })
    await bench.rest()
    bench.kill()
    finish()
    await bench.drive(bench.start(job, { checkpointInterval: '365d' }).result)
    expect(bench.all('started').at(-1)!.from.kind).toBe('fresh')
    expect(outs[0].calls.filter((call) => call === 'open')).toHaveLength(2)
    expectExact()
  })

  it('a job that was killed after its last checkpoint finishes at once, with nothing doubled', async () => {
    const bench = new JobBench()
    const { job, outs, finish, expectExact } = startTwoLengths(bench, { checkpointInterval: '365d' })
    finish()
    await bench.next('checkpoint-committed')
    bench.kill()
    const opened = outs.map(({ calls }) => calls.filter((call) => call === 'open').length)
    await bench.drive(bench.start(job, { checkpointInterval: '365d' }).result)
    expect(outs.map(({ calls }) => calls.filter((call) => call === 'open').length)).toEqual(opened)
    expectExact()
  })
})
