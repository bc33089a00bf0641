import { systemClock } from '../job/system-clock.ts'
import type { JobModule } from './protocol.ts'
import { type SpawnOptions, spawnWorker } from './spawn.ts'
import type { WorkerThread } from './worker-host.ts'

const LEAVE_MS = 2000

/**
 * Threads of Node for workers. Some may be started ahead, before it is known what they will do: a thread takes as long to start as all that the main thread has to do until it can say so.
 */
export class ThreadPool {
  private readonly spawn: SpawnOptions
  private readonly spares: { readonly thread: WorkerThread; loads: JobModule | null }[] = []

  constructor(spawn: SpawnOptions = {}) {
    this.spawn = spawn
  }

  startAhead(count: number): void {
    for (let worker = 0; worker < count; worker++)
      this.spares.push({ thread: spawnWorker(worker, this.spawn), loads: null })
  }

  /** What the threads that were started ahead will most likely be asked to load. */
  loadAhead(module: JobModule): void {
    for (const spare of this.spares) {
      load(spare.thread, module)
      spare.loads = module
    }
  }

  start(worker: number, module: JobModule): WorkerThread {
    const index = this.spares.findIndex(({ loads }) => loads === null || loads === module)
    const [spare] = index === -1 ? [] : this.spares.splice(index, 1)
    const thread = spare?.thread ?? spawnWorker(worker, this.spawn)
    if (spare === undefined || spare.loads === null) load(thread, module)
    return thread
  }

  /** For the end of the process: Node 20 aborts when a thread is ended from outside while its import of a faulty module fails. So the threads leave by themselves, within `LEAVE_MS`. */
  dismissSpares(): Promise<void> {
    return new Promise((resolve) => {
      const cancel = systemClock.schedule(LEAVE_MS, resolve)
      const ends = this.spares.splice(0).map(({ thread }) => endOfDismissed(thread))
      void Promise.all(ends).then(() => {
        cancel()
        resolve()
      })
    })
  }

  endSpares(): void {
    for (const { thread } of this.spares.splice(0)) void thread.terminate()
  }
}

function endOfDismissed(thread: WorkerThread): Promise<void> {
  return new Promise((resolve) => {
    thread.listen(
      () => {},
      () => resolve(),
    )
    thread.post({ kind: 'exit' })
  })
}

function load(thread: WorkerThread, module: JobModule): void {
  thread.post({ kind: 'load', module, argv: process.argv })
}
