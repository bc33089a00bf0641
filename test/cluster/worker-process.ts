/** Runs a job of `worker-jobs/` in workers of a process of its own, tells its events as lines of JSON, and kills itself with SIGKILL where it is told to. */
import { writeSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import type { JobDefinition } from '../../packages/tidemark/src/core/job.ts'
import type { RunOptions } from '../../packages/tidemark/src/runtime/job/contract.ts'
import { JobMaster } from '../../packages/tidemark/src/runtime/job/job-master.ts'
import { nodeEnvironment } from '../../packages/tidemark/src/runtime/job/run.ts'
import { ThreadPool } from '../../packages/tidemark/src/runtime/worker/thread-pool.ts'

export interface WorkerProcessOrder {
  readonly job: string
  readonly workerEntry: string
  readonly options: RunOptions
  /** Dies when it is told of this event for the given time. */
  readonly killAt: { readonly event: string; readonly occurrence: number } | null
}

const { job, workerEntry, options, killAt } = JSON.parse(process.argv[2]!) as WorkerProcessOrder
const { default: definition } = (await import(pathToFileURL(job).href)) as { default: JobDefinition }
const module = async () => ({ entry: job, file: job })
const handle = new JobMaster(
  definition,
  options,
  nodeEnvironment(module, new ThreadPool({ entry: new URL(workerEntry) })),
)
let seen = 0
handle.on((event) => {
  writeSync(1, `${JSON.stringify(event)}\n`)
  if (killAt === null || event.kind !== killAt.event || ++seen < killAt.occurrence) return
  process.kill(process.pid, 'SIGKILL')
  for (;;);
})
const { status } = await handle.result
writeSync(1, `${JSON.stringify({ kind: 'ended', status })}\n`)
