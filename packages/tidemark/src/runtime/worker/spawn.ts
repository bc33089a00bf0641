import { type ResourceLimits, Worker } from 'node:worker_threads'
import type { FromWorker, ToWorker } from './protocol.ts'
import type { WorkerThread } from './worker-host.ts'
import type { ThreadEnd } from './worker-lost.ts'

const INPUT_TYPE = '--input-type'

/** What a worker is told before it runs anything. */
export interface WorkerData {
  readonly hasSourceMaps: boolean
}

export interface SpawnOptions {
  /** The built `worker-start`, or `worker-main`; beside this file by default. */
  readonly entry?: URL
  readonly resourceLimits?: ResourceLimits
}

/** Starts a worker thread of Node, which waits to be told what to load. It sees the environment of this thread and writes to the same streams. */
export function spawnWorker(number: number, options: SpawnOptions = {}): WorkerThread {
  const { entry = new URL('./worker-start.js', import.meta.url), resourceLimits } = options
  const workerData: WorkerData = { hasSourceMaps: process.sourceMapsEnabled }
  const worker = new Worker(entry, {
    workerData,
    name: `tidemark worker ${number + 1}`,
    ...workerArguments(process.execArgv),
    ...(resourceLimits === undefined ? {} : { resourceLimits }),
  })
  return new NodeThread(worker)
}

/**
 * Left out, a worker has all options of this thread. Named, those of V8 and of the process are refused; so they are named only where one is of the main program alone: a worker is a
 * file.
 */
function workerArguments(execArgv: readonly string[]): { readonly execArgv?: string[] } {
  if (!execArgv.some((argument) => argument.startsWith(INPUT_TYPE))) return {}
  return { execArgv: execArgv.filter((argument) => !argument.startsWith(INPUT_TYPE)) }
}

class NodeThread implements WorkerThread {
  private readonly worker: Worker
  private onMessage: ((message: FromWorker) => void) | null = null
  private onEnd: ((end: ThreadEnd) => void) | null = null
  /** What came before anybody listened. */
  private readonly early: FromWorker[] = []
  private end: ThreadEnd | null = null
  private error: Error | null = null

  constructor(worker: Worker) {
    this.worker = worker
    worker.on('message', (message: FromWorker) => {
      if (this.onMessage === null) this.early.push(message)
      else this.onMessage(message)
    })
    worker.on('error', (error) => (this.error ??= error instanceof Error ? error : new Error(String(error))))
    worker.on('exit', (code) => {
      this.end = endOf(code, this.error)
      this.onEnd?.(this.end)
    })
  }

  post(message: ToWorker): void {
    this.worker.postMessage(message, message.kind === 'start-worker' ? [message.secrets.port] : undefined)
  }

  listen(onMessage: (message: FromWorker) => void, onEnd: (end: ThreadEnd) => void): void {
    // Not before the caller is done.
    queueMicrotask(() => {
      for (const message of this.early.splice(0)) onMessage(message)
      this.onMessage = onMessage
      this.onEnd = onEnd
      if (this.end !== null) onEnd(this.end)
    })
  }

  terminate(): Promise<unknown> {
    return this.worker.terminate()
  }
}

function endOf(code: number, error: Error | null): ThreadEnd {
  if (error === null) return { kind: 'exited', code }
  return { kind: isOutOfMemory(error) ? 'out-of-memory' : 'threw', error }
}

function isOutOfMemory(error: Error): boolean {
  return 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY'
}
