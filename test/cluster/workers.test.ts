import { existsSync } from 'node:fs'
import { BroadcastChannel } from 'node:worker_threads'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { JobHandle, JobMetrics, JobResult } from '../../packages/tidemark/src/runtime/job/contract.ts'
import { SeededRandom } from '../../packages/tidemark/src/testing/simulator/seeded-random.ts'
import { residue, WorkerBench, WorkerPrograms } from './worker-bench.ts'
import { type CountingParams, EXTRAS, KEYS, type TroubleKind } from './worker-jobs/counting.ts'
import { GATE } from './worker-jobs/slow-sink.ts'

const RECORDS = 3000
const PORTION = 100

let programs: WorkerPrograms
let bench: WorkerBench

beforeAll(async () => {
  programs = await WorkerPrograms.build()
})

afterAll(() => programs.remove())

beforeEach(async () => {
  bench = await WorkerBench.create(programs)
})

afterEach(() => bench.remove())

function counting(trouble: CountingParams['trouble'] = null): CountingParams {
  return { folder: bench.folder, records: RECORDS, portion: PORTION, trouble }
}

/** Every number once, every count of every key once, nothing left behind. */
async function expectExactlyOnce(): Promise<void> {
  const numbers = await bench.lines<number>('numbers')
  expect([...numbers].sort((left, right) => left - right)).toEqual(Array.from({ length: RECORDS }, (_, index) => index))
  const expected = new Map<number, number>()
  for (const number of [...numbers, ...EXTRAS]) {
    const key = Math.abs(number) % KEYS
    expected.set(key, (expected.get(key) ?? 0) + 1)
  }
  const counts = new Map<number, number[]>()
  for (const [key, count] of await bench.lines<readonly [number, number]>('counts')) {
    counts.set(key, [...(counts.get(key) ?? []), count])
  }
  expect(counts.size).toBe(expected.size)
  for (const [key, total] of expected) {
    const sorted = [...counts.get(key)!].sort((left, right) => left - right)
    expect(sorted, `key ${key}`).toEqual(Array.from({ length: total }, (_, index) => index + 1))
  }
  for (const output of ['numbers', 'counts']) expect(await residue(`${bench.folder}/${output}`)).toEqual([])
}

function expectRestoredAfterFailure(): void {
  const started = bench.all('started')
  expect(started.length).toBeGreaterThan(1)
  for (const { from } of started.slice(1)) expect(from.kind).toBe('restored')
}

describe('a job in worker threads', () => {
  test.each([
    [1, 1],
    [2, 2],
    [4, 2],
    [4, 4],
  ])('counts exactly once (parallelism %i on %i workers)', async (parallelism, workers) => {
    const handle = await bench.start('counting', { params: counting(), parallelism, workers })
    const result = await handle.result
    expect(result.status).toBe('finished')
    expect(bench.all('attempt-failed')).toEqual([])
    expect(bench.threads).toHaveLength(workers)
    expect(result.metrics.sourceRecords).toBe(RECORDS + EXTRAS.length)
    expect(result.metrics.operators.find(({ operator }) => operator === 'counts')).toMatchObject({
      recordsIn: RECORDS + EXTRAS.length,
    })
    await expectExactlyOnce()
  })

  test('uses no more workers than there are parallel tasks', async () => {
    await (
      await bench.start('counting', { params: counting(), parallelism: 2, workers: 8 })
    ).result
    expect(bench.threads).toHaveLength(2)
    await expectExactlyOnce()
  })

  test('is refused with the first difference when a worker builds another job', async () => {
    const handle = await bench.start('undecided', { params: { folder: bench.folder }, parallelism: 2, workers: 2 })
    await expect(handle.result).rejects.toMatchObject({
      code: 'INVALID_JOB',
      message: expect.stringMatching(/operators\[1\]\.id .*"counts".*"other-counts"/) as string,
    })
    expect(bench.all('attempt-failed').every(({ restartInMs }) => restartInMs === null)).toBe(true)
    expect(await bench.lines('out')).toEqual([])
  })

  test('suspends, and goes on where it was', async () => {
    const handle = await bench.start('counting', { params: counting(), parallelism: 2, workers: 2 })
    await afterCheckpoints(handle, 3)
    expect(await handle.stop()).toMatchObject({ status: 'suspended' })
    await (
      await bench.start('counting', { params: counting(), parallelism: 2, workers: 2 })
    ).result
    expect(bench.all('started').at(-1)!.from.kind).toBe('restored')
    await expectExactlyOnce()
  })

  test('is cancelled', async () => {
    const handle = await bench.start('counting', { params: counting(), parallelism: 4, workers: 2 })
    await afterCheckpoints(handle, 2)
    expect(await handle.cancel()).toMatchObject({ status: 'canceled' })
    expect(await residue(`${bench.folder}/numbers`)).toEqual([])
  })
})

describe('a worker that dies', () => {
  const expectations: Readonly<
    Record<Exclude<TroubleKind, 'hang'>, { code: string; message: RegExp; cause?: object }>
  > = {
    throw: { code: 'USER_FUNCTION', message: /operator map-1 failed on a record at number .*: on purpose/ },
    'throw-later': {
      code: 'WORKER_LOST',
      message: /^worker 2 of 2 stopped on an error that nobody caught \(nobody catches this\) while it ran .*numbers#1/,
      cause: { name: 'RangeError', stack: expect.stringContaining('counting') as string },
    },
    reject: { code: 'WORKER_LOST', message: /^worker 2 of 2 stopped on an error .*\(nobody awaits this\)/ },
    exit: { code: 'WORKER_LOST', message: /^worker 2 of 2 ended with code 7 while it ran .*counts#1/ },
    memory: { code: 'WORKER_LOST', message: /^worker 2 of 2 ran out of memory while it ran/ },
  }

  test.each(Object.entries(expectations))(
    'by %s fails the attempt with a full error; the next one goes on in fresh workers',
    async (kind, { code, message, cause }) => {
      // Odd numbers are in odd stripes, which the second task reads.
      const trouble = { kind: kind as TroubleKind, at: 1501 }
      const limits = kind === 'memory' ? { resourceLimits: { maxOldGenerationSizeMb: 48 } } : {}
      const handle = await bench.start('counting', { params: counting(trouble), parallelism: 2, workers: 2 }, limits)
      expect(await handle.result).toMatchObject({ status: 'finished' })
      const failures = bench.all('attempt-failed')
      expect(failures).toHaveLength(1)
      expect(failures[0]!.error).toMatchObject({ code, message: expect.stringMatching(message) as string })
      if (cause !== undefined) expect(failures[0]!.error.cause).toMatchObject(cause)
      expect(failures[0]!.error.action).toBeDefined()
      expectRestoredAfterFailure()
      expect(bench.threads).toHaveLength(4)
      await expectExactlyOnce()
    },
  )

  test('because it is terminated at any moment costs nothing but a restart', async () => {
    for (let seed = 1; seed <= 4; seed++) {
      const random = new SeededRandom(seed)
      const [parallelism, workers] = random.pick([
        [2, 2],
        [4, 2],
        [4, 4],
      ] as const)
      const handle = await bench.start('counting', { params: counting(), parallelism, workers })
      const kills = Array.from({ length: 4 }, () => random.integer(4, 25))
      let countdown = kills.shift() ?? null
      handle.on(({ kind }) => {
        if (countdown === null || bench.all('checkpoint-completed').length === 0 || kind === 'attempt-failed') return
        if (--countdown > 0) return
        countdown = kills.shift() ?? null
        void random.pick(bench.threads.slice(-workers)).terminate()
      })
      expect(await handle.result).toMatchObject({ status: 'finished' })
      expectRestoredAfterFailure()
      for (const { error } of bench.all('attempt-failed')) expect(error.code).toBe('WORKER_LOST')
      await expectExactlyOnce()
      await bench.remove()
      bench = await WorkerBench.create(programs)
    }
  })

  test('since a task does not stop in time takes the others with it only then', async () => {
    const handle = await bench.start('counting', {
      params: counting({ kind: 'hang', at: 1501 }),
      parallelism: 2,
      workers: 2,
      // Long enough for what does not hang, on any machine.
      checkpointTimeout: 3000,
      taskCancellationTimeout: 1500,
    })
    expect(await handle.result).toMatchObject({ status: 'finished' })
    const [failure] = bench.all('attempt-failed')
    expect(failure!.error.code).toMatch(/^CHECKPOINT_/)
    expect(bench.all('warning').map(({ message }) => message)).toEqual([
      expect.stringMatching(/^task .*numbers#1.* did not stop within 1500 ms: its worker is terminated$/),
    ])
    await expectExactlyOnce()
  })

  test('can be cancelled while it hangs', async () => {
    const handle = await bench.start('counting', {
      params: counting({ kind: 'hang', at: 1501 }),
      parallelism: 2,
      workers: 2,
      checkpointTimeout: '1h',
      taskCancellationTimeout: 50,
    })
    await until(handle, () => existsSync(`${bench.folder}/trouble.marker`))
    expect(await handle.cancel()).toMatchObject({ status: 'canceled' })
  })
})

describe('between workers', () => {
  test('back pressure reaches the sources, and resources and secrets are opened once per worker', async () => {
    const records = 50_000
    const handle = await bench.start('slow-sink', {
      params: { folder: bench.folder, records },
      parallelism: 2,
      workers: 2,
      channelCapacity: 100,
      batchSize: 10,
      checkpointInterval: '1h',
      secrets: { PASSWORD: 'open sesame' },
    })
    // Stands still: the same count three times, and back pressure that says why.
    let metrics: JobMetrics[] = []
    await until(handle, (now) => {
      metrics = [...metrics, now].slice(-3)
      return (
        metrics.length === 3 &&
        metrics.every(({ sourceRecords, backPressure }) => sourceRecords > 0 && backPressure > 0.5) &&
        new Set(metrics.map(({ sourceRecords }) => sourceRecords)).size === 1
      )
    })
    // Channels and batches of all edges; nowhere near the whole input.
    expect(metrics[0]!.sourceRecords).toBeLessThan(5000)
    const gate = new BroadcastChannel(GATE)
    gate.postMessage('open')
    const result = await handle.result
    gate.close()
    expect(result.metrics.operators.find(({ operator }) => operator === 'slow')).toMatchObject({ recordsIn: records })
    expect(await bench.lines('seen')).toEqual(Array.from({ length: 10 }, () => 'open sesame'))
    expect((await residue(bench.folder)).filter((name) => name.startsWith('opened'))).toHaveLength(2)
    expect((await residue(bench.folder)).filter((name) => name.startsWith('closed'))).toHaveLength(2)
  })
})

function afterCheckpoints(handle: JobHandle, count: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let seen = 0
    handle.on(({ kind }) => {
      if (kind === 'checkpoint-completed' && ++seen === count) resolve()
    })
    handle.result.catch(reject)
  })
}

/** Looks again and again, as often as workers tell their metrics. */
function until(handle: JobHandle, condition: (metrics: JobMetrics) => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const look = setInterval(() => {
      if (!condition(handle.metrics())) return
      clearInterval(look)
      resolve()
    }, 250)
    const stop = (result: JobResult): void => {
      clearInterval(look)
      reject(new Error(`the job ended: ${result.status}`))
    }
    handle.result.then(stop, reject)
  })
}
