import type { BuiltJob } from '../../core/job.ts'
import type { ResolvedOptions } from '../../core/options.ts'
import { topologyHash } from '../../core/topology-hash.ts'
import type { ExecutionGraph } from '../deploy/execution-graph.ts'
import { dealOut } from './deal-out.ts'
import type { JobEnvironment } from './environment.ts'
import { type JobDirectory, openJobDirectory } from './job-directory.ts'
import { type JobStart, startJob } from './start-job.ts'

export interface PreparedStart extends JobStart {
  readonly directory: JobDirectory
  readonly isForcedFresh: boolean
  readonly topologyHash: string
}

/** Opens the job's directory and begins an epoch, unless the checkpoint to start from does not fit the job. While the lock is held. */
export async function prepareStart(options: {
  readonly job: BuiltJob
  readonly graph: ExecutionGraph
  readonly directory: string
  readonly environment: JobEnvironment
  readonly options: ResolvedOptions
  readonly from: string | null
  readonly isFresh: boolean
  readonly allowDuplicates: boolean
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
  const start = await startJob(files, directory, {
    from,
    isFresh,
    allowDuplicates,
    hasTransactionalSinks: job.plan.operators.some(({ delivery }) => delivery === 'exactly-once'),
    // Whatever in the checkpoint has no place in the job is an error before anything is written; the deal itself is made again for every attempt.
    accept: ({ manifest }) => void dealOut(manifest, options.graph, options.options),
  })
  return { ...start, directory, isForcedFresh: isFresh, topologyHash: topologyHash(job.plan) }
}
