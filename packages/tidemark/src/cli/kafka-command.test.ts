import { expect, test } from 'vitest'
import { isTidemarkError } from '../core/errors.ts'
import { checkpointId, epoch, operatorId, runId } from '../core/ids.ts'
import type { Manifest } from '../core/manifest.ts'
import { encodeManifest } from '../runtime/checkpoint/manifest-codec.ts'
import { systemClock } from '../runtime/job/system-clock.ts'
import { MemoryFileSystem } from '../testing/simulator/memory-file-system.ts'
import type { Host } from './host.ts'
import { kafkaCommand, type KafkaTools } from './kafka-command.ts'

function host(): Host {
  return {
    directory: '/project',
    environment: {},
    stdout: { write: () => {} },
    stderr: { write: () => {} },
  } as unknown as Host
}

function manifest(checkpoint: number): Manifest {
  const committable = { version: 1, data: { transactionalId: `of ${checkpoint}` } }
  const pending = {
    checkpoint: checkpointId(checkpoint),
    index: 0,
    committable,
    operator: operatorId('out'),
    subtask: 0,
  }
  return {
    format: 'tidemark-checkpoint',
    version: 1,
    job: 'job',
    run: runId('a'),
    epoch: epoch(1),
    checkpoint: checkpointId(checkpoint),
    purpose: 'checkpoint',
    triggeredAt: 1,
    completedAt: 2,
    topologyHash: 'h',
    plan: { version: 1, job: 'job', operators: [], edges: [] },
    maxParallelism: 128,
    vertices: [],
    enumerators: [],
    committables: [pending],
    isFinal: false,
    files: [],
  }
}

type Tool = Parameters<KafkaTools['runKafkaTool']>[0]

/** Calls the command with a tool that looks at checkpoints in a directory. */
async function seen(files: MemoryFileSystem, directory: string): Promise<unknown> {
  let result: unknown
  const runKafkaTool = async (tool: Tool) => {
    expect(tool.argv).toEqual(['transactions', 'list'])
    result = await tool.readHeld(directory)
    return 5
  }
  expect(await kafkaCommand(['transactions', 'list'], host(), systemClock, files, async () => ({ runKafkaTool }))).toBe(
    5,
  )
  return result
}

test('says how to install the connector where a project has none', async () => {
  const error = await kafkaCommand(['transactions'], host(), systemClock, new MemoryFileSystem()).catch(
    (reason: unknown) => reason,
  )
  expect(isTidemarkError(error) && [error.message, error.action]).toEqual([
    '@tidemark/kafka is not installed in /project',
    expect.stringContaining('npm install @tidemark/kafka'),
  ])
})

test('tells the connector what all checkpoints of a directory hold, null where there are none, and fails where one is damaged', async () => {
  const files = new MemoryFileSystem()
  expect(await seen(files, 'state')).toBe(null)
  for (const checkpoint of [3, 4])
    files.put(`/project/state/run-a/chk-${checkpoint}/manifest`, encodeManifest(manifest(checkpoint)))
  expect(await seen(files, 'state')).toEqual(
    [3, 4].map((checkpoint) => ({
      checkpoint,
      committable: { version: 1, data: { transactionalId: `of ${checkpoint}` } },
    })),
  )
  files.put('/project/state/run-a/chk-5/manifest', 'torn')
  await expect(seen(files, '/project/state')).rejects.toMatchObject({ code: 'CHECKPOINT_CORRUPT' })
})
