import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { defineJob } from '../api/define-job.ts'
import { fromArray } from '../connectors/from-iterable.ts'
import { textLines } from '../connectors/files/text-lines.ts'
import { run } from '../runtime/job/run.ts'
import { systemClock } from '../runtime/job/system-clock.ts'
import { NodeFileSystem } from '../runtime/storage/node-file-system.ts'
import type { Host } from './host.ts'
import { kafkaCommand } from './kafka-command.ts'

let directory: string
beforeEach(async () => void (directory = await mkdtemp(join(tmpdir(), 'tidemark-kafka-command-'))))
afterEach(() => rm(directory, { recursive: true, force: true }))

function host(): Host {
  return { directory, environment: {}, stdout: { write: () => {} }, stderr: { write: () => {} } } as unknown as Host
}

test('says how to install the connector where a project has none', async () => {
  await expect(kafkaCommand(['transactions', 'list'], host(), systemClock, new NodeFileSystem())).rejects.toMatchObject(
    {
      code: 'INVALID_OPTION',
      action: expect.stringContaining('npm install @tidemark/kafka') as string,
    },
  )
})

test('tells the connector what the checkpoints of a directory hold, and null where there are none', async () => {
  const job = defineJob('held', (build) => {
    build.source('in', fromArray(['a', 'b'])).to('out', textLines(join(directory, 'out')))
  })
  await run(job, { checkpointDir: join(directory, 'state'), externalizedCheckpointCleanup: 'retain-on-cancellation' })
  const seen: unknown[] = []
  const load = async () => ({
    runKafkaTool: async (tool: {
      readonly argv: readonly string[]
      readonly readHeld: (path: string) => Promise<unknown>
    }) => {
      seen.push(tool.argv, await tool.readHeld('state'), await tool.readHeld('missing'))
      return 5
    },
  })
  expect(await kafkaCommand(['transactions', 'list'], host(), systemClock, new NodeFileSystem(), load)).toBe(5)
  expect(seen[0]).toEqual(['transactions', 'list'])
  expect(seen[2]).toBe(null)
})
