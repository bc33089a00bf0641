import { crc32c } from '../../core/crc32c.ts'
import type { Random } from '../../core/clock.ts'
import type { FileSystem } from '../../core/file-system.ts'
import { attempt, type CheckpointId, checkpointId, type Epoch, operatorId, type RunId, taskId } from '../../core/ids.ts'
import type { CheckpointFile, Manifest, StateHandle, TaskSnapshot } from '../../core/manifest.ts'
import type { CompletedCheckpoint } from '../../runtime/checkpoint/contract.ts'
import { openJobDirectory, type JobDirectory } from '../../runtime/job/job-directory.ts'
import { type JobStart, startJob } from '../../runtime/job/start-job.ts'

/** A job with two tasks that exists only as what it stores: for tests of storage. */
export const SAMPLE_JOB = 'sample'
export const SAMPLE_DIRECTORY = '/data/sample'
const VERTEX = 'Count words/всё'
const OPERATOR = operatorId(VERTEX)

export async function startSample(
  files: FileSystem,
  random: Random,
  from: string | null = null,
): Promise<JobStart & { readonly directory: JobDirectory }> {
  const directory = await openJobDirectory({
    files,
    directory: SAMPLE_DIRECTORY,
    job: SAMPLE_JOB,
    now: () => 1_000,
    random,
  })
  const request = { from, isFresh: false, allowDuplicates: false, hasTransactionalSinks: true }
  return { ...(await startJob(files, directory, request)), directory }
}

/** The state that task `subtask` has at a checkpoint: different for each, long enough to tear. */
export function sampleState(checkpoint: CheckpointId, subtask: number): Uint8Array {
  return new TextEncoder().encode(`state of task ${subtask} at checkpoint ${checkpoint}`)
}

/** Both tasks write their state in two pieces, then the manifest is completed. */
export async function writeSample(start: JobStart, number: number): Promise<CompletedCheckpoint> {
  const checkpoint = checkpointId(number)
  const storage = start.storage.forAttempt(attempt(1))
  const tasks: TaskSnapshot[] = []
  for (const subtask of [0, 1]) {
    const writer = await storage.createStateFile(checkpoint, taskId(VERTEX, subtask))
    const state = sampleState(checkpoint, subtask)
    try {
      await writer.write(state.subarray(0, 10))
      await writer.write(state.subarray(10))
      tasks.push(sampleSnapshot(subtask, await writer.finish()))
    } catch (error) {
      await writer.abandon()
      await start.storage.discard(checkpoint)
      throw error
    }
  }
  return start.storage.complete(sampleManifest(start.run, start.epoch, checkpoint, tasks))
}

/** Reads the state back through the manifest's handles. */
export async function readSample(start: JobStart, checkpoint: CompletedCheckpoint): Promise<readonly Uint8Array[]> {
  const { tasks } = checkpoint.manifest.vertices[0]!
  return Promise.all(tasks.map((task) => start.storage.read(task.operators[0]!.lists[0]!.handle)))
}

function sampleSnapshot(subtask: number, file: CheckpointFile): TaskSnapshot {
  const handle: StateHandle = { kind: 'file', file: file.path, offset: 0, length: file.length, crc32c: file.crc32c }
  return {
    vertex: VERTEX,
    subtask,
    isFinished: false,
    watermark: subtask === 0 ? null : Number.POSITIVE_INFINITY,
    operators: [
      {
        operator: OPERATOR,
        keyed: null,
        lists: [{ name: 'words', mode: 'split', codec: 'value/1', handle, items: 1 }],
        committables: [],
      },
    ],
    files: [file],
  }
}

export function sampleManifest(
  run: RunId,
  epoch: Epoch,
  checkpoint: CheckpointId,
  tasks: readonly TaskSnapshot[],
): Manifest {
  const inline = Uint8Array.of(1, 2, 3)
  return {
    format: 'tidemark-checkpoint',
    version: 1,
    job: SAMPLE_JOB,
    run,
    epoch,
    checkpoint,
    purpose: 'checkpoint',
    triggeredAt: 1_000,
    completedAt: 1_001,
    topologyHash: 'cafe',
    plan: { version: 1, job: SAMPLE_JOB, operators: [], edges: [] },
    maxParallelism: 128,
    vertices: tasks.length === 0 ? [] : [{ vertex: VERTEX, operators: [OPERATOR], parallelism: tasks.length, tasks }],
    enumerators: [
      {
        operator: OPERATOR,
        codec: 'value/1',
        handle: { kind: 'inline', base64: 'AQID', length: inline.length, crc32c: crc32c(inline) },
      },
    ],
    committables: [],
    isFinal: false,
    files: tasks.flatMap((task) => task.files),
  }
}
