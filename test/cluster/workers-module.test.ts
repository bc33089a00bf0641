import { spawnSync } from 'node:child_process'
import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { bundleJob } from '../../packages/tidemark/src/runtime/bundle/bundle-job.ts'
import { outputLines } from './worker-bench.ts'

let folder: string

beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'tidemark-module-')))
})

afterEach(() => rm(folder, { recursive: true, force: true }))

const SELF_RUNNING = fileURLToPath(new URL('worker-jobs/self-running.ts', import.meta.url))

function node(...argv: readonly string[]) {
  const { stdout, stderr, status } = spawnSync(process.execPath, argv, { encoding: 'utf8', timeout: 60_000 })
  return { stdout, stderr, status }
}

describe('a module that runs its own job', () => {
  test('starts it once: in the workers that load the module again, run() starts nothing, and awaiting its end holds nobody up', async () => {
    const { file } = await bundleJob(SELF_RUNNING)
    expect(node(file, folder)).toEqual({ stdout: 'finished\n', stderr: '', status: 0 })
    const counts = await outputLines<readonly [number, number]>(join(folder, 'counts'))
    const expected = Array.from({ length: 100 }, (_, index) => [index % 10, Math.floor(index / 10) + 1])
    expect(counts.map((count) => count.join()).sort()).toEqual(expected.map((count) => count.join()).sort())
  })

  test('may be imported by a program that is given on the command line', async () => {
    const { file } = await bundleJob(SELF_RUNNING)
    const program = `await import(${JSON.stringify(pathToFileURL(file).href)})`
    const outcome = node('--input-type=module', '--eval', program, 'program', folder)
    expect(outcome).toEqual({ stdout: 'finished\n', stderr: '', status: 0 })
  })
})
