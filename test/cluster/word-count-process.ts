/**
 * Runs the watched word count in this thread or in workers of a process that kills itself when told. Writes every event of the job as a line of JSON.
 */
import { fileURLToPath } from 'node:url'
import { JobMaster } from '../../packages/tidemark/src/runtime/job/job-master.ts'
import { nodeEnvironment } from '../../packages/tidemark/src/runtime/job/run.ts'
import { ThreadPool } from '../../packages/tidemark/src/runtime/worker/thread-pool.ts'
import { onCheckpointCompleted, onStarted, order, tell } from './kill-switch.ts'
import watchedWordCount from './watched-word-count.ts'

const beside = (name: string) => new URL(`./${name}.mjs`, import.meta.url)
const module = async () => ({ entry: 'word-count.ts', file: fileURLToPath(beside('watched-word-count')) })
const options = {
  parallelism: order.parallelism,
  workers: order.workers,
  checkpointMode: order.checkpointMode,
  checkpointDir: order.checkpointDir,
  checkpointInterval: order.kill === null ? 100 : 5,
  // A failure is a finding here, not something to recover from.
  restartStrategy: 'none',
} as const
const threads = new ThreadPool({ entry: beside('worker-main') })
const handle = new JobMaster(watchedWordCount, options, nodeEnvironment(module, threads))
handle.on((event) => {
  tell(event)
  if (event.kind === 'started') onStarted()
  else if (event.kind === 'checkpoint-completed') onCheckpointCompleted()
})
const { status } = await handle.result
tell({ kind: 'ended', status })
