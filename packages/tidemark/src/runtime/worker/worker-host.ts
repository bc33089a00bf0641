import type { Cancel, Clock } from '../../core/clock.ts'
import { type ErrorInfo, fromErrorInfo, TidemarkError } from '../../core/errors.ts'
import type { TaskId } from '../../core/ids.ts'
import { type FromWorker, isEndOfTask, type ToTaskHost, type ToWorker, type WorkerStart } from './protocol.ts'
import type { HostMetrics } from './task-host.ts'
import type { TaskHostLink, TaskHostListener } from './task-host-link.ts'
import { type ThreadEnd, workerLost } from './worker-lost.ts'

/** A thread that can run tasks. */
export interface WorkerThread {
  /** FIFO. Throws when the message cannot be sent to another thread. */
  post(message: ToWorker): void
  /** Messages that were posted before the end come before it. */
  listen(onMessage: (message: FromWorker) => void, onEnd: (end: ThreadEnd) => void): void
  /** Ends the thread whatever it does; resolves when it has ended. */
  terminate(): Promise<unknown>
}

const NO_METRICS: HostMetrics = { operators: new Map(), sourceRecords: 0, backPressure: 0 }
/** A worker whose tasks have ended has nothing left to do: it leaves within this time, or something of the user's code holds it. */
const LEAVE_MS = 2000

/** A task host in a worker thread of its own, started for one attempt. */
export class WorkerHost implements TaskHostLink {
  private readonly thread: WorkerThread
  private readonly start: WorkerStart
  private readonly clock: Clock
  private readonly listener: TaskHostListener
  private readonly tasks = new Set<TaskId>()
  private latest = NO_METRICS
  private crash: ErrorInfo | null = null
  private refusal: ErrorInfo | null = null
  private wasTerminated = false
  private hasEnded = false
  private leaving: { readonly resolve: () => void; readonly cancelTimeout: Cancel } | null = null

  constructor(thread: WorkerThread, start: WorkerStart, clock: Clock, listener: TaskHostListener) {
    this.thread = thread
    this.start = start
    this.clock = clock
    this.listener = listener
    thread.listen(
      (message) => this.receive(message),
      (end) => this.onEnd(end),
    )
    thread.post(start)
  }

  send(message: ToTaskHost): void {
    if (message.kind === 'deploy') for (const { task } of message.tasks) this.tasks.add(task)
    try {
      this.thread.post(message)
    } catch (cause) {
      throw notSendable(message, cause)
    }
  }

  metrics(): HostMetrics {
    return this.latest
  }

  close(): Promise<void> {
    if (this.hasEnded) return Promise.resolve()
    return new Promise((resolve) => {
      const cancelTimeout = this.clock.schedule(LEAVE_MS, () => void this.thread.terminate())
      this.leaving = { resolve, cancelTimeout }
      this.thread.post({ kind: 'exit' })
    })
  }

  terminate(): boolean {
    this.wasTerminated = true
    void this.thread.terminate()
    return true
  }

  private receive(message: FromWorker): void {
    if (message.kind === 'metrics') this.latest = message.metrics
    else if (message.kind === 'crashing') this.crash = message.error
    else if (message.kind === 'refused') this.refusal = message.error
    else {
      if (isEndOfTask(message)) this.tasks.delete(message.task)
      if (this.leaving === null) this.listener.onMessage(message)
    }
  }

  private onEnd(end: ThreadEnd): void {
    if (this.hasEnded) return
    this.hasEnded = true
    if (this.leaving !== null) {
      this.leaving.cancelTimeout()
      return this.leaving.resolve()
    }
    const { worker, workers, plan } = this.start
    const who = { job: plan.job, worker, workers, tasks: [...this.tasks] }
    if (this.refusal !== null) return this.listener.onLost(fromErrorInfo(this.refusal))
    this.listener.onLost(workerLost(who, this.wasTerminated ? { kind: 'terminated' } : end, this.crash))
  }
}

function notSendable(message: ToTaskHost, cause: unknown): TidemarkError {
  const task = 'task' in message ? ` to task ${message.task}` : ''
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new TidemarkError('NOT_ENCODABLE', `'${message.kind}'${task} cannot be sent to a worker: ${reason}`, {
    action: 'Splits of sources have to be plain data.',
    cause,
  })
}
