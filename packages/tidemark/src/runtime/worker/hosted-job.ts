import { readFile } from 'node:fs/promises'
import { TidemarkError } from '../../core/errors.ts'
import type { JobDefinition } from '../../core/job.ts'
import { sha256 } from '../bundle/fingerprint.ts'
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
 * Jobs out of a module that exports one by default or gives them to `run`. In a worker `run` starts nothing, and what it returns never ends: so a
 * module that goes on with `await handle.result` never finishes loading here, which nobody waits for.
 */
export class HostedJobs {
  private readonly module: JobModule
  private readonly offered = new Map<string, JobDefinition>()
  private readonly exported: Promise<JobDefinition>
  private onOffer: (job: JobDefinition) => void = () => {}

  /** Begins to load at once, whatever its jobs are called. */
  constructor(module: JobModule) {
    this.module = module
    ;(globalThis as Hosting)[HOSTED] = {
      offer: (job) => {
        this.offered.set(job.name, job)
        this.onOffer(job)
      },
    }
    this.exported = loadSame(module)
    // Whoever asks for a job is told.
    this.exported.catch(() => {})
  }

  named(name: string): Promise<JobDefinition> {
    return new Promise((resolve, reject) => {
      this.onOffer = (job) => {
        if (job.name === name) resolve(job)
      }
      const offered = this.offered.get(name)
      if (offered !== undefined) return resolve(offered)
      this.exported.then(
        (job) => (job.name === name ? resolve(job) : reject(otherJob(this.module.entry, name, job))),
        reject,
      )
    })
  }
}

/** Loads the bytes that the main thread has loaded, or none. */
async function loadSame(module: JobModule): Promise<JobDefinition> {
  const { entry, file, hash, neverChanges = false } = module
  if (hash !== undefined && !neverChanges && sha256(await readFile(file)) !== hash) {
    throw new TidemarkError('JOB_REPLACED', `${entry} has been replaced since the job was started`, {
      action: 'Start the job again: it goes on from its newest checkpoint, with the new file.',
      context: { file: entry },
    })
  }
  return loadJob(module)
}

function otherJob(entry: string, name: string, found: JobDefinition): TidemarkError {
  return new TidemarkError('INVALID_JOB', `${entry} gives job '${found.name}' in a worker, but '${name}' is to run`, {
    action: 'Export the job by default. Its name has to be the same wherever the file is loaded.',
    context: { job: name, file: entry },
  })
}
