import type { ExecutionOptions } from '../core/options.ts'
import { ThreadPool } from '../runtime/worker/thread-pool.ts'
import { workersHere } from '../runtime/worker/workers-here.ts'

/** The threads that a run with these options will want: no more than there are parallel tasks. */
export function startThreadsAhead(execution: ExecutionOptions): ThreadPool {
  const threads = new ThreadPool()
  threads.startAhead(Math.min(workersHere(execution, true), execution.parallelism ?? 1))
  return threads
}
