import { assert, type ErrorInfo, fromErrorInfo, TidemarkError, toErrorInfo, unreachable } from '../../core/errors.ts'
import { ALIGNED_CHECKPOINT } from '../../core/element.ts'
import { type Attempt, type CheckpointId, checkpointId, type TaskId } from '../../core/ids.ts'
import { AttemptTasks } from './attempt-tasks.ts'
import { CompletedCheckpoints } from './completed-checkpoints.ts'
import type {
  CheckpointFailureReason,
  CoordinatorAction,
  CoordinatorEvent,
  CoordinatorOptions,
  EventTime,
} from './coordinator-contract.ts'
import { FailureCounter } from './failure-counter.ts'
import { PendingCheckpoint } from './pending-checkpoint.ts'
import { type CheckpointRequest, RequestDecider, type TriggerFacts } from './request-decider.ts'

/** After a failed last checkpoint of bounded input: nothing else is left to do, so the pause does not matter. */
const FINAL_RETRY_MS = 100

type EventOf<Kind extends CoordinatorEvent['kind']> = Extract<CoordinatorEvent, { kind: Kind }>

/** The attempt whose tasks run. */
interface RunningAttempt {
  readonly attempt: Attempt
  readonly tasks: AttemptTasks
  /** Completed in this attempt, commits not confirmed: the tasks that are finished in it may go then. */
  unconfirmed: readonly { readonly checkpoint: CheckpointId; readonly finished: readonly TaskId[] }[]
  finalDueAt: number
  /** `fail-attempt` was said: nothing new begins. */
  isFailing: boolean
}

/**
 * Decides everything about the checkpoints of a job, does nothing: events in, actions out. No I/O, no clock, no randomness. Lives as long as the process
 * runs the job, over all attempts. See docs/design/003-checkpoint-coordinator.md.
 */
export class CheckpointCoordinator {
  private readonly options: CoordinatorOptions
  private readonly decider: RequestDecider
  private readonly failures: FailureCounter
  private readonly completed: CompletedCheckpoints
  /** By id, ascending. Of the running attempt. */
  private readonly pending = new Map<CheckpointId, PendingCheckpoint>()
  /** Its manifest is being written; stays here when its attempt stops. */
  private writing: PendingCheckpoint | null = null
  private running: RunningAttempt | null = null
  private nextId: CheckpointId
  private wakeAt: number | null = null
  private actions: CoordinatorAction[] = []

  constructor(options: CoordinatorOptions) {
    this.options = options
    this.decider = new RequestDecider(options)
    this.failures = new FailureCounter(options.tolerableFailures)
    this.completed = new CompletedCheckpoints(options.retained)
    this.nextId = options.firstCheckpoint
  }

  /** While true the newest complete checkpoint is not known: no attempt may start. */
  get isWritingManifest(): boolean {
    return this.writing !== null
  }

  /** The newest complete checkpoint (no savepoint) that this coordinator knows of. */
  get newestCheckpoint(): CheckpointId | null {
    return this.completed.newest
  }

  handle(event: CoordinatorEvent): readonly CoordinatorAction[] {
    this.actions = []
    this.dispatch(event)
    this.goOn(event)
    return this.actions
  }

  private dispatch(event: CoordinatorEvent): void {
    switch (event.kind) {
      case 'attempt-started':
        return this.onAttemptStarted(event)
      case 'attempt-stopped':
        return this.onAttemptStopped(event)
      case 'tick':
        this.wakeAt = null
        return
      case 'request':
        return this.onRequest(event)
      case 'trigger-failed':
        return this.onTriggerFailed(event)
      case 'acknowledge':
        return this.onAcknowledge(event)
      case 'decline':
        return this.onDecline(event)
      case 'data-finished':
        if (event.attempt === this.running?.attempt) this.running.tasks.onDataFinished(event.task)
        return
      case 'task-finished':
        if (event.attempt === this.running?.attempt) this.running.tasks.onFinished(event.task)
        return
      case 'manifest-written':
        return this.onManifestWritten(event)
      case 'manifest-failed':
        return this.onManifestFailed(event)
      case 'commits-confirmed':
        return this.onCommitsConfirmed(event)
      default:
        return unreachable(event)
    }
  }

  private onAttemptStarted({ attempt, tasks, completed, at }: EventOf<'attempt-started'>): void {
    assert(this.running === null, 'an attempt starts while another one runs')
    assert(this.writing === null, 'an attempt starts while it is not known which checkpoint is the newest')
    this.restore(completed)
    this.decider.start(at)
    this.running = { attempt, tasks: new AttemptTasks(tasks), unconfirmed: [], finalDueAt: at, isFailing: false }
  }

  private restore(completed: readonly CheckpointId[]): void {
    assert((completed.at(-1) ?? 0) < this.nextId, 'storage holds a checkpoint newer than any that was triggered')
    this.completed.restore(completed)
    const { newest } = this.completed
    if (newest !== null) this.failures.onSuccess(newest)
  }

  private onAttemptStopped(event: EventOf<'attempt-stopped'>): void {
    if (this.running === null) return
    for (const pending of this.pending.values()) {
      // The manifest may exist already: its outcome decides.
      if (pending === this.writing) this.pending.delete(pending.checkpoint)
      else this.abort(pending, 'attempt-stopped', null, event)
    }
    this.failRequests('the job is not running')
    this.running = null
    this.wakeAt = null
  }

  private onRequest({ token, purpose, isForced = false }: EventOf<'request'>): void {
    if (this.running === null) return this.failRequest(token, 'the job is not running')
    // Savepoints are the user's and ignore the limit, as in Flink.
    const isAccepted = this.decider.submit({ token, purpose, isForced: isForced || purpose === 'savepoint' })
    if (!isAccepted) this.failRequest(token, 'too many requests for checkpoints are waiting')
  }

  private onTriggerFailed(event: EventOf<'trigger-failed'>): void {
    const pending = this.pending.get(event.checkpoint)
    if (pending?.phase === 'collecting') this.abort(pending, 'trigger-failed', toErrorInfo(event.error), event)
  }

  private onAcknowledge(event: EventOf<'acknowledge'>): void {
    const { attempt, task, checkpoint, snapshot, metrics } = event
    const pending = this.pending.get(checkpoint) ?? (this.writing?.checkpoint === checkpoint ? this.writing : undefined)
    const isKept =
      pending?.attempt === attempt
        ? pending.acknowledge(task, snapshot, metrics) !== 'unknown-task'
        : this.completed.isInUse(checkpoint, attempt, task)
    if (!isKept) this.actions.push({ kind: 'discard-snapshot', checkpoint, snapshot })
  }

  private onDecline(event: EventOf<'decline'>): void {
    const pending = this.pending.get(event.checkpoint)
    if (pending?.attempt !== event.attempt || pending.phase !== 'collecting') return
    this.abort(pending, event.reason, event.error, event)
  }

  private onManifestWritten({ checkpoint, at, now }: EventOf<'manifest-written'>): void {
    const written = this.takeWriting(checkpoint)
    const { purpose, token } = written
    this.failures.onSuccess(checkpoint)
    if (purpose === 'savepoint') this.completed.protect(checkpoint, written)
    else this.onCheckpointCompleted(written, { at, now })
    if (token !== null) this.actions.push({ kind: 'request-done', token, checkpoint })
  }

  private onCheckpointCompleted(written: PendingCheckpoint, time: EventTime): void {
    const { checkpoint, attempt } = written
    const retired = this.completed.add(checkpoint, written)
    this.decider.onCompleted(time.at)
    for (const older of this.pending.values()) {
      if (older.checkpoint < checkpoint && older.purpose === 'checkpoint') this.subsume(older, checkpoint, time)
    }
    if (this.running?.attempt === attempt) {
      this.actions.push({ kind: 'notify-complete', checkpoint })
      this.running.unconfirmed = [...this.running.unconfirmed, { checkpoint, finished: written.finishedTasks() }]
    }
    for (const id of retired) this.actions.push({ kind: 'retire', checkpoint: id })
  }

  private onManifestFailed(event: EventOf<'manifest-failed'>): void {
    const { checkpoint, error, isOutcomeUnknown } = event
    const failed = this.takeWriting(checkpoint)
    if (!isOutcomeUnknown) return this.abort(failed, 'manifest-failed', toErrorInfo(error), event)
    // It may exist, and then its output will be committed: nothing of it may be touched before storage was read again.
    this.completed.protect(checkpoint, failed)
    if (failed.token !== null)
      this.failRequest(failed.token, `it is not known whether checkpoint ${checkpoint} was written`, error)
    this.failAttempt(
      new TidemarkError(
        'STORAGE_OUTCOME_UNKNOWN',
        `it is not known whether the manifest of checkpoint ${checkpoint} was written`,
        {
          action:
            'The job restarts and reads the storage again. If this repeats, check the disk of the checkpoint directory.',
          context: { checkpoint },
          cause: error,
        },
      ),
    )
  }

  private onCommitsConfirmed({ checkpoint }: EventOf<'commits-confirmed'>): void {
    if (this.running === null) return
    for (const confirmed of this.running.unconfirmed) {
      if (confirmed.checkpoint <= checkpoint) this.running.tasks.depart(confirmed.finished)
    }
    this.running.unconfirmed = this.running.unconfirmed.filter((other) => other.checkpoint > checkpoint)
  }

  /** What follows from the state after an event, in this order: expire, write, release, trigger, sleep. */
  private goOn(time: EventTime): void {
    for (const pending of this.pending.values()) if (pending.isExpired(time.at)) this.expire(pending, time)
    if (this.running === null) return
    if (!this.running.isFailing) {
      this.writeNext()
      this.release(this.running)
      this.triggerDue(this.running, time)
    }
    this.planWake(this.running, time.at)
  }

  private expire(pending: PendingCheckpoint, time: EventTime): void {
    const message = `checkpoint ${pending.checkpoint} was not acknowledged by every task within ${this.options.timeoutMs} ms`
    const error = new TidemarkError('CHECKPOINT_FAILED', message, {
      action:
        'Raise checkpointTimeout, or find out which task is slow to acknowledge (back pressure, large state, slow storage).',
      context: { checkpoint: pending.checkpoint },
    })
    this.abort(pending, 'expired', toErrorInfo(error), time)
  }

  /** One manifest at a time and the lowest id first: an older checkpoint never becomes complete after a newer one. */
  private writeNext(): void {
    if (this.writing !== null) return
    for (const pending of this.pending.values()) {
      if (pending.phase !== 'acknowledged') continue
      this.writing = pending
      this.actions.push(pending.startWriting())
      return
    }
  }

  private release({ tasks }: RunningAttempt): void {
    // Without periodic checkpoints no last one will come: there is nothing to wait for.
    if (this.options.intervalMs === null && tasks.isAllDataFinished) tasks.depart(tasks.living())
    // A task that leaves before its barrier comes would never acknowledge.
    const released = tasks.release((task) => [...this.pending.values()].some((pending) => pending.isAwaiting(task)))
    if (released.length > 0) this.actions.push({ kind: 'release', tasks: released })
  }

  private triggerDue(running: RunningAttempt, time: EventTime): void {
    if (running.tasks.livingCount === 0) return this.failRequests('every task of the job has ended')
    while (this.isPlanSettled(running)) {
      const decision = this.decider.next(this.facts(running, time.at))
      if (decision === null) return
      this.trigger(running, decision.request, time)
    }
  }

  /**
   * No checkpoint under way includes a task that takes part in new ones no more. Otherwise those behind such a task could get a new trigger, sent to them
   * directly, before the older barrier that is still in their channels: the older checkpoint could never complete.
   */
  private isPlanSettled({ tasks }: RunningAttempt): boolean {
    return [...this.pending.values()].every(
      ({ phase, participants }) => phase !== 'collecting' || participants.size === tasks.livingCount,
    )
  }

  private trigger({ attempt, tasks }: RunningAttempt, request: CheckpointRequest | null, { at, now }: EventTime): void {
    const checkpoint = this.nextId
    this.nextId = checkpointId(checkpoint + 1)
    const purpose = request?.purpose ?? 'checkpoint'
    const deadline = at + this.options.timeoutMs
    const token = request?.token ?? null
    this.pending.set(
      checkpoint,
      new PendingCheckpoint({ checkpoint, purpose, attempt, triggeredAt: now, deadline, token, tasks }),
    )
    const options = { ...ALIGNED_CHECKPOINT, purpose }
    this.actions.push({ kind: 'trigger', checkpoint, purpose, timestamp: now, options, tasks: tasks.roots() })
  }

  private facts({ tasks, unconfirmed, finalDueAt }: RunningAttempt, at: number): TriggerFacts {
    const { isAllDataFinished } = tasks
    const pending = [...this.pending.values()]
    const isUnderWay =
      pending.some(({ purpose, isAfterEndOfData }) => purpose === 'checkpoint' && isAfterEndOfData) ||
      unconfirmed.some(({ finished }) => tasks.living().every((task) => finished.includes(task)))
    return { at, pending: pending.length, isAllDataFinished, finalDueAt: isUnderWay ? null : finalDueAt }
  }

  private planWake(running: RunningAttempt, at: number): void {
    const canTrigger = !running.isFailing && running.tasks.livingCount > 0 && this.isPlanSettled(running)
    const triggerAt = canTrigger ? this.decider.deadline(this.facts(running, at)) : null
    const deadlines = [...this.pending.values()]
      .filter(({ phase }) => phase === 'collecting')
      .map(({ deadline }) => deadline)
    if (triggerAt !== null) deadlines.push(triggerAt)
    const earliest = Math.min(...deadlines)
    if (earliest === Number.POSITIVE_INFINITY || earliest === this.wakeAt) return
    this.wakeAt = earliest
    this.actions.push({ kind: 'wake-at', at: earliest })
  }

  private abort(
    pending: PendingCheckpoint,
    reason: CheckpointFailureReason,
    error: ErrorInfo | null,
    time: EventTime,
  ): void {
    const { checkpoint, purpose, token } = pending
    this.drop(pending, reason, error, time)
    const why = `checkpoint ${checkpoint} failed: ${reason}${error === null ? '' : ` (${error.message})`}`
    const cause = error === null ? undefined : fromErrorInfo(error)
    if (token !== null) this.failRequest(token, why, cause)
    if (!this.failures.onFailure(checkpoint, purpose, reason)) return
    const { tolerableFailures } = this.options
    this.failAttempt(
      new TidemarkError(
        'CHECKPOINT_THRESHOLD',
        `Exceeded checkpoint tolerable failure threshold of ${tolerableFailures}: ${why}`,
        {
          action: 'Remove the cause, or raise tolerableCheckpointFailureNumber.',
          context: { checkpoint },
          cause,
        },
      ),
    )
  }

  /** Who asked for it gets the newer one: it holds everything that this one would have held. */
  private subsume(pending: PendingCheckpoint, newer: CheckpointId, time: EventTime): void {
    this.drop(pending, 'subsumed', null, time)
    if (pending.token !== null) this.actions.push({ kind: 'request-done', token: pending.token, checkpoint: newer })
  }

  private drop(
    { checkpoint, isAfterEndOfData }: PendingCheckpoint,
    reason: CheckpointFailureReason,
    error: ErrorInfo | null,
    { at }: EventTime,
  ): void {
    this.pending.delete(checkpoint)
    if (isAfterEndOfData && this.running !== null) this.running.finalDueAt = at + FINAL_RETRY_MS
    this.actions.push({ kind: 'notify-aborted', checkpoint, reason, error }, { kind: 'discard', checkpoint })
  }

  private takeWriting(checkpoint: CheckpointId): PendingCheckpoint {
    const { writing } = this
    assert(writing?.checkpoint === checkpoint, `no manifest of checkpoint ${checkpoint} is being written`)
    this.writing = null
    this.pending.delete(checkpoint)
    return writing
  }

  private failAttempt(error: TidemarkError): void {
    if (this.running === null || this.running.isFailing) return
    this.running.isFailing = true
    this.actions.push({ kind: 'fail-attempt', error })
  }

  private failRequests(why: string): void {
    for (const { token } of this.decider.drain()) this.failRequest(token, why)
  }

  private failRequest(token: number, why: string, cause?: unknown): void {
    const error = new TidemarkError('CHECKPOINT_FAILED', why, { action: 'Ask again when the job runs.', cause })
    this.actions.push({ kind: 'request-failed', token, error })
  }
}
