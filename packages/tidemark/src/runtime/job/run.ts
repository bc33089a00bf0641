import { randomBytes } from 'node:crypto'
import type { Clock, Random } from '../../core/clock.ts'
import { TidemarkError } from '../../core/errors.ts'
import { JOB, type JobDefinition } from '../../core/job.ts'
import { NodeFileSystem } from '../storage/node-file-system.ts'
import type { JobHandle, RunOptions } from './contract.ts'
import type { JobEnvironment } from './environment.ts'
import { JobMaster } from './job-master.ts'
import { acquireLock } from './process-lock.ts'

/**
 * Starts a job in this process. Options are checked at once (`INVALID_OPTION`); everything that happens later is told by the handle's
 * events and its `result`, which rejects when the job has failed for good.
 */
export function run(job: JobDefinition, options: RunOptions = {}): JobHandle {
  if (typeof job !== 'object' || job === null || !(JOB in job)) {
    throw new TidemarkError('INVALID_JOB', 'run() was given something that is not a job', {
      action: 'Give it what defineJob() returned.',
    })
  }
  return new JobMaster(job, options, nodeEnvironment())
}

/** The real world. */
export function nodeEnvironment(): JobEnvironment {
  return {
    clock: systemClock,
    random: systemRandom,
    files: new NodeFileSystem(),
    lock: (directory) => acquireLock(directory),
    messagesPerTurn: Number.POSITIVE_INFINITY,
  }
}

const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  schedule(delayMs, callback) {
    // Longer delays than a timer can hold are asked for again.
    const timer = setTimeout(callback, Math.min(delayMs, 2 ** 31 - 1))
    return () => clearTimeout(timer)
  },
  defer(callback) {
    const immediate = setImmediate(callback)
    return () => clearImmediate(immediate)
  },
}

const systemRandom: Random = {
  next: () => Math.random(),
  hex: (count) =>
    randomBytes(Math.ceil(count / 2))
      .toString('hex')
      .slice(0, count),
}
