import { TidemarkError } from '../../core/errors.ts'
import type { BuiltJob, JobDefinition } from '../../core/job.ts'
import { type ResolvedOptions, resolveOptions } from '../../core/options.ts'
import { type ExecutionGraph, executionGraph } from '../deploy/execution-graph.ts'
import type {
  CheckpointSummary,
  JobEvent,
  JobHandle,
  JobMetrics,
  JobResult,
  JobStatus,
  RunOptions,
} from './contract.ts'
import { absolutePath, storageFailed } from '../storage/durable-files.ts'
import { SinkCommitters } from '../sink/sink-committers.ts'
import { paramsForWorkers, Workers, type WorkersOptions } from '../worker/workers.ts'
import type { JobEnvironment } from './environment.ts'
import { JobProgress } from './job-progress.ts'
import { refuseIfFenced } from './job-record.ts'
import { JobSession } from './job-session.ts'
import { prepareStart } from './prepare-start.ts'

/**
 * A started job as its user holds it: claims the job's directory, lets a session run it, answers questions and passes wishes on. What Flink calls the
 * JobMaster, together with JobSession.
 */
export class JobMaster implements JobHandle {
  readonly job: string
  readonly result: Promise<JobResult>
  private readonly definition: JobDefinition
  private readonly given: RunOptions
  private readonly options: ResolvedOptions
  private readonly environment: JobEnvironment
  private readonly progress: JobProgress
  private session: JobSession | null = null
  private wish: 'stop' | 'cancel' | null = null

  /** `INVALID_OPTION` at once; everything else through `result`. */
  constructor(definition: JobDefinition, given: RunOptions, environment: JobEnvironment) {
    this.job = definition.name
    this.definition = definition
    this.given = given
    this.options = resolveOptions(given)
    this.environment = environment
    refuseWorkersWithoutModule(this.options, environment)
    this.progress = new JobProgress(environment.clock)
    this.result = this.main()
    // A failure that nobody awaits is still seen as an event; it must not become an unhandled rejection.
    this.result.catch(() => {})
  }

  get status(): JobStatus {
    return this.progress.status
  }

  on(listener: (event: JobEvent) => void): () => void {
    return this.progress.on(listener)
  }

  metrics(): JobMetrics {
    return this.progress.metrics()
  }

  async triggerCheckpoint(): Promise<CheckpointSummary> {
    if (this.session === null) {
      throw new TidemarkError('CHECKPOINT_FAILED', `job ${this.job} is ${this.status}: no checkpoint can be taken`, {
        action: 'Ask again when it runs.',
      })
    }
    return this.session.requestCheckpoint()
  }

  stop(): Promise<JobResult> {
    return this.ask('stop')
  }

  cancel(): Promise<JobResult> {
    return this.ask('cancel')
  }

  private ask(wish: 'stop' | 'cancel'): Promise<JobResult> {
    if (this.wish !== 'cancel') {
      this.wish = wish
      this.session?.ask(wish)
    }
    return this.result
  }

  private async main(): Promise<JobResult> {
    const directory = this.given.checkpointDir ?? `.tidemark/${this.job}`
    try {
      const params = await this.definition.resolveParams(this.given.params)
      const job = this.definition.build(params)
      refuseSinksWithoutCheckpoints(job, this.options)
      const graph = executionGraph(job.plan, this.options.parallelism)
      const secret = secretsFrom(this.given.secrets)
      const workers = await this.makeWorkers({ plan: job.plan, graph, directory, secret }, params)
      try {
        return await this.claim(directory, () => this.runClaimed(job, graph, directory, workers, secret))
      } finally {
        await workers?.close()
      }
    } catch (error) {
      this.progress.fail(error)
      throw error
    }
  }

  private async claim<T>(directory: string, action: () => Promise<T>): Promise<T> {
    await this.environment.files.makeDirectory(directory).catch((error: unknown) => {
      throw storageFailed(`Creating ${directory}`, directory, error)
    })
    const lock = await this.environment.lock(directory)
    try {
      return await action()
    } finally {
      await lock.release()
    }
  }

  private async runClaimed(
    job: BuiltJob,
    graph: ExecutionGraph,
    directory: string,
    workers: Workers | null,
    secret: (name: string) => string,
  ): Promise<JobResult> {
    const { environment, options, progress, given } = this
    const { clock, files } = environment
    const start = await prepareStart({
      job,
      graph,
      directory,
      environment,
      options,
      from: given.from ?? null,
      isFresh: given.fresh ?? false,
      allowDuplicates: given.allowDuplicates ?? false,
      makeCommitters: (run) =>
        new SinkCommitters(job, {
          ...run,
          job: job.plan.job,
          clock,
          files,
          secret,
          checkpointIntervalMs: options.checkpointIntervalMs,
          checkpointTimeoutMs: options.checkpointTimeoutMs,
          warn: (message) => progress.emit({ kind: 'warning', message }),
          refuseIfReplaced: () => refuseIfFenced(files, absolutePath(directory), run.epoch),
        }),
    })
    const session = new JobSession({ job, graph, environment, options, progress, start, secret, workers })
    this.session = session
    if (this.wish !== null) session.ask(this.wish)
    try {
      return await session.run()
    } finally {
      this.session = null
    }
  }

  /** Refuses what workers could not load before anything is written; their threads start while the job's directory is being claimed. */
  private async makeWorkers(
    facts: Pick<WorkersOptions, 'plan' | 'graph' | 'directory' | 'secret'>,
    params: unknown,
  ): Promise<Workers | null> {
    const { options, environment, given } = this
    const { workers: threads, clock } = environment
    if (options.workers === 0 || threads === undefined) return null
    const sendable = paramsForWorkers(this.job, given.params, params)
    const workers = new Workers({ ...facts, threads, module: await threads.module(), params: sendable, options, clock })
    workers.prepare()
    return workers
  }
}

function refuseWorkersWithoutModule({ workers }: ResolvedOptions, environment: JobEnvironment): void {
  if (workers === 0 || environment.workers !== undefined) return
  throw new TidemarkError('INVALID_OPTION', `workers is ${workers}, but nothing says from where they load the job`, {
    action: 'Give module: import.meta.url of the module that exports the job, or workers: 0.',
  })
}

function refuseSinksWithoutCheckpoints(job: BuiltJob, options: ResolvedOptions): void {
  if (options.checkpointIntervalMs !== null) return
  const sink = job.plan.operators.find(({ delivery }) => delivery === 'exactly-once')
  if (sink === undefined) return
  throw new TidemarkError(
    'NEEDS_CHECKPOINTS',
    `sink ${sink.id} writes in transactions that only checkpoints commit, but checkpoints are disabled`,
    {
      action: 'Give a checkpointInterval.',
      context: { job: job.plan.job, operator: sink.id },
    },
  )
}

function secretsFrom(secrets: RunOptions['secrets']): (name: string) => string {
  const find = typeof secrets === 'function' ? secrets : (name: string) => (secrets ?? process.env)[name]
  return (name) => {
    const value = find(name)
    if (value === undefined) {
      throw new TidemarkError('SECRET_MISSING', `secret ${name} is not set`, {
        action: `Set the environment variable ${name}, or hand it in with the option secrets.`,
      })
    }
    return value
  }
}
