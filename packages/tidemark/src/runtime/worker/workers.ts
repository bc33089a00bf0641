import { MessageChannel } from 'node:worker_threads'
import type { Clock } from '../../core/clock.ts'
import { assertEncodable } from '../../core/encodable.ts'
import { isTidemarkError, TidemarkError } from '../../core/errors.ts'
import type { Attempt, Epoch, RunId } from '../../core/ids.ts'
import type { ResolvedOptions } from '../../core/options.ts'
import type { JobPlan } from '../../core/plan.ts'
import type { ExecutionGraph } from '../deploy/execution-graph.ts'
import { remoteChannels, usefulHosts } from '../deploy/placement.ts'
import type { OpenHosts } from './host-set.ts'
import type { JobModule, WorkerStart } from './protocol.ts'
import { makeChannels } from './remote-channels.ts'
import { answerSecrets, type SecretLine } from './secret-line.ts'
import { WorkerHost, type WorkerThread } from './worker-host.ts'

/** Worker threads, as the job master gets them from outside. */
export interface WorkerThreads {
  /** What workers load the job from; `JOB_MODULE`. */
  module(): Promise<JobModule>
  /** Gives a thread that loads the module and waits to be told more. */
  start(worker: number, module: JobModule): WorkerThread
  /** All that are needed have been started: ends those that were started ahead for nothing. */
  endSpares?(): void
}

export interface WorkersOptions {
  readonly threads: WorkerThreads
  readonly module: JobModule
  readonly params: WorkerStart['params']
  readonly plan: JobPlan
  readonly graph: ExecutionGraph
  readonly options: ResolvedOptions
  readonly directory: string
  readonly clock: Clock
  readonly secret: (name: string) => string
}

/** What names everything that an attempt leaves outside. */
export interface AttemptNames {
  readonly run: RunId
  readonly epoch: Epoch
  readonly attempt: Attempt
}

/**
 * The workers of one job's attempts. Each attempt has new ones: what an earlier attempt left in a thread (state of modules, timers, half-closed clients, memory) cannot be known, and a
 * restart is to begin where a new process would. That need not cost time: threads start, and load the job, while there is something to wait for.
 */
export class Workers {
  private readonly options: WorkersOptions
  private readonly count: number
  private prepared: readonly WorkerThread[] | null = null

  constructor(options: WorkersOptions) {
    this.options = options
    this.count = usefulHosts(options.graph, options.options.workers)
  }

  /** Starts the threads of the next attempt. While no task lives. */
  prepare(): void {
    const { threads, module } = this.options
    if (this.prepared !== null) return
    this.prepared = Array.from({ length: this.count }, (_, worker) => threads.start(worker, module))
    threads.endSpares?.()
  }

  /** The hosts of one attempt. */
  open(names: AttemptNames): OpenHosts {
    const { graph, options, clock, secret, params, plan, directory } = this.options
    return (listenerOf) => {
      this.prepare()
      const threads = this.prepared!
      this.prepared = null
      const workers = this.count
      const { ends, doorbells } = makeChannels(remoteChannels(graph, workers), workers, options.channelCapacity)
      const same = { kind: 'start-worker', workers, params, plan, options, directory, ...names, doorbells } as const
      return threads.map((thread, worker) => {
        const start = { ...same, worker, channels: ends[worker]!, secrets: secretLine(secret) }
        return new WorkerHost(thread, start, clock, listenerOf(worker))
      })
    }
  }

  /** There will be no further attempt. */
  async close(): Promise<void> {
    const waiting = this.prepared ?? []
    this.prepared = null
    await Promise.all(waiting.map((thread) => thread.terminate()))
  }
}

/** Parameters are resolved once, in the main thread, unless what came of that would not arrive in a worker as it is. */
export function paramsForWorkers(job: string, raw: unknown, resolved: unknown): WorkerStart['params'] {
  if (isPlain(resolved)) return { kind: 'resolved', value: resolved }
  try {
    assertEncodable(raw, 'params')
    return { kind: 'raw', value: raw }
  } catch (cause) {
    const where = isTidemarkError(cause) ? `: ${cause.message}` : ''
    throw new TidemarkError('INVALID_PARAMS', `the parameters of ${job} cannot be sent to workers${where}`, {
      action: 'Give parameters as plain data, or run with workers: 0.',
      context: { job },
      cause,
    })
  }
}

function isPlain(value: unknown): boolean {
  try {
    assertEncodable(value, 'params')
    return true
  } catch {
    return false
  }
}

function secretLine(secret: (name: string) => string): SecretLine {
  const { port1, port2 } = new MessageChannel()
  const bell = new Int32Array(new SharedArrayBuffer(4))
  answerSecrets({ port: port1, bell }, secret)
  return { port: port2, bell }
}
