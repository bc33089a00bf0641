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
import type { WorkerStart } from './protocol.ts'
import { makeChannels } from './remote-channels.ts'
import { answerSecrets, type SecretLine } from './secret-line.ts'
import { WorkerHost, type WorkerThread } from './worker-host.ts'

/** Worker threads, as the job master gets them from outside. */
export interface WorkerThreads {
  /** The module from which workers load the job; `JOB_MODULE`. */
  module(): Promise<WorkerStart['module']>
  start(worker: number): WorkerThread
}

export interface OpenWorkersOptions {
  readonly threads: WorkerThreads
  readonly module: WorkerStart['module']
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
 * Starts the workers of one attempt. Always new ones: what an earlier attempt left in a thread (state of modules, timers, half-closed clients, memory) cannot be known, and a restart
 * is to begin where a new process would.
 */
export function openWorkers(given: OpenWorkersOptions, names: AttemptNames): OpenHosts {
  const { threads, graph, options, clock, secret, module, params, plan, directory } = given
  return (listenerOf) => {
    const workers = usefulHosts(graph, options.workers)
    const { ends, doorbells } = makeChannels(remoteChannels(graph, workers), workers, options.channelCapacity)
    return ends.map((channels, worker) => {
      const rest = {
        module,
        params,
        plan,
        options,
        directory,
        ...names,
        channels,
        doorbells,
        secrets: secretLine(secret),
      }
      const start: WorkerStart = { kind: 'start-worker', worker, workers, ...rest }
      return new WorkerHost(threads.start(worker), start, clock, listenerOf(worker))
    })
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
