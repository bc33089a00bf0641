import type { Clock, Random } from '../../core/clock.ts'
import type { FileSystem } from '../../core/file-system.ts'
import type { WorkerThreads } from '../worker/workers.ts'
import type { TaskHostOptions } from '../worker/task-host.ts'

/** Everything that a job has of the outside world. Production hands in the real one, the simulator its own. */
export interface JobEnvironment {
  readonly clock: Clock
  readonly random: Random
  readonly files: FileSystem
  /** Holds the job's directory for this process; `JOB_LOCKED` when another one has it. */
  lock(directory: string): Promise<{ release(): Promise<void> | void }>
  /** Threads for tasks; absent: all tasks run in the calling thread. */
  readonly workers?: WorkerThreads
  /** Into how many task hosts of this thread tasks are placed, where there are no worker threads; 1 by default. For the simulator. */
  readonly localHosts?: number
  readonly scheduling?: NonNullable<TaskHostOptions['scheduling']>
  /** Messages that one link delivers in one turn of the event loop. */
  readonly messagesPerTurn: number
}
