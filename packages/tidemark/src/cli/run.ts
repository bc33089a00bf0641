/** All that `tidemark run` needs, in one module: it is loaded at once. */
import type { JobDefinition } from '../core/job.ts'
import { bundleJob } from '../runtime/bundle/bundle-job.ts'
import type { JobBundle } from '../runtime/bundle/contract.ts'
import { loadJob } from '../runtime/bundle/load-job.ts'
import { OWN_PACKAGE } from '../runtime/bundle/own-package.ts'
import { runModule } from '../runtime/job/run.ts'
import type { ThreadPool } from '../runtime/worker/thread-pool.ts'
import type { Engine } from './run-command.ts'

export { runCommand } from './run-command.ts'

/** The engine of this process, with threads that it may use. */
export function nodeEngine(threads: ThreadPool): Engine {
  const bundles = new WeakMap<JobDefinition, JobBundle>()
  return {
    async load(file) {
      const bundle = await bundleJob(file)
      threads.loadAhead(bundle)
      const job = await loadJob(bundle).catch(async (error: unknown) => {
        await threads.dismissSpares()
        throw error
      })
      bundles.set(job, bundle)
      return { job, warnings: bundle.warnings }
    },
    // Workers load the very bytes that were loaded here.
    run: (job, options) => runModule(job, options, async () => bundles.get(job)!, threads),
    ownPackage: OWN_PACKAGE,
  }
}
