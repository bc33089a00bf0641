import { spawn } from 'node:child_process'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { JobEvent, RunOptions } from '../../packages/tidemark/src/runtime/job/contract.ts'
import { SeededRandom } from '../../packages/tidemark/src/testing/simulator/seeded-random.ts'
import { residue, WorkerBench, WorkerPrograms } from './worker-bench.ts'
import { KEYS, type KeepingParams, RULES, SPREAD } from './worker-jobs/keeping.ts'
import type { WorkerProcessOrder } from './worker-process.ts'

const RECORDS = 4200
/** So small that no process of a test comes to the end of the records before it is killed: each adds at most one portion per checkpoint and task. */
const PORTION = 30
const MAX_PARALLELISM = 13

type Told = JobEvent | { readonly kind: 'ended'; readonly status: string }

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

/** The job in a process of its own, to its end or to its kill. */
function runProcess(options: RunOptions, killAt: WorkerProcessOrder['killAt']): Promise<readonly Told[]> {
  const params: KeepingParams = { folder: bench.folder, records: RECORDS, portion: PORTION }
  const order: WorkerProcessOrder = {
    job: programs.file('keeping'),
    workerEntry: programs.workerEntry.href,
    options: {
      params,
      checkpointDir: `${bench.folder}/checkpoints`,
      checkpointInterval: 10,
      maxParallelism: MAX_PARALLELISM,
      restartStrategy: 'none',
      ...options,
    },
    killAt,
  }
  const child = spawn(process.execPath, [programs.file('worker-process'), JSON.stringify(order)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (_code, signal) => {
      if (stderr !== '' || (signal === null) !== (killAt === null))
        return reject(new Error(`${signal} ${stderr}${stdout}`))
      const lines = stdout.split('\n').filter((line) => line !== '')
      resolve(lines.map((line) => JSON.parse(line) as Told))
    })
  })
}

function startOf(told: readonly Told[]) {
  return told.find((event) => event.kind === 'started')!.from
}

const sorted = (values: readonly number[]) => [...values].sort((left, right) => left - right)

/** Whatever the parallelism was, and however often it changed: each record had its effect once. */
async function expectEffectsOnce(): Promise<void> {
  const numbers = Array.from({ length: RECORDS }, (_, index) => index)
  const ruled = await bench.lines<readonly [number, number, number]>('ruled')
  expect(ruled).toHaveLength(RECORDS)
  for (let key = 0; key < KEYS; key++) {
    const ofKey = ruled.filter(([own]) => own === key)
    const mine = numbers.filter((number) => number % KEYS === key)
    expect(ofKey, `key ${key}`).toHaveLength(mine.length)
    const last = ofKey.reduce((most, entry) => (entry[1] > most[1] ? entry : most))
    expect(last, `key ${key}`).toEqual([key, mine.reduce((sum, number) => sum + number, 0), RULES.length])
  }
  expect(sorted(await bench.lines<number>('kept'))).toEqual(numbers)
  const known = await bench.lines<readonly [number, number]>('known')
  const spread = numbers.filter((number) => number % SPREAD === 0)
  expect(sorted([...new Set(known.map(([, number]) => number))])).toEqual(spread)
  // What was in the list at the last restore, every task has.
  const tasks = new Set(known.map(([task]) => task))
  const knownToAll = spread.filter((number) => known.filter(([, one]) => one === number).length === tasks.size)
  expect(tasks.size).toBeGreaterThan(1)
  expect(knownToAll.length).toBeGreaterThan(20)
  for (const output of ['ruled', 'kept', 'known']) expect(await residue(`${bench.folder}/${output}`)).toEqual([])
}

describe.each([
  ['in worker threads', (parallelism: number) => Math.min(parallelism, 3)],
  ['in one thread', () => 0],
])('a job that runs %s', (_, workersOf) => {
  test('goes on at any parallelism: keyed state, lists, unions, broadcast state, splits and output not yet committed', async () => {
    let checkpoint = 0
    for (const parallelism of [1, 2, 3, 4, 1]) {
      // At this moment the checkpoint is durable, and what it holds is not committed.
      const killAt = { event: 'checkpoint-completed', occurrence: 4 }
      const told = await runProcess({ parallelism, workers: workersOf(parallelism) }, killAt)
      if (checkpoint > 0) expect(startOf(told)).toMatchObject({ kind: 'restored', checkpoint })
      checkpoint = told.filter((event) => event.kind === 'checkpoint-completed').at(-1)!.checkpoint
    }
    const told = await runProcess({ parallelism: 3, workers: workersOf(3) }, null)
    expect(startOf(told)).toMatchObject({ kind: 'restored', checkpoint })
    expect(told.at(-1)).toEqual({ kind: 'ended', status: 'finished' })
    await expectEffectsOnce()
  })

  test('does not go on with another max parallelism', async () => {
    await runProcess({ parallelism: 2, workers: workersOf(2) }, { event: 'checkpoint-completed', occurrence: 2 })
    const refused = runProcess({ parallelism: 2, workers: workersOf(2), maxParallelism: 12 }, null)
    await expect(refused).rejects.toThrow(/max parallelism 13, the job has 12/)
  })
})

describe('a process with workers', () => {
  test('that is killed at any moment loses and doubles nothing', async () => {
    const random = new SeededRandom(23)
    for (let kill = 0; kill < 8; kill++) {
      const event = random.pick(['checkpoint-triggered', 'checkpoint-completed', 'checkpoint-committed'])
      const workers = random.pick([2, 4])
      await runProcess({ parallelism: 4, workers }, { event, occurrence: random.integer(2, 6) })
    }
    const told = await runProcess({ parallelism: 4, workers: 2 }, null)
    expect(startOf(told).kind).toBe('restored')
    expect(told.at(-1)).toEqual({ kind: 'ended', status: 'finished' })
    await expectEffectsOnce()
  })
})
