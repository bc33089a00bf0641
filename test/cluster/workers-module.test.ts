import { spawnSync } from 'node:child_process'
import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { bundleJob } from '../../packages/tidemark/src/runtime/bundle/bundle-job.ts'
import { outputLines } from './worker-bench.ts'

let folder: string

beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'tidemark-module-')))
})

afterEach(() => rm(folder, { recursive: true, force: true }))

describe('a module that runs its own job', () => {
  test('starts it once: in the workers that load the module again, run() starts nothing, and awaiting its end holds nobody up', async () => {
    const { file } = await bundleJob(fileURLToPath(new URL('worker-jobs/self-running.ts', import.meta.url)))
    const { stdout, stderr, status } = spawnSync(process.execPath, [file, folder], {
      encoding: 'utf8',
      timeout: 60_000,
    })
    expect({ stdout, stderr, status }).toEqual({ stdout: 'finished\n', stderr: '', status: 0 })
    const counts = await outputLines<readonly [number, number]>(join(folder, 'counts'))
    const expected = Array.from({ length: 100 }, (_, index) => [index % 10, Math.floor(index / 10) + 1])
    expect(counts.map((count) => count.join()).sort()).toEqual(expected.map((count) => count.join()).sort())
  })
})
