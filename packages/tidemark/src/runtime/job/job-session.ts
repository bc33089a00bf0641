import { ByteBufferReader } from '../../core/byte-buffer-reader.ts'
import { isOurBug, isTidemarkError, TidemarkError, toErrorInfo } from '../../core/errors.ts'
import {
  type Attempt as AttemptNumber,
  attempt as attemptNumber,
  type CheckpointId,
  checkpointId,
  type OperatorId,
  type TaskId,
} from '../../core/ids.ts'
import type { BuiltJob } from '../../core/job.ts'
import type { ResolvedOptions } from '../../core/options.ts'
import { valueCodec } from '../../core/value-codec.ts'
import { CheckpointCoordinator } from '../checkpoint/checkpoint-coordinator.ts'
import type { CompletedCheckpoint, TaskCheckpointStorage } from '../checkpoint/contract.ts'
import type { ExecutionGraph } from '../deploy/execution-graph.ts'
import type { SinkCommitters } from '../sink/sink-committers.ts'
import type { OpenHosts } from '../worker/host-set.ts'
import { openLocalHosts } from '../worker/local-hosts.ts'
import type { Workers } from '../worker/workers.ts'
import type { TaskRestore } from '../worker/protocol.ts'
import { Attempt } from './attempt.ts'
import type { AttemptEnd } from './attempt-contract.ts'
import type { CheckpointSummary, JobResult } from './contract.ts'
import type { JobEnvironment } from './environment.ts'
import type { JobProgress } from './job-progress.ts'
import { dealOut } from './deal-out.ts'
import { PoisonDetector } from './poison.ts'
import type { PreparedStart } from './prepare-start.ts'
import { createRestartStrategy, type RestartBackoffTimeStrategy } from './restart-strategy.ts'
import { SessionEnd } from './session-end.ts'

export interface JobSessionOptions {
  readonly job: BuiltJob
  readonly graph: ExecutionGraph
  readonly environment: JobEnvironment
  readonly options: ResolvedOptions
  readonly progress: JobProgress
  readonly start: PreparedStart
  readonly secret: (name: string) => string
  /** null: tasks run in this thread. */
  readonly workers: Workers | null
}

/** Runs attempts of one job in this process until one ends well, somebody wants it to stop, or the restart strategy gives up. */
export class JobSession {
  private readonly options: JobSessionOptions
  private readonly graph: ExecutionGraph
  private readonly committers: SinkCommitters
  private readonly strategy: RestartBackoffTimeStrategy
  private readonly poison = new PoisonDetector()
  private readonly completed = new Map<CheckpointId, CompletedCheckpoint>()
  private attempt: Attempt | null = null
  private attempts = 0
  private wish: 'stop' | 'cancel' | null = null
  private interruptDelay: () => void = () => {}
  private coordinator: CheckpointCoordinator | null = null
  private readonly ending: SessionEnd
  /** Nothing is left of the hosts of the last attempt. */
  private left: Promise<void> = Promise.resolve()

  constructor(options: JobSessionOptions) {
    this.options = options
    this.graph = options.graph
    this.strategy = createRestartStrategy(options.options.restartStrategy, options.environment.random)
    this.committers = options.start.committers
    this.ending = new SessionEnd({ ...options, completed: this.completed, recover: () => this.recover() })
  }

  requestCheckpoint(): Promise<CheckpointSummary> {
    if (this.attempt !== null) return this.attempt.requestCheckpoint()
    const { progress } = this.options
    return Promise.reject(
      new TidemarkError('CHECKPOINT_FAILED', `the job is ${progress.status}: no checkpoint can be taken`, {
        action: 'Ask again when it runs.',
      }),
    )
  }

  ask(wish: 'stop' | 'cancel'): void {
    this.wish = wish
    this.options.progress.setStatus('stopping')
    this.interruptDelay()
    if (wish === 'stop') this.committers.stop()
    if (this.attempt === null) return
    if (wish === 'cancel') this.attempt.stop()
    else void this.stopAfterCheckpoint(this.attempt)
  }

  async run(): Promise<JobResult> {
    try {
      await this.committers.start(this.options.start.kind)
      if (this.options.start.isFinished) {
        const message = 'the job had finished when its process was killed: what it left is put away'
        this.options.progress.emit({ kind: 'warning', message })
        // What had been removed may be back: a removal lasts only once its directory is synced.
        await this.committers.abortOthers()
        return await this.ending.finished(this.left)
      }
      return await this.runAttempts()
    } catch (error) {
      await this.ending.failed()
      throw error
    }
  }

  private async runAttempts(): Promise<JobResult> {
    for (;;) {
      const end = await this.runAttempt()
      // Retrying ends when the job is to stop: then what is pending stays in the checkpoint, and the job is not finished.
      if (end.kind === 'finished' && !this.committers.hasPending) {
        // While the hosts leave: no task of theirs lives.
        const failure = await this.ending.tryFinish()
        if (failure === null) return this.ending.finished(this.left)
        await this.left
        if (this.wish === null) await this.afterFailure(failure)
      } else if (end.kind === 'failed' && this.wish === null) await this.afterFailure(end.error)
      // Retrying has ended since the job is to stop.
      else await this.left
      if (this.wish !== null) return this.ending.stopped(this.wish)
    }
  }

  /** Recovers, then runs one attempt to its end. */
  private async runAttempt(): Promise<AttemptEnd> {
    const { progress, start } = this.options
    if (this.wish !== null) return { kind: 'stopped' }
    this.attempts++
    try {
      const restored = await this.recover()
      const restores = restored === null ? NO_RESTORES : dealOut(restored.manifest, this.graph, this.options.options)
      const enumeratorStates = await this.enumeratorStates(restored)
      if (this.wish !== null) return { kind: 'stopped' }
      const attempt = this.makeAttempt(restores, enumeratorStates, restored)
      this.attempt = attempt
      progress.attemptStarted(() => attempt.metrics)
      progress.emit({
        kind: 'started',
        run: start.run,
        epoch: start.epoch,
        attempt: this.attempts,
        from:
          restored === null
            ? { kind: 'fresh' }
            : { kind: 'restored', checkpoint: restored.checkpoint, path: restored.path },
      })
      progress.setStatus('running')
      attempt.start()
      const end = await attempt.ended
      this.left = attempt.left
      if (end.kind !== 'finished') await this.left
      return end
    } catch (error) {
      return { kind: 'failed', error: error instanceof Error ? error : new Error(String(error)) }
    } finally {
      progress.attemptEnded()
      this.attempt = null
    }
  }

  /** Commits exactly what the newest checkpoint holds, aborts every other transaction, removes residue. While no task lives. */
  private async recover(): Promise<CompletedCheckpoint | null> {
    const restored = await this.newest()
    await this.committers.recover(restored?.checkpoint ?? null, restored?.manifest.committables ?? [])
    await this.options.start.storage.sweep()
    return restored
  }

  private async newest(): Promise<CompletedCheckpoint | null> {
    const list = await this.options.start.storage.list()
    this.completed.clear()
    for (const checkpoint of list) this.completed.set(checkpoint.checkpoint, checkpoint)
    const { restore, run } = this.options.start
    // What the run was started from stands in until it has a checkpoint of its own.
    return list.at(-1) ?? (restore?.manifest.run === run ? null : restore)
  }

  private makeAttempt(
    restores: ReadonlyMap<TaskId, TaskRestore>,
    enumeratorStates: ReadonlyMap<OperatorId, unknown>,
    restored: CompletedCheckpoint | null,
  ): Attempt {
    const { job, environment, options, start, progress } = this.options
    const number = attemptNumber(this.attempts)
    const storage = start.storage.forAttempt(number)
    return new Attempt({
      job,
      graph: this.graph,
      options,
      environment,
      run: start.run,
      epoch: start.epoch,
      attempt: number,
      topologyHash: start.topologyHash,
      coordinator: this.coordinatorAfter(restored),
      storage,
      openHosts: this.openHosts(number, storage),
      secret: this.options.secret,
      committers: this.committers,
      completed: this.completed,
      restores,
      enumeratorStates,
      emit: (event) => progress.emit(event),
    })
  }

  /** The hosts of an attempt: worker threads, or this thread. */
  private openHosts(attempt: AttemptNumber, storage: TaskCheckpointStorage): OpenHosts {
    const { job, environment, options, start, secret, workers } = this.options
    const { run, epoch } = start
    if (workers !== null) return workers.open({ run, epoch, attempt })
    const { clock, files, scheduling, messagesPerTurn, localHosts = 1 } = environment
    const host = {
      job,
      graph: this.graph,
      options,
      run,
      epoch,
      clock,
      files,
      storageOf: () => storage,
      secret,
      ...(scheduling === undefined ? {} : { scheduling }),
    }
    return openLocalHosts(host, messagesPerTurn, localHosts)
  }

  /** One coordinator for the whole session: ids of checkpoints are never used twice. */
  private coordinatorAfter(restored: CompletedCheckpoint | null): CheckpointCoordinator {
    const { options } = this.options
    this.coordinator ??= new CheckpointCoordinator({
      intervalMs: options.checkpointIntervalMs,
      timeoutMs: options.checkpointTimeoutMs,
      minPauseMs: options.minPauseBetweenCheckpointsMs,
      maxConcurrent: options.maxConcurrentCheckpoints,
      tolerableFailures: options.tolerableCheckpointFailureNumber,
      retained: options.checkpointsRetained,
      firstCheckpoint: checkpointId((restored?.checkpoint ?? 0) + 1),
    })
    return this.coordinator
  }

  private async enumeratorStates(restored: CompletedCheckpoint | null): Promise<ReadonlyMap<OperatorId, unknown>> {
    const states = new Map<OperatorId, unknown>()
    for (const { operator, handle } of restored?.manifest.enumerators ?? []) {
      states.set(operator, valueCodec.decode(new ByteBufferReader(await this.options.start.storage.read(handle))))
    }
    return states
  }

  /** Suspending takes a last checkpoint where possible, so that the next start has nothing to repeat. One that hangs is not waited for. */
  private async stopAfterCheckpoint(attempt: Attempt): Promise<void> {
    const { options, environment, progress } = this.options
    if (options.checkpointIntervalMs !== null) {
      const patienceMs = Math.min(options.checkpointTimeoutMs, lastCheckpointPatienceMs(progress.lastCheckpoint))
      const cancel = environment.clock.schedule(patienceMs, () => {
        const what = `the last checkpoint is not complete after ${patienceMs} ms`
        progress.emit({ kind: 'warning', message: `${what}: the next start goes on from the newest that is` })
        attempt.stop()
      })
      try {
        await attempt.requestCheckpoint()
      } catch {
        // The newest complete checkpoint will do.
      }
      cancel()
    }
    attempt.stop()
  }

  /** Waits as the restart strategy says, or throws the error that ends the job. */
  private async afterFailure(failure: Error): Promise<void> {
    const { environment, progress } = this.options
    const error = this.poison.onFailure(failure)
    const isHopeless = (isTidemarkError(error) && !error.isRetryable) || isOurBug(error)
    const decision = isHopeless ? null : this.strategy.onFailure(environment.clock.monotonic())
    const restartInMs = decision?.kind === 'restart' ? decision.delayMs : null
    progress.emit({ kind: 'attempt-failed', attempt: this.attempts, error: toErrorInfo(error), restartInMs })
    if (decision?.kind !== 'restart') throw this.givenUp(error, decision?.why ?? null)
    progress.setStatus('restarting')
    this.options.workers?.prepare()
    await new Promise<void>((resolve) => {
      const cancel = environment.clock.schedule(decision.delayMs, resolve)
      this.interruptDelay = () => {
        cancel()
        resolve()
      }
      if (this.wish !== null) this.interruptDelay()
    })
  }

  private givenUp(error: Error, why: string | null): Error {
    if (why === null || this.options.options.restartStrategy.kind === 'none') return error
    return new TidemarkError(
      'RESTARTS_EXHAUSTED',
      `the job failed ${this.attempts} times and is not restarted again (${why}): ${error.message}`,
      {
        action:
          isTidemarkError(error) && error.action !== undefined
            ? error.action
            : 'Mend the cause and start the job again: it goes on from its newest checkpoint.',
        ...(isTidemarkError(error) ? { context: error.context } : {}),
        cause: error,
      },
    )
  }
}

/** Somebody waits for the end. A checkpoint that takes three times as long as the one before it most likely hangs. */
function lastCheckpointPatienceMs(newest: CheckpointSummary | null): number {
  return Math.max(LEAST_PATIENCE_MS, 3 * (newest?.durationMs ?? 0))
}

const LEAST_PATIENCE_MS = 5000
const NO_RESTORES: ReadonlyMap<TaskId, TaskRestore> = new Map()
