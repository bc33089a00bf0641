import { afterEach, describe, expect, test } from 'vitest'
import { SeededRandom } from '../../packages/tidemark/src/testing/simulator/seeded-random.ts'
import { forcedKills, randomKills, recoveryKills } from './kill-moments.ts'
import type { KillOrder } from './kill-order.ts'
import { type RunOutcome, WordCountRuns } from './word-count-runs.ts'

const TIMEOUT_MS = 300_000

let runs: WordCountRuns

afterEach(async () => {
  await runs.remove()
})

/** One process, from its start to its kill. It resumes from the newest complete checkpoint, and dies only after a newer one. */
async function runAndKill(kill: KillOrder): Promise<RunOutcome> {
  const newest = await runs.newestCheckpoint()
  const killed = await runs.run(kill)
  expect(killed, kill.name).toMatchObject({ signal: 'SIGKILL', killedAt: kill.name, restored: newest, stderr: '' })
  expect(killed.completed.length, kill.name).toBeGreaterThan(0)
  expect(Math.min(...killed.completed), kill.name).toBeGreaterThan(newest ?? 0)
  // What was said to be complete is there, or something newer.
  expect(await runs.newestCheckpoint(), kill.name).toBeGreaterThanOrEqual(Math.max(...killed.completed))
  return killed
}

async function runToTheEnd(): Promise<void> {
  const newest = await runs.newestCheckpoint()
  expect(await runs.run(null)).toMatchObject({ signal: null, status: 'finished', restored: newest, stderr: '' })
}

async function expectEveryCountOnce(): Promise<void> {
  const counts = await runs.counts()
  const expected = await runs.expected()
  expect(counts.size).toBe(expected.size)
  for (const [word, total] of expected) {
    const values = [...(counts.get(word) ?? [])].sort((left, right) => left - right)
    expect(values.length, word).toBe(total)
    if (values.some((value, index) => value !== index + 1)) throw new Error(`${word}: ${values.join(' ')}`)
  }
}

async function expectNoCountMissing(): Promise<void> {
  const counts = await runs.counts()
  for (const [word, total] of await runs.expected()) {
    const values = new Set(counts.get(word))
    for (let value = 1; value <= total; value++) if (!values.has(value)) throw new Error(`${word} ${value} is missing`)
  }
}

/** Nothing temporary, nothing orphaned, no lock. */
async function expectNothingLeftBehind(): Promise<void> {
  for (const path of await runs.listOutput()) {
    expect(path).toMatch(/^(?:\.tidemark-output\.json|part-\d+-[0-9a-f]+-\d+-\d+-\d+\.jsonl)$/)
  }
  expect(await runs.listCheckpoints()).toEqual(['job.json'])
  expect(await runs.emptyFolders()).toEqual([])
}

describe('word count in a process that is killed', () => {
  test.each([
    { parallelism: 1, workers: 0 },
    { parallelism: 4, workers: 0 },
    { parallelism: 2, workers: 2 },
    { parallelism: 4, workers: 4 },
  ])(
    'counts every word exactly once whatever step of a checkpoint it dies in (parallelism $parallelism, workers $workers)',
    async (placement) => {
      runs = await WordCountRuns.create({ ...placement, checkpointMode: 'exactly-once' })
      let inWorkers = 0
      for (const kill of forcedKills(placement.parallelism)) if ((await runAndKill(kill)).isKilledInWorker) inWorkers++
      // Snapshots, pre-commits and uploads are steps of the tasks.
      if (placement.workers === 0) expect(inWorkers).toBe(0)
      else expect(inWorkers).toBeGreaterThan(8)
      await runToTheEnd()
      await expectEveryCountOnce()
      await expectNothingLeftBehind()
    },
    TIMEOUT_MS,
  )

  test.each([
    { parallelism: 1, workers: 0 },
    { parallelism: 2, workers: 2 },
    { parallelism: 4, workers: 2 },
    { parallelism: 4, workers: 4 },
  ])(
    'counts every word exactly once when it dies at random moments (parallelism $parallelism, workers $workers)',
    async (placement) => {
      runs = await WordCountRuns.create({ ...placement, checkpointMode: 'exactly-once' })
      const random = new SeededRandom(placement.parallelism + placement.workers)
      for (const kill of randomKills(random, 12)) await runAndKill(kill)
      await runToTheEnd()
      await expectEveryCountOnce()
      await expectNothingLeftBehind()
    },
    TIMEOUT_MS,
  )

  test.each([
    { parallelism: 2, workers: 0 },
    { parallelism: 4, workers: 4 },
  ])(
    'counts every word exactly once when it dies while it recovers (parallelism $parallelism, workers $workers)',
    async (placement) => {
      runs = await WordCountRuns.create({ ...placement, checkpointMode: 'exactly-once' })
      for (const { before, during } of recoveryKills()) {
        await runAndKill(before)
        const newest = await runs.newestCheckpoint()
        const again = await runs.run(during, true)
        expect(again, during.name).toMatchObject({ signal: 'SIGKILL', killedAt: during.name, stderr: '' })
        expect(again.restored, `${during.name}: started before the kill`).toBeUndefined()
        expect(await runs.newestCheckpoint()).toBe(newest)
      }
      await runToTheEnd()
      await expectEveryCountOnce()
      await expectNothingLeftBehind()
    },
    TIMEOUT_MS,
  )

  test.each([
    { parallelism: 1, workers: 0 },
    { parallelism: 2, workers: 2 },
  ])(
    'loses no count in at-least-once mode (parallelism $parallelism, workers $workers)',
    async (placement) => {
      runs = await WordCountRuns.create({ ...placement, checkpointMode: 'at-least-once' })
      for (const kill of forcedKills(placement.parallelism)) await runAndKill(kill)
      await runToTheEnd()
      await expectNoCountMissing()
      await expectNothingLeftBehind()
    },
    TIMEOUT_MS,
  )
})
