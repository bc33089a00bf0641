import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { SeededRandom } from '../../packages/tidemark/src/testing/simulator/seeded-random.ts'
import { residue, WorkerBench, WorkerPrograms } from './worker-bench.ts'
import { type CoStagesParams, PREFIXES } from './worker-jobs/co-stages.ts'
import type { StripedParams } from './worker-jobs/striped.ts'
import { KEYS, type UnionedParams } from './worker-jobs/unioned.ts'

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

const oneTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1)
const ascending = (numbers: readonly number[]) => numbers.toSorted((left, right) => left - right)

function expectOneRestore(): void {
  expect(bench.all('started').map(({ from }) => from.kind)).toEqual(['fresh', 'restored'])
}

const PLACEMENTS = [
  ['in one thread', 0],
  ['on worker threads', 4],
] as const

describe.each(PLACEMENTS)('keyed state behind two united sources (scenario 15), %s', (_, workers) => {
  test.each([1, 2, 3])(
    'has every sum and every count exactly, after a failure at a random moment (seed %i)',
    async (seed) => {
      const records = 5000
      const params: UnionedParams = {
        folder: bench.folder,
        records,
        portion: 100,
        failAfter: new SeededRandom(seed).integer(1500, 2000),
      }
      const handle = await bench.start('unioned', { params, parallelism: 4, workers })
      expect(await handle.result).toMatchObject({ status: 'finished' })
      expectOneRestore()
      const perKey = (2 * records) / KEYS
      const lines = await bench.lines<readonly [number, number, number, number]>('counts')
      expect(lines).toHaveLength(2 * records)
      for (let key = 0; key < KEYS; key++) {
        const ofKey = lines.filter(([own]) => own === key).toSorted((left, right) => left[2] - right[2])
        const expected = oneTo(perKey).map((count) => [key, key * count, count, count])
        expect(ofKey, `key ${key}`).toEqual(expected)
      }
    },
  )
})

describe.each(PLACEMENTS)('operator state and two-input alignment (scenario 16), %s', (_, workers) => {
  test.each([2, 4])('every stage has counted every record once, at parallelism %i', async (parallelism) => {
    const records = 5000
    const params: CoStagesParams = { folder: bench.folder, records, portion: 200, failAt: 3333 }
    const handle = await bench.start('co-stages', { params, parallelism, workers })
    expect(await handle.result).toMatchObject({ status: 'finished' })
    expectOneRestore()
    for (const [stage, expected] of [
      ['left', records],
      ['right', records],
      ['last', 2 * records],
    ] as const) {
      const counts = await bench.lines<readonly [string, number]>(`count-of-${stage}`)
      expect(counts).toHaveLength(parallelism)
      expect(
        counts.reduce((sum, [, count]) => sum + count, 0),
        stage,
      ).toBe(expected)
    }
    const both = await bench.lines<readonly [number, number]>('both')
    expect(both).toHaveLength(2 * records)
    for (let key = 0; key < PREFIXES; key++) {
      const counts = both.filter(([own]) => own === key).map(([, count]) => count)
      expect(ascending(counts), `prefix ${key}`).toEqual(oneTo((2 * records) / PREFIXES))
    }
  })
})

/** What each sink task has committed, in the order in which it wrote it. */
async function committedBySubtask(folder: string): Promise<ReadonlyMap<number, readonly number[]>> {
  const parts = (await readdir(folder)).flatMap((name) => {
    const match = /^part-(\d+)-[0-9a-f]+-(\d+)-(\d+)-(\d+)\.jsonl$/.exec(name)
    if (match === null) return []
    const [subtask, epoch, attempt, count] = match.slice(1).map(Number) as [number, number, number, number]
    return [{ name, subtask, order: [epoch, attempt, count] as const }]
  })
  parts.sort(({ order: a }, { order: b }) => a[0] - b[0] || a[1] - b[1] || a[2] - b[2])
  const committed = new Map<number, number[]>()
  for (const { name, subtask } of parts) {
    const lines = (await readFile(join(folder, name), 'utf8')).split('\n').filter((line) => line !== '')
    committed.set(subtask, [...(committed.get(subtask) ?? []), ...lines.map(Number)])
  }
  return committed
}

describe('workers that die one after the other (scenario 23)', () => {
  const records = 10_000

  test.each([
    [1, 4, 4],
    [2, 4, 2],
    [3, 4, 4],
    [4, 4, 3],
  ])(
    'leave each sink task with exactly its numbers, in order, no gap, no repeat (seed %i, parallelism %i, workers %i)',
    async (seed, parallelism, workers) => {
      const random = new SeededRandom(seed)
      const params: StripedParams = { folder: bench.folder, records, portion: 100, stripes: parallelism }
      // Any message of any worker may be the last that is heard before one of them dies: while it starts, restores, runs, takes a snapshot or ends.
      let kills = 0
      let countdown = random.integer(1, 30)
      // The last one comes when there is something to restore.
      const mayKill = () => kills < 4 || (kills === 4 && bench.all('checkpoint-completed').length > 0)
      const handle = await bench.start(
        'striped',
        { params, parallelism, workers },
        {
          onMessage: () => {
            if (!mayKill() || --countdown > 0) return
            kills++
            countdown = random.integer(1, 30)
            void random.pick(bench.threads.slice(-workers)).terminate()
          },
        },
      )
      expect(await handle.result).toMatchObject({ status: 'finished' })
      expect(kills).toBe(5)
      expect(bench.all('attempt-failed').length).toBeGreaterThan(0)
      for (const { error } of bench.all('attempt-failed')) expect(error.code).toBe('WORKER_LOST')
      expect(bench.all('started').some(({ from }) => from.kind === 'restored')).toBe(true)
      const committed = await committedBySubtask(join(bench.folder, 'striped'))
      for (let subtask = 0; subtask < parallelism; subtask++) {
        const expected = Array.from({ length: records / parallelism }, (_, index) => index * parallelism + subtask)
        expect(committed.get(subtask), `sink task ${subtask}`).toEqual(expected)
      }
      expect(await residue(join(bench.folder, 'striped'))).toEqual([])
    },
  )

  test.each([
    ['before it is known', 0],
    ['while the job waits to be restarted', 1],
  ])('do not keep the job from being cancelled %s', async (_, failures) => {
    const params: StripedParams = { folder: bench.folder, records, portion: 100, stripes: 4 }
    const restartStrategy = { kind: 'fixed-delay', attempts: 5, delay: '1h' } as const
    const handle = await bench.start('striped', { params, parallelism: 4, workers: 4, restartStrategy })
    const seen = (kind: string) => bench.events.filter((event) => event.kind === kind).length
    const until = (condition: () => boolean) =>
      new Promise<void>((resolve) => {
        const look = () => void (condition() && resolve())
        handle.on(look)
        look()
      })
    await until(() => seen('checkpoint-completed') > 2)
    const terminated = bench.threads[2]!.terminate()
    if (failures > 0) await until(() => handle.status === 'restarting')
    const canceled = handle.cancel()
    expect(await canceled).toMatchObject({ status: 'canceled' })
    await terminated
    expect(seen('attempt-failed')).toBe(failures)
    expect(await residue(join(bench.folder, 'striped'))).toEqual([])
    // What was committed is a beginning of what each task would have written.
    for (const [subtask, numbers] of await committedBySubtask(join(bench.folder, 'striped'))) {
      expect(numbers).toEqual(numbers.map((_, index) => index * 4 + subtask))
    }
  })
})
