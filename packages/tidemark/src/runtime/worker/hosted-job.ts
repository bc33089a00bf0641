import { TidemarkError } from '../../core/errors.ts'
import type { JobDefinition } from '../../core/job.ts'
import { loadJob } from '../bundle/load-job.ts'
import type { JobModule } from './protocol.ts'

/** Where `run` of any copy of the package finds out that its thread is a worker of a job that runs already. */
const HOSTED = Symbol.for('tidemark.hosted-job')

interface HostedJob {
  /** `run(job)` was called while the module was loaded. */
  offer(job: JobDefinition): void
}

interface Hosting {
  [HOSTED]?: HostedJob
}

/** Null in any thread that is not a worker: there `run` runs. */
export function hostedJob(): HostedJob | null {
  return (globalThis as Hosting)[HOSTED] ?? null
}

/**
 * The job of this name out of a module that exports it by default or gives it to `run`. In a worker `run` starts nothing, and what it returns never ends: so a
 * module that goes on with `await handle.result` never finishes loading here, which nobody waits for.
 */
export function loadHostedJob(module: JobModule, name: string): Promise<JobDefinition> {
  return new Promise((resolve, reject) => {
    ;(globalThis as Hosting)[HOSTED] = {
      offer: (job) => {
        if (job.name === name) resolve(job)
      },
    }
    loadJob(module).then(
      (job) => (job.name === name ? resolve(job) : reject(otherJob(module.entry, name, job))),
      reject,
    )
  })
}

function otherJob(entry: string, name: string, found: JobDefinition): TidemarkError {
  return new TidemarkError('INVALID_JOB', `${entry} gives job '${found.name}' in a worker, but '${name}' is to run`, {
    action: 'Export the job by default. Its name has to be the same wherever the file is loaded.',
    context: { job: name, file: entry },
  })
}
