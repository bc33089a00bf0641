import { isTidemarkError, TidemarkError } from '../../core/errors.ts'
import { attempt, type Epoch, epoch, type RunId } from '../../core/ids.ts'
import type { BuiltJob } from '../../core/job.ts'
import type { ResolvedOptions } from '../../core/options.ts'
import { topologyHash } from '../../core/topology-hash.ts'
import type { CompletedCheckpoint } from '../checkpoint/contract.ts'
import { FileCheckpointStorage } from '../checkpoint/file-checkpoint-storage.ts'
import type { JobEnvironment } from './environment.ts'
import { type JobDirectory, openJobDirectory } from './job-directory.ts'
import { decideStart } from './start-decision.ts'

export interface PreparedStart {
  readonly directory: JobDirectory
  readonly run: RunId
  readonly epoch: Epoch
  readonly isForcedFresh: boolean
  readonly topologyHash: string
  /** From outside this run: what it goes on from until it has a checkpoint of its own. */
  readonly origin: CompletedCheckpoint | null
  /** Storage of the first attempt. */
  readonly storage: FileCheckpointStorage
}

/** Finds out where a job starts, and makes that durable: reads what the last process left, decides, begins a new epoch. While the lock is held. */
export async function prepareStart(options: {
  readonly job: BuiltJob
  readonly directory: string
  readonly environment: JobEnvironment
  readonly options: ResolvedOptions
  readonly from: string | null
  readonly isFresh: boolean
}): Promise<PreparedStart> {
  const { job, environment, isFresh } = options
  const { files, clock, random } = environment
  const directory = await openJobDirectory({ files, directory: options.directory, job: job.plan.job, now: () => clock.now(), random })
  const { previous } = directory
  const storageOf = (run: RunId, number: Epoch) => new FileCheckpointStorage({ files, directory: directory.path, run, epoch: number, attempt: attempt(1) })
  const old = storageOf(previous?.run ?? ('none' as RunId), previous?.epoch ?? epoch(0))
  const from = options.from === null ? null : await old.load(options.from)
  const checkpoints = previous === null ? [] : await listOrError(old)
  const decision = decideStart({
    previous,
    checkpoints: isTidemarkError(checkpoints) ? checkpoints : checkpoints.map(toFact),
    from: from === null ? null : toFact(from),
    isFresh,
    allowDuplicates: false,
    hasTransactionalSinks: job.plan.operators.some(({ delivery }) => delivery === 'exactly-once'),
  })
  if (decision.kind === 'refuse') throw decision.error
  const hash = topologyHash(job.plan)
  const restored = decision.kind === 'new-from' ? (from?.path === decision.path ? from : await old.load(decision.path)) : null
  const newest = decision.kind === 'continue' ? (checkpoints as readonly CompletedCheckpoint[]).at(-1)! : restored
  if (newest !== null) refuseOtherJob(newest, job, hash, options.options)
  const { run, epoch: number } = await directory.startRun(
    decision.kind === 'continue' ? { kind: 'continue' } : { kind: 'new', from: decision.kind === 'new-from' ? decision.path : null },
  )
  return { directory, run, epoch: number, isForcedFresh: isFresh, topologyHash: hash, origin: restored, storage: storageOf(run, number) }
}

async function listOrError(storage: FileCheckpointStorage): Promise<readonly CompletedCheckpoint[] | TidemarkError> {
  try {
    return await storage.list()
  } catch (error) {
    if (isTidemarkError(error)) return error
    throw error
  }
}

const toFact = ({ checkpoint, path, manifest }: CompletedCheckpoint) => ({ run: manifest.run, checkpoint, path })

/** State fits only the topology and the number of key groups that it was written with. */
function refuseOtherJob({ manifest, path }: CompletedCheckpoint, job: BuiltJob, hash: string, options: ResolvedOptions): void {
  if (manifest.maxParallelism !== options.maxParallelism) {
    throw new TidemarkError(
      'STATE_INCOMPATIBLE',
      `checkpoint ${path} was written with maxParallelism ${manifest.maxParallelism}, the job has ${options.maxParallelism}`,
      { action: `Run with maxParallelism ${manifest.maxParallelism}: it is fixed for the life of a job's state.`, context: { file: path } },
    )
  }
  if (manifest.topologyHash === hash) return
  const before = new Set<string>(manifest.plan.operators.map(({ id }) => id))
  const now = new Set<string>(job.plan.operators.map(({ id }) => id))
  const gone = [...before].filter((id) => !now.has(id))
  const added = [...now].filter((id) => !before.has(id))
  const difference = [gone.length > 0 ? `gone: ${gone.join(', ')}` : '', added.length > 0 ? `new: ${added.join(', ')}` : ''].filter((part) => part !== '')
  throw new TidemarkError(
    'STATE_INCOMPATIBLE',
    `the job's topology is not that of checkpoint ${path} (${difference.length > 0 ? difference.join('; ') : 'states, inputs or outputs of an operator differ'})`,
    { action: 'Start without state with --fresh and a new output, or bring the former names back.', context: { job: job.plan.job, file: path } },
  )
}
