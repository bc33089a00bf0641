import { assert } from '../../core/errors.ts'
import type { BuiltJob } from '../../core/job.ts'
import type { ResolvedOptions } from '../../core/options.ts'
import type { StartKind } from '../../core/sink.ts'
import { topologyHash } from '../../core/topology-hash.ts'
import type { CompletedCheckpoint } from '../checkpoint/contract.ts'
import type { ExecutionGraph } from '../deploy/execution-graph.ts'
import { checkStates } from './check-states.ts'
import { dealOut } from './deal-out.ts'
import type { SinkCommitters } from '../sink/sink-committers.ts'
import type { JobEnvironment } from './environment.ts'
import { type JobDirectory, openJobDirectory, type StartedRun } from './job-directory.ts'
import type { JobRecord } from './job-record.ts'
import { hasEnded } from './start-decision.ts'
import { type JobStart, startJob, type StartRequest } from './start-job.ts'

export interface PreparedStart extends JobStart {
  readonly directory: JobDirectory
  /** They have agreed to the start. */
  readonly committers: SinkCommitters
  /** What sinks are told. */
  readonly kind: StartKind
  readonly topologyHash: string
}

/** Opens the job's directory and begins an epoch, unless the checkpoint to start from does not fit the job or an output refuses it. While the lock is held. */
export async function prepareStart(options: {
  readonly job: BuiltJob
  readonly graph: ExecutionGraph
  readonly directory: string
  readonly environment: JobEnvironment
  readonly options: ResolvedOptions
  readonly from: string | null
  readonly isFresh: boolean
  readonly allowDuplicates: boolean
  readonly makeCommitters: (run: StartedRun) => SinkCommitters
}): Promise<PreparedStart> {
  const { job, environment, from, isFresh, allowDuplicates } = options
  const { files, clock, random } = environment
  const directory = await openJobDirectory({
    files,
    directory: options.directory,
    job: job.plan.job,
    now: () => clock.now(),
    random,
  })
  let committers: SinkCommitters | null = null
  const request: StartRequest = {
    from,
    isFresh,
    allowDuplicates,
    hasTransactionalSinks: job.plan.operators.some(({ delivery }) => delivery === 'exactly-once'),
    accept: async (run, restore, isFinished, storage) => {
      // Whatever in the checkpoint has no place in the job; the deal itself is made again for every attempt.
      if (restore !== null) {
        dealOut(restore.manifest, options.graph, options.options)
        await checkStates(restore.manifest, job, storage)
      }
      committers = options.makeCommitters(run)
      const kind = startKind(run, restore, isFinished, isFresh, directory.previous)
      await committers.check(kind, restore?.manifest.committables ?? [])
    },
  }
  const start = await startJob(files, directory, request).catch(async (error: unknown) => {
    // The refusal is what matters.
    await committers?.close().catch(() => undefined)
    throw error
  })
  assert(committers !== null, 'a start is accepted before it is made')
  return {
    ...start,
    directory,
    committers,
    kind: startKind(start, start.restore, start.isFinished, isFresh, directory.previous),
    topologyHash: topologyHash(job.plan),
  }
}

function startKind(
  { run }: StartedRun,
  restore: CompletedCheckpoint | null,
  isFinished: boolean,
  isForced: boolean,
  previous: JobRecord | null,
): StartKind {
  if (isFinished) return { kind: 'restored', from: run }
  if (restore !== null) return { kind: 'restored', from: restore.manifest.run }
  const unfinished = previous === null || hasEnded(previous) ? undefined : previous.run
  return { kind: 'fresh', isForced, ...(unfinished === undefined ? {} : { unfinished }) }
}
