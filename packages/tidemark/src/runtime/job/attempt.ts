import { type ErrorInfo, fromErrorInfo, isTidemarkError, TidemarkError } from '../../core/errors.ts'
import { type CheckpointId, type OperatorId, type TaskId, taskId } from '../../core/ids.ts'
import type { Manifest } from '../../core/manifest.ts'
import { makeManifest } from '../checkpoint/make-manifest.ts'
import type { CompletedCheckpoint } from '../checkpoint/contract.ts'
import type { CoordinatorAction, CoordinatorEvent } from '../checkpoint/coordinator-contract.ts'
import { tasksOf } from '../deploy/execution-graph.ts'
import { SourceEnumerators } from '../source/source-enumerators.ts'
import { HostSet } from '../worker/host-set.ts'
import type { FromTaskHost } from '../worker/protocol.ts'
import type { HostMetrics } from '../worker/task-host.ts'
import type { AttemptEnd, AttemptOptions } from './attempt-contract.ts'
import { CheckpointRequests } from './checkpoint-requests.ts'
import type { CheckpointSummary } from './contract.ts'

/**
 * One attempt of a job, from deploying its tasks to the end of the last one. Performs what the coordinator decides; any failure stops all tasks.
 */
export class Attempt {
  private readonly options: AttemptOptions
  private readonly hosts: HostSet
  private readonly enumerators: SourceEnumerators
  private readonly enumeratorSnapshots = new Map<CheckpointId, Manifest['enumerators']>()
  /** Tasks that have not ended. */
  private readonly living = new Set<TaskId>()
  private readonly notReady = new Set<TaskId>()
  private readonly events: CoordinatorEvent[] = []
  private isDeciding = false
  private end: AttemptEnd | null = null
  private isStopping = false
  private isSettled = false
  /** Writes and commits that must settle before the attempt has ended. */
  private readonly underway = new Set<Promise<void>>()
  private cancelTimer: () => void = () => {}
  private cancelWatchdog: () => void = () => {}
  private resolveEnded!: (end: AttemptEnd) => void
  readonly ended: Promise<AttemptEnd>
  /** Nothing of its hosts is left. Before `ended`, but where the attempt has finished: then what follows need not wait for threads to end. */
  readonly left: Promise<void>
  private resolveLeft!: (closing: Promise<void>) => void
  private readonly requests = new CheckpointRequests()
  private readonly summaries = new Map<CheckpointId, CheckpointSummary>()

  constructor(options: AttemptOptions) {
    this.options = options
    this.ended = new Promise((resolve) => (this.resolveEnded = resolve))
    this.left = new Promise((resolve) => (this.resolveLeft = resolve))
    // Whoever waits for it is told.
    this.left.catch(() => {})
    const { environment, job, graph, attempt } = options
    const { clock, files } = environment
    this.hosts = new HostSet(options.openHosts, {
      onMessage: (message) => this.receive(message),
      onLost: (tasks, error) => this.onHostLost(tasks, error),
    })
    this.enumerators = new SourceEnumerators({
      job,
      attempt,
      clock,
      files,
      secret: options.secret,
      warn: (message) => options.emit({ kind: 'warning', message }),
      restored: options.enumeratorStates,
      parallelismOf: (operator) => graph.vertices.find((vertex) => vertex.id === operator)!.parallelism,
      // What an enumerator hands out may not be fit to be sent; it need not be the one to know.
      send: (message) => this.guard(() => this.hosts.send(message)),
      fail: (error) => this.fail(error),
    })
  }

  get metrics(): HostMetrics {
    return this.hosts.metrics()
  }

  start(): void {
    const { graph, attempt, restores } = this.options
    const tasks = tasksOf(graph)
    for (const { task } of tasks) {
      this.living.add(task)
      this.notReady.add(task)
    }
    const deployments = tasks.map(({ task, vertex, subtask }) => ({
      task,
      vertex,
      subtask,
      restore: restores.get(task) ?? null,
    }))
    this.hosts.send({ kind: 'deploy', attempt, tasks: deployments })
  }

  /** Asks for a checkpoint now. */
  requestCheckpoint(): Promise<CheckpointSummary> {
    if (this.isStopping || this.end !== null) return Promise.reject(notPossible())
    return this.requests.add((token) => this.decide({ kind: 'request', purpose: 'checkpoint', token, ...this.times() }))
  }

  /** Stops all tasks without finishing anything. */
  stop(): void {
    this.stopWith({ kind: 'stopped' })
  }

  fail(error: unknown): void {
    this.stopWith({ kind: 'failed', error: error instanceof Error ? error : new Error(String(error)) })
  }

  private stopWith(end: AttemptEnd): void {
    // A failure while stopping on request is no reason to restart; the first failure is the one that matters.
    this.end ??= end
    if (this.isStopping) return
    this.isStopping = true
    this.cancelTimer()
    this.decide({ kind: 'attempt-stopped', ...this.times() })
    this.requests.failAll(notPossible())
    this.hosts.send({ kind: 'cancel', attempt: this.options.attempt })
    this.watchCancellation()
    this.settleWhenDone()
  }

  /** A task that does not stop in time takes its thread with it. */
  private watchCancellation(): void {
    const { options, environment, emit } = this.options
    const { taskCancellationTimeoutMs } = options
    if (taskCancellationTimeoutMs === null) return
    this.cancelWatchdog = environment.clock.schedule(taskCancellationTimeoutMs, () => {
      const stuck = [...this.living].join(', ')
      const unstoppable = this.hosts.terminateHostsOf(this.living)
      const what = `did not stop within ${taskCancellationTimeoutMs} ms`
      const then = unstoppable.length === 0 ? 'its worker is terminated' : 'in-process tasks can only be waited for'
      emit({ kind: 'warning', message: `task ${stuck} ${what}: ${then}` })
    })
  }

  private onHostLost(tasks: ReadonlySet<TaskId>, error: Error): void {
    for (const task of tasks) {
      this.living.delete(task)
      this.notReady.delete(task)
    }
    this.fail(error)
    this.settleWhenDone()
  }

  private receive(message: FromTaskHost): void {
    if (message.attempt !== this.options.attempt) return
    switch (message.kind) {
      case 'ready':
        this.notReady.delete(message.task)
        if (this.notReady.size === 0 && !this.isStopping) void this.startTasks()
        return
      case 'request-split':
        if (!this.isStopping)
          this.guard(() => this.enumerators.onSplitRequest(message.operator, subtaskOf(message.task)))
        return
      case 'warn':
        return this.options.emit({ kind: 'warning', message: message.message })
      case 'acknowledge':
      case 'decline':
        return this.decide({ ...message, ...this.times() })
      case 'data-finished':
        return this.decide({ ...message, ...this.times() })
      case 'finished':
        this.living.delete(message.task)
        if (!this.isStopping)
          this.decide({ kind: 'task-finished', attempt: message.attempt, task: message.task, ...this.times() })
        return this.settleWhenDone()
      case 'canceled':
        this.living.delete(message.task)
        if (!this.isStopping)
          this.fail(new TidemarkError('TASK_LOST', `task ${message.task} stopped without being asked`))
        return this.settleWhenDone()
      case 'failed':
        this.living.delete(message.task)
        this.notReady.delete(message.task)
        this.fail(errorOf(message.error, this.options.job.plan.job, message.task))
        return this.settleWhenDone()
    }
  }

  private async startTasks(): Promise<void> {
    const { attempt, graph, restores } = this.options
    try {
      await this.enumerators.start()
    } catch (error) {
      return this.fail(error)
    }
    if (this.isStopping) return
    const tasks = tasksOf(graph).map((task) => ({ ...task, isFinished: restores.get(task.task)?.isFinished ?? false }))
    this.hosts.send({ kind: 'start', attempt })
    this.decide({
      kind: 'attempt-started',
      attempt,
      tasks,
      completed: [...this.options.completed.keys()],
      ...this.times(),
    })
    for (const vertex of graph.vertices) {
      if (this.options.job.behaviours.get(vertex.id as OperatorId)?.kind !== 'source') continue
      for (let subtask = 0; subtask < vertex.parallelism; subtask++) {
        if (restores.get(taskId(vertex.id, subtask))?.isFinished === true) continue
        this.guard(() => this.enumerators.onSplitRequest(vertex.id as OperatorId, subtask))
      }
    }
  }

  /** What performing an action causes is decided after the other actions of the same decision: the coordinator hears one event at a time. */
  private decide(event: CoordinatorEvent): void {
    this.events.push(event)
    if (this.isDeciding) return
    this.isDeciding = true
    try {
      for (let next = this.events.shift(); next !== undefined; next = this.events.shift()) {
        for (const action of this.options.coordinator.handle(next)) this.perform(action)
      }
    } catch (error) {
      this.fail(error)
    } finally {
      this.isDeciding = false
    }
  }

  private perform(action: CoordinatorAction): void {
    const { attempt, storage, emit } = this.options
    switch (action.kind) {
      case 'trigger':
        return this.trigger(action)
      case 'write-manifest':
        return this.track(this.writeManifest(action))
      case 'notify-complete':
        return this.onComplete(action.checkpoint)
      case 'notify-aborted': {
        this.enumeratorSnapshots.delete(action.checkpoint)
        if (!this.isStopping) this.hosts.send({ kind: 'aborted', attempt, checkpoint: action.checkpoint })
        emit({ kind: 'checkpoint-failed', checkpoint: action.checkpoint, reason: action.reason, error: action.error })
        return
      }
      case 'discard':
        return this.track(storage.discard(action.checkpoint))
      case 'discard-snapshot':
        return this.track(storage.discardFiles(action.snapshot.files))
      case 'retire':
        return this.track(this.retire(action.checkpoint))
      case 'release':
        for (const task of action.tasks) this.hosts.send({ kind: 'release', attempt, task })
        return
      case 'fail-attempt':
        return this.fail(action.error)
      case 'request-done':
        return this.requests.done(action.token, this.summaries.get(action.checkpoint)!)
      case 'request-failed':
        return this.requests.failed(action.token, action.error)
      case 'wake-at':
        this.cancelTimer()
        if (this.isStopping) return
        this.cancelTimer = this.options.environment.clock.schedule(
          Math.max(0, action.at - this.options.environment.clock.monotonic()),
          () => this.decide({ kind: 'tick', ...this.times() }),
        )
        return
    }
  }

  /** Enumerators first, then the triggers, through the FIFO that also carries split assignments. */
  private trigger(action: Extract<CoordinatorAction, { kind: 'trigger' }>): void {
    const { attempt, emit } = this.options
    const { checkpoint, timestamp, options } = action
    try {
      this.enumeratorSnapshots.set(checkpoint, this.enumerators.snapshot(checkpoint))
    } catch (error) {
      return this.decide({ kind: 'trigger-failed', checkpoint, error, ...this.times() })
    }
    for (const task of action.tasks) this.hosts.send({ kind: 'trigger', attempt, task, checkpoint, timestamp, options })
    emit({ kind: 'checkpoint-triggered', checkpoint })
  }

  private async writeManifest(action: Extract<CoordinatorAction, { kind: 'write-manifest' }>): Promise<void> {
    const { storage, completed, emit, committers, options, environment } = this.options
    const { checkpoint } = action
    const manifest = makeManifest(
      {
        ...this.options,
        maxParallelism: options.maxParallelism,
        completedAt: environment.clock.now(),
        enumerators: this.enumeratorSnapshots.get(checkpoint)!,
        pendingWith: (snapshots) => committers.pendingWith(snapshots),
      },
      action,
    )
    let complete: CompletedCheckpoint
    try {
      complete = await storage.complete(manifest)
    } catch (error) {
      const isOutcomeUnknown =
        !isTidemarkError(error) || error.code === 'STORAGE_OUTCOME_UNKNOWN' || error.code === 'FENCED'
      return this.decide({ kind: 'manifest-failed', checkpoint, error, isOutcomeUnknown, ...this.times() })
    }
    completed.set(checkpoint, complete)
    const bytes = [...action.metrics.values()].reduce((sum, metrics) => sum + metrics.bytes, 0)
    const durationMs = environment.clock.now() - action.triggeredAt
    const summary: CheckpointSummary = { checkpoint, path: complete.path, durationMs, bytes }
    this.summaries.set(checkpoint, summary)
    emit({ kind: 'checkpoint-completed', ...summary })
    this.decide({ kind: 'manifest-written', checkpoint, ...this.times() })
  }

  private onComplete(checkpoint: CheckpointId): void {
    const { attempt, completed, emit, committers } = this.options
    for (const id of this.enumeratorSnapshots.keys()) if (id <= checkpoint) this.enumeratorSnapshots.delete(id)
    if (!this.isStopping) {
      this.hosts.send({ kind: 'complete', attempt, checkpoint })
      this.guard(() => this.enumerators.notifyComplete(checkpoint))
    }
    const commit = async () => {
      const isConfirmed = await committers.commit(checkpoint, completed.get(checkpoint)!.manifest.committables)
      if (!isConfirmed) return
      emit({ kind: 'checkpoint-committed', checkpoint })
      if (!this.isStopping) this.hosts.send({ kind: 'committed', attempt, checkpoint })
      this.decide({ kind: 'commits-confirmed', checkpoint, ...this.times() })
    }
    this.track(commit())
  }

  private async retire(checkpoint: CheckpointId): Promise<void> {
    const { completed, storage, emit } = this.options
    const old = completed.get(checkpoint)
    if (old === undefined) return
    completed.delete(checkpoint)
    try {
      await storage.remove(old)
    } catch (error) {
      emit({
        kind: 'warning',
        message: `checkpoint ${checkpoint} could not be removed: ${error instanceof Error ? error.message : String(error)}`,
      })
    }
  }

  private track(work: Promise<void>): void {
    const tracked = work
      .catch((error: unknown) => this.fail(error))
      .then(() => {
        this.underway.delete(tracked)
        this.settleWhenDone()
      })
    this.underway.add(tracked)
  }

  private guard(action: () => void): void {
    try {
      action()
    } catch (error) {
      this.fail(error)
    }
  }

  private settleWhenDone(): void {
    if (this.isSettled || this.living.size > 0 || this.underway.size > 0) return
    if (this.end === null) {
      // Every task has finished. The coordinator outlives the attempt: it has to know.
      this.end = { kind: 'finished' }
      this.isStopping = true
      this.decide({ kind: 'attempt-stopped', ...this.times() })
      if (this.underway.size > 0) return
    }
    const { end } = this
    this.isSettled = true
    this.cancelTimer()
    this.cancelWatchdog()
    const closing = this.hosts.close()
    this.resolveLeft(closing)
    Promise.all([this.enumerators.close(), end.kind === 'finished' ? null : closing]).then(
      () => this.resolveEnded(end),
      (error: unknown) => this.resolveEnded(end.kind === 'finished' ? { kind: 'failed', error: error as Error } : end),
    )
  }

  private times(): { readonly now: number; readonly at: number } {
    const { clock } = this.options.environment
    return { now: clock.now(), at: clock.monotonic() }
  }
}

function subtaskOf(task: TaskId): number {
  return Number(task.slice(task.lastIndexOf('#') + 1))
}

function errorOf(info: ErrorInfo, job: string, task: TaskId): Error {
  const context = { job, task, ...info.context }
  if (info.code !== undefined) return fromErrorInfo({ ...info, context })
  return new TidemarkError('USER_FUNCTION', `task ${task} failed: ${info.message}`, {
    context,
    cause: fromErrorInfo(info),
  })
}

function notPossible(): TidemarkError {
  return new TidemarkError('CHECKPOINT_FAILED', 'the job is stopping, so no checkpoint can be taken', {
    action: 'Ask again when the job runs.',
  })
}
