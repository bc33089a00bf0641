import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { defineJob } from '../../api/define-job.ts'
import { HostedJobs, hostedJob } from './hosted-job.ts'

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tidemark-hosted-job-'))
})

afterEach(async () => {
  delete (globalThis as Record<symbol, unknown>)[Symbol.for('tidemark.hosted-job')]
  await rm(folder, { recursive: true, force: true })
})

/** A module that never ends loading: it waits for a job that runs elsewhere. */
async function waitingModule(): Promise<HostedJobs> {
  const file = join(folder, 'job.mjs')
  await writeFile(file, 'await new Promise(() => {})')
  return new HostedJobs({ entry: 'job.ts', file })
}

const job = (name: string) => defineJob(name, () => {})

describe('the job of a module in a worker', () => {
  test('may be given to run() before anybody asks for it, or after', async () => {
    const jobs = await waitingModule()
    hostedJob()!.offer(job('early'))
    expect((await jobs.named('early')).name).toBe('early')
    const late = jobs.named('late')
    hostedJob()!.offer(job('other'))
    hostedJob()!.offer(job('late'))
    expect((await late).name).toBe('late')
  })

  test('is refused with both names when the module exports another one', async () => {
    const file = join(folder, 'job.mjs')
    await writeFile(
      file,
      `export default { name: 'exported', [Symbol.for('tidemark.job')]: true, build() {}, resolveParams() {} }`,
    )
    const jobs = new HostedJobs({ entry: 'job.ts', file })
    await expect(jobs.named('wanted')).rejects.toThrow(/job\.ts gives job 'exported'.*but 'wanted' is to run/)
    expect((await jobs.named('exported')).name).toBe('exported')
  })
})
