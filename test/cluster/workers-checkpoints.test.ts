import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setEnvironmentData } from 'node:worker_threads'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { JobHandle } from '../../packages/tidemark/src/runtime/job/contract.ts'
import { residue, WorkerBench, WorkerPrograms } from './worker-bench.ts'
import { KEYS, type Told, type ToldParams, TROUBLE, type Trouble } from './worker-jobs/told.ts'

const RECORDS = 3000
const PORTION = 60
const PARALLELISM = 4
/** Each of them in every task. */
const OPERATORS = ['map-1', 'sum', 'out'] as const

let programs: WorkerPrograms
let bench: WorkerBench
let gate: Int32Array<SharedArrayBuffer>

beforeAll(async () => {
  programs = await WorkerPrograms.build()
})

afterAll(() => programs.remove())

beforeEach(async () => {
  bench = await WorkerBench.create(programs)
  gate = new Int32Array(new SharedArrayBuffer(4))
})

afterEach(async () => {
  openGate()
  setEnvironmentData(TROUBLE, undefined)
  await bench.remove()
})

/** For workers that are started from now on. */
function make(trouble: Pick<Partial<Trouble>, 'fails' | 'waits'>): void {
  const all: Trouble = { folder: bench.folder, fails: [], waits: [], gate, ...trouble }
  setEnvironmentData(TROUBLE, all)
}

function openGate(): void {
  Atomics.store(gate, 0, 1)
  Atomics.notify(gate, 0)
}

function params(more: Partial<ToldParams> = {}): ToldParams {
  return { folder: bench.folder, records: RECORDS, portion: PORTION, recordsPerTurn: RECORDS, ...more }
}

/** Of each operator of each task what it was told, in the order of telling. */
async function told(parallelism: number): Promise<ReadonlyMap<string, readonly Told[]>> {
  const all = new Map<string, Told[]>()
  for (const operator of OPERATORS)
    for (let subtask = 0; subtask < parallelism; subtask++) all.set(`${operator}#${subtask}`, [])
  for (const name of (await readdir(bench.folder)).filter((candidate) => /^told-\d+\.jsonl$/.test(candidate))) {
    const lines = (await readFile(join(bench.folder, name), 'utf8')).split('\n').filter((line) => line !== '')
    for (const line of lines.map((text) => JSON.parse(text) as Told)) all.get(line.of)!.push(line)
  }
  return all
}

function checkpoints(all: readonly Told[], what: Told['what']): readonly number[] {
  return all.filter((one) => one.what === what).map(({ checkpoint }) => checkpoint)
}

/** Each record once, each count of each key once. */
async function expectExactlyOnce(records = RECORDS): Promise<void> {
  const lines = await bench.lines<readonly [number, number, number]>('out')
  const numbers = lines.map(([number]) => number).toSorted((left, right) => left - right)
  expect(numbers).toEqual(Array.from({ length: records }, (_, index) => index))
  for (let key = 0; key < KEYS; key++) {
    const counts = lines.filter(([, own]) => own === key).map(([, , count]) => count)
    const sorted = counts.toSorted((left, right) => left - right)
    expect(sorted, `key ${key}`).toEqual(Array.from({ length: counts.length }, (_, index) => index + 1))
  }
  expect(await residue(join(bench.folder, 'out'))).toEqual([])
}

const failed = () => bench.all('checkpoint-failed').map(({ checkpoint, reason }) => ({ checkpoint, reason }))

function next(handle: JobHandle, condition: () => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const look = () => void (condition() && resolve())
    handle.on(look)
    handle.result.catch(reject)
    look()
  })
}

const isManifestOf = (checkpoint: number, path: string) => path.endsWith(`/chk-${checkpoint}/manifest`)

describe('a checkpoint that fails, with tasks on workers', () => {
  test('is told to every operator of every worker, once; the job goes on (scenario 12)', async () => {
    // The first fails while it is put into the storage, the fourth in the upload of one task: by then each task has state.
    make({ fails: [{ checkpoint: 4, task: 'sum~1' }] })
    const handle = await bench.start(
      'told',
      { params: params(), parallelism: PARALLELISM, workers: 4, tolerableCheckpointFailureNumber: 2 },
      {
        watch: (operation, path, when) => {
          if (operation === 'rename' && when === 'before' && isManifestOf(1, path)) throw new Error('planned')
        },
      },
    )
    expect(await handle.result).toMatchObject({ status: 'finished' })
    expect(bench.all('attempt-failed')).toEqual([])
    expect(failed().map(({ checkpoint }) => checkpoint)).toEqual([1, 4])
    const completed = bench.all('checkpoint-completed').map(({ checkpoint }) => checkpoint)
    for (const [who, all] of await told(PARALLELISM)) {
      expect(checkpoints(all, 'aborted'), who).toEqual([1, 4])
      const complete = checkpoints(all, 'complete')
      expect(complete.length, who).toBeGreaterThan(0)
      expect(complete, who).toEqual([...new Set(complete)].filter((checkpoint) => completed.includes(checkpoint)))
    }
    await expectExactlyOnce()
  })

  test('once more than is tolerated fails the attempt, and the next one goes on from the newest complete', async () => {
    make({
      fails: [
        { checkpoint: 4, task: 'sum~0' },
        { checkpoint: 5, task: 'sum~3' },
      ],
    })
    const handle = await bench.start('told', {
      params: params(),
      parallelism: PARALLELISM,
      workers: 2,
      tolerableCheckpointFailureNumber: 1,
    })
    expect(await handle.result).toMatchObject({ status: 'finished' })
    expect(failed().map(({ checkpoint }) => checkpoint)).toEqual([4, 5])
    expect(bench.all('attempt-failed').map(({ error }) => error.code)).toEqual(['CHECKPOINT_THRESHOLD'])
    expect(bench.all('started').at(-1)!.from).toMatchObject({ kind: 'restored', checkpoint: 3 })
    await expectExactlyOnce()
  })

  test('for lack of time is aborted everywhere, and what comes of it later is neither taken nor left', async () => {
    make({ waits: [{ checkpoint: 4, task: 'sum~2' }] })
    const handle = await bench.start('told', {
      params: params(),
      parallelism: PARALLELISM,
      workers: 4,
      // Long enough for those that nobody holds up.
      checkpointTimeout: 1500,
      tolerableCheckpointFailureNumber: 10,
    })
    await next(handle, () => failed().some(({ checkpoint }) => checkpoint === 4))
    openGate()
    expect(await handle.result).toMatchObject({ status: 'finished' })
    expect(bench.all('attempt-failed')).toEqual([])
    expect(failed()).toContainEqual({ checkpoint: 4, reason: 'expired' })
    for (const [who, all] of await told(PARALLELISM)) {
      expect(checkpoints(all, 'aborted'), who).toEqual(failed().map(({ checkpoint }) => checkpoint))
      expect(checkpoints(all, 'complete'), who).not.toContain(4)
    }
    expect(await residue(join(bench.folder, 'checkpoints'))).toEqual(['job.json'])
    await expectExactlyOnce()
  })
})

describe('checkpoints of tasks on workers', () => {
  test('are no more under way than maxConcurrentCheckpoints, however slow uploads are (scenario 9)', async () => {
    // From the first on that finds state in this task.
    make({ waits: [1, 2, 3, 4, 5, 6].map((checkpoint) => ({ checkpoint, task: 'sum~0' })) })
    const handle = await bench.start('told', {
      params: params(),
      parallelism: PARALLELISM,
      workers: 4,
      checkpointInterval: 5,
      maxConcurrentCheckpoints: 2,
    })
    const over = () => bench.all('checkpoint-completed').length + bench.all('checkpoint-failed').length
    await next(handle, () => bench.all('checkpoint-triggered').length === over() + 2)
    // The disk takes the time of many intervals.
    setTimeout(openGate, 100)
    expect(await handle.result).toMatchObject({ status: 'finished' })
    const underWay = new Set<number>()
    let most = 0
    for (const event of bench.events) {
      if (event.kind === 'checkpoint-triggered') underWay.add(event.checkpoint)
      else if (event.kind === 'checkpoint-completed' || event.kind === 'checkpoint-failed')
        underWay.delete(event.checkpoint)
      most = Math.max(most, underWay.size)
    }
    expect(most).toBe(2)
    for (const { reason } of bench.all('checkpoint-failed')) expect(reason).toBe('subsumed')
    await expectExactlyOnce()
  })

  test('of 64 tasks on four workers complete over slow channels, also when one worker dies', async () => {
    make({})
    const records = 4000
    const handle = await bench.start('told', {
      // One sink task takes two records in a turn; channels hold four.
      params: params({ records, portion: 40, recordsPerTurn: 2 }),
      parallelism: 16,
      workers: 4,
      channelCapacity: 4,
      batchSize: 2,
    })
    await next(handle, () => bench.all('checkpoint-completed').length === 3)
    await bench.threads[1]!.terminate()
    const result = await handle.result
    expect(result.status).toBe('finished')
    expect(bench.all('attempt-failed').map(({ error }) => error.code)).toEqual(['WORKER_LOST'])
    expect(bench.all('checkpoint-completed').length).toBeGreaterThan(8)
    for (const [who, all] of await told(16)) {
      const complete = checkpoints(all, 'complete')
      expect(complete, who).toEqual(complete.toSorted((left, right) => left - right))
      expect(new Set(complete).size, who).toBe(complete.length)
    }
    await expectExactlyOnce(records)
  })
})
