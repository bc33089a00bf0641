import { fileURLToPath } from 'node:url'
import type { Random } from '../../core/clock.ts'
import { TidemarkError } from '../../core/errors.ts'
import { JOB, type JobDefinition } from '../../core/job.ts'
import { nodeCrypto } from '../node-crypto.ts'
import { NodeFileSystem } from '../storage/node-file-system.ts'
import { hostedJob } from '../worker/hosted-job.ts'
import type { JobModule } from '../worker/protocol.ts'
import { ThreadPool } from '../worker/thread-pool.ts'
import { isUnderInspector, workersHere } from '../worker/workers-here.ts'
import type { JobHandle, RunOptions } from './contract.ts'
import type { JobEnvironment } from './environment.ts'
import { hostedHandle } from './hosted-handle.ts'
import { JobMaster } from './job-master.ts'
import type { ProcessLock } from './process-lock.ts'
import { systemClock } from './system-clock.ts'

/**
 * Starts a job in this process. Options are checked at once (`INVALID_OPTION`); everything that happens later is told by the handle's
 * events and its `result`, which rejects when the job has failed for good.
 *
 * With `module: import.meta.url` tasks run in worker threads, which load that module again: it has to export the job by default, or to give it to `run`. In
 * a worker `run` starts nothing, and the handle that it returns never ends.
 */
export function run(job: JobDefinition, options: RunOptions = {}): JobHandle {
  if (typeof job !== 'object' || job === null || !(JOB in job)) {
    throw new TidemarkError('INVALID_JOB', 'run() was given something that is not a job', {
      action: 'Give it what defineJob() returned.',
    })
  }
  const hosted = hostedJob()
  if (hosted !== null) {
    hosted.offer(job)
    return hostedHandle(job)
  }
  const { module } = options
  return runModule(job, options, module === undefined ? null : () => bundleModule(module))
}

/** The same, with what workers load; null: all tasks run in this thread. */
export function runModule(
  job: JobDefinition,
  options: RunOptions,
  module: (() => Promise<JobModule>) | null,
  threads?: ThreadPool,
): JobHandle {
  const workers = workersHere(options, module !== null)
  // Whoever stands at a breakpoint is not late.
  const patience: RunOptions = isUnderInspector()
    ? { checkpointTimeout: '365d', taskCancellationTimeout: 'disabled' }
    : {}
  return new JobMaster(job, { ...patience, ...options, workers }, nodeEnvironment(module ?? undefined, threads))
}

/** The real world. `module`: what workers load the job from. */
export function nodeEnvironment(module?: () => Promise<JobModule>, threads = new ThreadPool()): JobEnvironment {
  return {
    clock: systemClock,
    random: systemRandom,
    files: new NodeFileSystem(),
    lock: lockDirectory,
    messagesPerTurn: Number.POSITIVE_INFINITY,
    ...(module === undefined
      ? {}
      : {
          workers: {
            module,
            start: (worker, from) => threads.start(worker, from),
            endSpares: () => threads.endSpares(),
          },
        }),
  }
}

/** Loaded only here: workers, which import this module with the package, never lock. */
async function lockDirectory(directory: string): Promise<ProcessLock> {
  const { acquireLock } = await import('./process-lock.ts')
  return acquireLock(directory)
}

async function bundleModule(module: string | URL): Promise<JobModule> {
  const { bundleJob } = await import('../bundle/bundle-job.ts')
  const isUrl = module instanceof URL || module.startsWith('file:')
  return bundleJob(isUrl ? fileURLToPath(module) : module)
}

const systemRandom: Random = {
  next: () => Math.random(),
  hex: (count) =>
    nodeCrypto()
      .randomBytes(Math.ceil(count / 2))
      .toString('hex')
      .slice(0, count),
}
