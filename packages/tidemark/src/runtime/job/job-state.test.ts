import { describe, expect, it } from 'vitest'
import { connect } from '../../api/connect.ts'
import { defineJob, type Job } from '../../api/define-job.ts'
import { output } from '../../api/output.ts'
import { aggregating, broadcastMap, list, map, reducing, type StateDeclarations, value } from '../../api/state.ts'
import { collect } from '../../connectors/collect.ts'
import { jsonLines } from '../../connectors/files/json-lines.ts'
import { fromArray } from '../../connectors/from-iterable.ts'
import type { CheckpointMode } from '../../core/options.ts'
import type { Sink } from '../../core/sink.ts'
import type { Source } from '../../core/source.ts'
import { CHECKPOINTS, failureOf, JobBench } from '../../testing/job-bench/job-bench.ts'
import { PushLog, pushSource } from '../../testing/test-job/push-source.ts'
import { testJob } from '../../testing/test-job/test-job.ts'
import type { RunOptions } from './contract.ts'

/** A multiple of every parallelism: records of a key come from one task of the source, so in one order. */
const KEYS = 12
const numbersTo = (count: number) => Array.from({ length: count }, (_, index) => index)
const texts = (records: readonly unknown[]) => records.map((record) => JSON.stringify(record)).toSorted()

describe('keyed state', () => {
  const digesting = defineJob('digesting', (job) => {
    const numbers = job.source('numbers', fromArray<number>([]))
    const { digests } = numbers
      .keyBy((number) => number % KEYS)
      .process('digest', {
        state: {
          count: value(0),
          last: value<{ readonly number: number }>(),
          recent: list<number>(),
          perLength: map<number, number>(),
          largest: reducing<number>((left, right) => Math.max(left, right)),
          mean: aggregating({
            create: () => ({ sum: 0, count: 0 }),
            add: ({ sum, count }, input: number) => ({ sum: sum + input, count: count + 1 }),
            result: ({ sum, count }) => sum / count,
          }),
        },
        outputs: { digests: output<readonly unknown[]>() },
        onRecord(number, { key, state, emit }) {
          const last = state.last.get()?.number ?? null
          state.last.set({ number })
          state.recent.push(number)
          if (state.recent.size > 3) state.recent.replace([...state.recent].slice(1))
          const length = String(number).length
          state.perLength.set(length, (state.perLength.get(length) ?? 0) + 1)
          if (number % 50 === 0) state.perLength.clear()
          if (number % 60 === 0) state.last.clear()
          state.mean.add(number)
          emit.digests([
            key,
            state.count.update((count) => count + 1),
            last,
            [...state.recent],
            [...state.perLength],
            state.largest.add(number),
            state.mean.get(),
          ])
        },
      })
    return { numbers, digests }
  })

  const run = async (
    parallelism: number,
    crashes: readonly number[],
    checkpointMode: CheckpointMode = 'exactly-once',
  ) => {
    await using test = await testJob(digesting, { parallelism, checkpointMode })
    for (const number of numbersTo(200)) {
      test.at.numbers.push(number)
      if (number % 40 === 0) await test.checkpoint()
      if (crashes.includes(number)) await test.crash()
    }
    await test.finish()
    return texts(test.at.digests.records)
  }

  it.each([1, 2, 3, 4])(
    'of every kind is the same with and without crashes, at parallelism %i',
    async (parallelism) => {
      expect(await run(parallelism, [17, 55, 100, 101, 199])).toEqual(await run(parallelism, []))
    },
  )
})

describe('broadcast state and list state', () => {
  const limiting = defineJob('limiting', (job) => {
    const orders = job.source('orders', fromArray<{ readonly shop: string; readonly amount: number }>([]))
    const rules = job.source('rules', fromArray<{ readonly shop: string; readonly limit: number }>([]))
    const { over } = connect({ orders: orders.keyBy('shop'), rules: rules.broadcast() }).process('check', {
      state: { limits: broadcastMap<string, number>() },
      outputs: { over: output<string>() },
      on: {
        orders({ amount }, { key, state, emit }) {
          if (amount > (state.limits.get(key) ?? Number.POSITIVE_INFINITY)) emit.over(`${key} ${amount}`)
        },
        rules({ shop, limit }, { state }) {
          state.limits.set(shop, limit)
        },
      },
    })
    return { orders, rules, over }
  })

  it.each([1, 2, 3])('every task has every rule after a crash, at parallelism %i', async (parallelism) => {
    await using run = await testJob(limiting, { parallelism })
    const shops = numbersTo(12).map((index) => `shop ${index}`)
    run.at.rules.push(...shops.map((shop) => ({ shop, limit: 10 })))
    await run.checkpoint()
    run.at.rules.push({ shop: 'shop 3', limit: 1 })
    await run.crash()
    await run.checkpoint()
    await run.crash()
    run.at.orders.push(...shops.flatMap((shop) => [5, 11].map((amount) => ({ shop, amount }))))
    await run.finish()
    const expected = [...shops.map((shop) => `${shop} 11`), 'shop 3 5']
    expect(texts(run.at.over.records)).toEqual(texts(expected))
  })
})

const keyed = (
  log: PushLog,
  state: StateDeclarations,
  name = 'sum',
  source: Source<number> = pushSource<number>(log),
  sink: Sink<number> = jsonLines('/out'),
): Job<undefined, void> =>
  defineJob('fitting', (job) => {
    const { out } = job
      .source('numbers', source)
      .keyBy((number) => number % KEYS)
      .process(name, {
        state: state as { sum: ReturnType<typeof value<number>> },
        outputs: { out: output<number>() },
        onRecord(number, context) {
          const states = context.state as unknown as Readonly<
            Record<string, { update?(change: (old: number) => number): number }>
          >
          const sum = Object.values(states)[0]
          context.emit.out(sum?.update?.((old) => old + number) ?? number)
        },
      })
    out.to('out', sink)
  })

const unkeyed = (log: PushLog): Job<undefined, void> =>
  defineJob('fitting', (job) => {
    const { out } = job
      .source('numbers', pushSource<number>(log))
      .rebalance()
      .process('sum', {
        state: { sum: list<number>() },
        outputs: { out: output<number>() },
        onRecord: (number, { emit }) => emit.out(number),
      })
    out.to('out', jsonLines('/out'))
  })

const after = async (
  next: (log: PushLog) => Job<undefined, void>,
  options: RunOptions = {},
  more: StateDeclarations = {},
) => {
  const bench = new JobBench()
  const log = new PushLog('numbers')
  log.push(numbersTo(20))
  const first = bench.start(keyed(log, { sum: value(0), ...more }), { checkpointInterval: '1d' })
  await bench.until(() => first.status === 'running')
  await bench.rest()
  await bench.drive(first.stop())
  const files = bench.files.paths('/')
  const record = bench.files.text(`${CHECKPOINTS}/job.json`)
  const job = next(log)
  log.end()
  const second = bench.start(job, options)
  return { bench, second, files, record }
}

describe('a checkpoint that does not fit the job', () => {
  it.each([
    ['an operator is missing', (log: PushLog) => keyed(log, { sum: value(0) }, 'total'), {}, /'sum'/],
    ['a state is missing', (log: PushLog) => keyed(log, { other: value(0) }), {}, /'sum'/],
    [
      'a state is of another kind',
      (log: PushLog) => keyed(log, { sum: list<number>() }),
      {},
      /list state.*value state/,
    ],
    [
      'state of each key has become state of each task',
      (log: PushLog) => unkeyed(log),
      {},
      /state of each task, but in the checkpoint it is state of each key/,
    ],
    [
      'a source is of another kind',
      (log: PushLog) => keyed(log, { sum: value(0) }, 'sum', fromArray([1, 2])),
      {},
      /^source numbers is of kind 'array', but checkpoint \d+ holds positions of one of kind 'push'$/,
    ],
    [
      'a sink with transactions is of another kind',
      (log: PushLog) => keyed(log, { sum: value(0) }, 'sum', pushSource<number>(log), collect<number>()),
      {},
      /^sink out is of kind 'collect', but checkpoint \d+ holds transactions of one of kind 'json-lines'$/,
    ],
    [
      'max parallelism has changed',
      (log: PushLog) => keyed(log, { sum: value(0) }),
      { maxParallelism: 64 },
      /max parallelism 128/,
    ],
  ] as const)('is refused when %s', async (_, next, options, message) => {
    const { bench, second, files, record } = await after(next, options)
    const error = await failureOf(bench.drive(second.result))
    expect(error).toMatchObject({ code: 'STATE_INCOMPATIBLE', message: expect.stringMatching(message) as string })
    expect(error.action).toBeDefined()
    // Before anything is written.
    expect(bench.files.paths('/')).toEqual(files)
    expect(bench.files.text(`${CHECKPOINTS}/job.json`)).toBe(record)
    expect(bench.all('started')).toHaveLength(1)
  })

  it('fits when a state that is gone has been cleared for every key', async () => {
    const { bench, second } = await after((log) => keyed(log, { sum: value(0) }), {}, { never: value(0) })
    expect((await bench.drive(second.result)).status).toBe('finished')
    expect(bench.all('started').at(-1)!.from.kind).toBe('restored')
  })

  it('fits when the state says where it was moved from', async () => {
    const sums: number[] = []
    const { bench, second } = await after((log) => {
      log.push([KEYS])
      return keyed(log, { total: value(() => (sums.push(1), 0), { movedFrom: 'sum' }) })
    })
    expect((await bench.drive(second.result)).status).toBe('finished')
    // Key 0 had a sum already: the initial value was not asked for.
    expect(sums).toEqual([])
  })

  it('and fits a job whose functions and stateless steps are the same under another parallelism', async () => {
    const { bench, second } = await after((log) => keyed(log, { sum: value(0) }), { parallelism: 3 })
    expect((await bench.drive(second.result)).status).toBe('finished')
    expect(bench.all('started').at(-1)!.from.kind).toBe('restored')
  })
})
