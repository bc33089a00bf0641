import { isTidemarkError, type TidemarkError } from '../../core/errors.ts'
import type { FileSystem } from '../../core/file-system.ts'
import { type Epoch, epoch, type RunId, runId } from '../../core/ids.ts'
import type { CompletedCheckpoint, TaskCheckpointStorage } from '../checkpoint/contract.ts'
import { FileCheckpointStorage } from '../checkpoint/file-checkpoint-storage.ts'
import type { JobDirectory, StartedRun } from './job-directory.ts'
import { decideStart, explainDamage, type StartCheckpoint } from './start-decision.ts'

export interface StartRequest {
  /** `--from`: a checkpoint's directory or manifest. */
  readonly from: string | null
  /** `--fresh`. */
  readonly isFresh: boolean
  /** The user accepts that results come twice. */
  readonly allowDuplicates: boolean
  readonly hasTransactionalSinks: boolean
  /** Throws when the job cannot start like this; asked before anything is written. */
  readonly accept?: (
    started: StartedRun,
    restore: CompletedCheckpoint | null,
    isFinished: boolean,
    storage: TaskCheckpointStorage,
  ) => Promise<void>
}

export interface JobStart {
  readonly run: RunId
  readonly epoch: Epoch
  readonly storage: FileCheckpointStorage
  /** null: a fresh start. Its handles are readable through `storage`, wherever the checkpoint lies. */
  readonly restore: CompletedCheckpoint | null
  /** The run has finished already: only what it left has to be put away. */
  readonly isFinished: boolean
}

/**
 * Reads what there is, lets `decideStart` decide, and makes the new epoch durable. A refusal is thrown before anything is written. Only with the lock
 * of the directory.
 */
export async function startJob(files: FileSystem, directory: JobDirectory, request: StartRequest): Promise<JobStart> {
  const { previous } = directory
  const reading = new FileCheckpointStorage({
    files,
    directory: directory.path,
    run: previous?.run ?? runId('none'),
    epoch: previous?.epoch ?? epoch(0),
  })
  const from = request.from === null ? null : await reading.load(request.from)
  const found = previous === null ? [] : await listOrDamage(reading)
  const decision = decideStart({
    ...request,
    previous,
    checkpoints: found instanceof Error ? found : found.map(toStartCheckpoint),
    from: from === null ? null : toStartCheckpoint(from),
  })
  if (decision.kind === 'refuse') throw decision.error
  const restore = decision.kind === 'new' || decision.kind === 'tidy' ? null : await reading.load(decision.path)
  if (restore !== null) await verifyBeforeStart(reading, restore, found instanceof Error ? [] : found)
  const started = await directory.startRun(
    decision.kind === 'continue' || decision.kind === 'tidy'
      ? { kind: decision.kind }
      : { kind: 'new', from: restore?.path ?? null },
    async (run) => request.accept?.(run, restore, decision.kind === 'tidy', reading),
  )
  const storage = new FileCheckpointStorage({ files, directory: directory.path, ...started })
  return { ...started, storage, restore, isFinished: decision.kind === 'tidy' }
}

/**
 * All of it, though the tasks verify again what they read: by the time a task finds damage the epoch has begun, a run that was started from elsewhere has replaced the last one, and what the checkpoint holds
 * as prepared is committed.
 */
async function verifyBeforeStart(
  storage: FileCheckpointStorage,
  restore: CompletedCheckpoint,
  known: readonly CompletedCheckpoint[],
): Promise<void> {
  try {
    await storage.verify(restore)
  } catch (error) {
    if (!isTidemarkError(error)) throw error
    const { run, checkpoint } = restore.manifest
    const older = known.filter(({ manifest }) => manifest.run === run && manifest.checkpoint < checkpoint).at(-1)
    throw explainDamage(error, older === undefined ? null : toStartCheckpoint(older))
  }
}

/** Damage is a fact for the decision; anything else that fails ends the start. */
async function listOrDamage(storage: FileCheckpointStorage): Promise<readonly CompletedCheckpoint[] | TidemarkError> {
  try {
    return await storage.list()
  } catch (error) {
    if (isTidemarkError(error) && (error.code === 'CHECKPOINT_CORRUPT' || error.code === 'UNSUPPORTED')) return error
    throw error
  }
}

function toStartCheckpoint(checkpoint: CompletedCheckpoint): StartCheckpoint {
  return { run: checkpoint.manifest.run, checkpoint: checkpoint.checkpoint, path: checkpoint.path }
}
