import { type ResourceLimits, Worker } from 'node:worker_threads'
import type { FromWorker, ToWorker } from './protocol.ts'
import type { WorkerThread } from './worker-host.ts'

/** What a worker is told before it runs anything. */
export interface WorkerData {
  readonly argv: readonly string[]
  readonly hasSourceMaps: boolean
}

export interface SpawnOptions {
  /** The built `worker-main`; beside this file by default. */
  readonly entry?: URL
  readonly resourceLimits?: ResourceLimits
}

/** Starts a worker thread of Node. It sees the arguments and the environment of this thread, and writes to the same streams. */
export function spawnWorker(number: number, options: SpawnOptions = {}): WorkerThread {
  const { entry = new URL('./worker-main.js', import.meta.url), resourceLimits } = options
  const workerData: WorkerData = { argv: process.argv, hasSourceMaps: process.sourceMapsEnabled }
  const worker = new Worker(entry, {
    workerData,
    name: `tidemark worker ${number + 1}`,
    ...(resourceLimits === undefined ? {} : { resourceLimits }),
  })
  return new NodeThread(worker)
}

class NodeThread implements WorkerThread {
  private readonly worker: Worker
  private error: Error | null = null

  constructor(worker: Worker) {
    this.worker = worker
  }

  post(message: ToWorker): void {
    this.worker.postMessage(message, message.kind === 'start-worker' ? [message.secrets.port] : undefined)
  }

  listen(onMessage: (message: FromWorker) => void, onEnd: Parameters<WorkerThread['listen']>[1]): void {
    this.worker.on('message', onMessage)
    this.worker.on('error', (error) => (this.error ??= error instanceof Error ? error : new Error(String(error))))
    this.worker.on('exit', (code) => {
      const { error } = this
      if (error === null) return onEnd({ kind: 'exited', code })
      onEnd({ kind: isOutOfMemory(error) ? 'out-of-memory' : 'threw', error })
    })
  }

  terminate(): void {
    void this.worker.terminate()
  }
}

function isOutOfMemory(error: Error): boolean {
  return 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY'
}
