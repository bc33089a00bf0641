import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { simulateSeed } from '../../packages/tidemark/src/testing/simulator/simulation.ts'
import { SIMULATED_SEEDS } from '../regressions/simulated-seeds.ts'
import { ALL_JOBS } from './jobs/all-jobs.ts'
import { catchBug } from './plant.ts'
import { PLANTED_BUGS } from './planted-bugs.ts'

/** The first seeds: `npm run simulate -- --seeds 20000` runs more. */
const SEEDS = 1_200

async function expectToHold(name: string, seed: number, localHosts?: number): Promise<void> {
  const { violation } = await simulateSeed(
    ALL_JOBS.find((job) => job.name === name)!,
    { seed, ...(localHosts === undefined ? {} : { localHosts }) },
  )
  const replay = `npm run -s simulate -- --seed ${seed} --job ${name} --trace`
  expect(violation === null ? null : `${violation.message}\nreplay: ${replay}`).toBeNull()
}

describe('a simulated job', () => {
  it.for(SIMULATED_SEEDS)(
    'no longer fails where it once did: $job $seed, $found',
    async ({ job, seed, localHosts }) => {
      await expectToHold(job, seed, localHosts)
    },
  )

  it.for(ALL_JOBS)('does the same for the same seed: $name', async (job) => {
    for (const seed of [1, 2, 3]) {
      const lines: string[][] = [[], []]
      const first = await simulateSeed(job, { seed, log: (line) => lines[0]!.push(line) })
      const second = await simulateSeed(job, { seed, log: (line) => lines[1]!.push(line) })
      expect(second.hash).toBe(first.hash)
      expect(lines[1]).toEqual(lines[0])
    }
  })

  it.for(ALL_JOBS)('keeps its promises through crashes and faults, and comes to its end: $name', async (job) => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      if (ALL_JOBS[seed % ALL_JOBS.length] === job) await expectToHold(job.name, seed)
    }
  })
})

describe('the simulator', () => {
  const quick = [
    'a checkpoint is acknowledged before its pre-commit',
    'the manifest is not synced',
    'one channel stays blocked after an alignment',
    'outputs that are full are ignored by a flatMap',
  ]
  it.for(PLANTED_BUGS)('can still plant: $name', async ({ file, text }) => {
    const source = await readFile(new URL(`../../packages/tidemark/src/${file}`, import.meta.url), 'utf8')
    expect(source.split(text)).toHaveLength(2)
  })

  it.for(quick)('notices a planted bug: %s', async (name) => {
    const caught = await catchBug(
      PLANTED_BUGS.find((bug) => bug.name === name)!,
      200,
    )
    expect(caught).not.toBeNull()
  })
})
