import { assert } from '../../core/errors.ts'
import { type Attempt, attempt as attemptId, type CheckpointId, checkpointId, type TaskId } from '../../core/ids.ts'
import { CheckpointCoordinator } from '../../runtime/checkpoint/checkpoint-coordinator.ts'
import type {
  CoordinatedTask,
  CoordinatorAction,
  CoordinatorOptions,
} from '../../runtime/checkpoint/coordinator-contract.ts'
import { snapshotOf, type UntimedEvent } from './coordinator-driver.ts'
import {
  durableOf,
  type Fate,
  isSafelyFinished,
  type ModelCheckpoint,
  overtakesBarrier,
  retainedOf,
  type Stage,
  triggeredCheckpoint,
} from './model-checkpoint.ts'

const METRICS = { startDelayMs: 0, alignmentMs: 0, syncMs: 0, asyncMs: 0, bytes: 0 }

/**
 * The world around a coordinator: tasks that keep their contract, a storage that may fail, users who ask, attempts that stop. Every action is checked
 * against what must never happen; the message of a failed assertion names the promise.
 */
export class CoordinatorModel {
  private readonly coordinator: CheckpointCoordinator
  private readonly options: Omit<CoordinatorOptions, 'firstCheckpoint'>
  private readonly tasks: readonly CoordinatedTask[]
  private readonly checkpoints = new Map<CheckpointId, ModelCheckpoint>()
  private readonly openRequests = new Map<number, 'checkpoint' | 'savepoint'>()
  private stages = new Map<TaskId, Stage>()
  private attempt: Attempt | null = null
  private nextAttempt: Attempt
  private nextToken = 1
  private lastId = 0
  private at = 0
  private lastCompletedAt = Number.NEGATIVE_INFINITY
  private wakeAt: number | null = null
  private mustStop = false

  constructor(options: Omit<CoordinatorOptions, 'firstCheckpoint'>, tasks: readonly CoordinatedTask[], first: Attempt) {
    this.options = options
    this.tasks = tasks
    this.nextAttempt = first
    this.coordinator = new CheckpointCoordinator({ ...options, firstCheckpoint: checkpointId(1) })
    this.start()
  }

  get isJobFinished(): boolean {
    return this.attempt !== null && [...this.stages.values()].every((stage) => stage === 'gone')
  }

  /** Lets something happen that can happen now. `what` says what kind of thing (0 … 99), `whom` chooses among those it can happen to. */
  step(what: number, whom: number): void {
    if (this.mustStop) this.stop()
    else if (this.attempt === null && what % 2 === 0) this.start()
    else if (what < 35) this.acknowledgeOne(whom)
    else if (what < 50) this.passTime(whom % 60)
    else if (what < 60) this.settleWrite(whom % 20 === 0 ? 'unknown' : whom % 5 === 0 ? 'failed' : 'written')
    else if (what < 68) this.confirmOne(whom)
    else if (what < 78) this.endInput(whom)
    else if (what < 84) this.finishOne(whom)
    else if (what < 90) this.request(whom)
    else if (what < 93) this.declineOne(whom)
    else if (what < 95) this.repeatOne(whom)
    else if (what < 97) this.acknowledgeLate(whom)
    else if (what < 98) this.stop()
    else this.passTime(whom % 400)
  }

  /** From now on everybody does what is due at once and nothing fails: the job must come to its end. */
  finishInOrder(): void {
    if (this.mustStop || this.attempt === null) this.stop()
    if (this.attempt === null) this.start()
    for (let round = 0; round < 200 && !this.isJobFinished; round++) {
      while (this.acknowledgeOne(0));
      for (const { task } of this.tasks) this.endInputOf(task)
      while (this.acknowledgeOne(0));
      this.settleWrite('written')
      while (this.confirmOne(0));
      while (this.finishOne(0));
      const isUnderWay = [...this.checkpoints.values()].some(({ fate }) => fate === 'pending' || fate === 'writing')
      // What remains may only wait for what the coordinator itself asked to be woken for.
      if (!isUnderWay && this.wakeAt !== null) this.passTime(Math.max(0, this.wakeAt - this.at))
    }
  }

  private start(): void {
    if (this.attempt !== null) return
    this.settleWrite('written')
    const durable = durableOf(this.checkpoints)
    const newest = durable.at(-1)?.[1]
    // Whether an unknown one exists shows when storage is read again: here it always does.
    for (const [, checkpoint] of durable) checkpoint.fate = 'complete'
    const tasks = this.tasks.map((task) => ({ ...task, isFinished: newest?.finished.has(task.task) ?? false }))
    this.stages = new Map(tasks.map(({ task, isFinished }) => [task, isFinished ? 'gone' : 'running']))
    const attempt = this.nextAttempt
    this.nextAttempt = attemptId(attempt + 1)
    this.attempt = attempt
    this.send({ kind: 'attempt-started', attempt, tasks, completed: durable.map(([id]) => id) })
  }

  private stop(): void {
    this.mustStop = false
    this.attempt = null
    this.send({ kind: 'attempt-stopped' })
    assert(this.openRequestsWithoutWrite() === 0, 'a stop answers every request that no manifest under way will answer')
    for (const { fate } of this.checkpoints.values()) assert(fate !== 'pending', 'a stop leaves nothing pending')
  }

  private passTime(ms: number): void {
    this.at += ms
    this.send({ kind: 'tick' })
  }

  /** A task whose barrier has come, by trigger or behind those of all living tasks upstream, acknowledges. */
  private acknowledgeOne(whom: number): boolean {
    const due = [...this.checkpoints].flatMap(([checkpoint, { fate, participants, acknowledged, attempt }]) =>
      fate === 'pending' && attempt === this.attempt
        ? [...participants].filter((task) => !acknowledged.has(task)).map((task) => ({ checkpoint, task }))
        : [],
    )
    const one = due[whom % Math.max(1, due.length)]
    if (one === undefined) return false
    const { acknowledged, finished } = this.checkpoints.get(one.checkpoint)!
    const stage = this.stages.get(one.task)!
    assert(
      stage === 'running' || stage === 'data-finished',
      `${one.task} was released while checkpoint ${one.checkpoint} waited for it`,
    )
    acknowledged.add(one.task)
    if (stage === 'data-finished') finished.add(one.task)
    const snapshot = snapshotOf(one.task, stage === 'data-finished')
    this.send({ kind: 'acknowledge', attempt: this.attempt!, ...one, snapshot, metrics: METRICS })
    return true
  }

  private repeatOne(whom: number): void {
    const seen = [...this.checkpoints].flatMap(([checkpoint, { acknowledged, attempt, fate }]) =>
      fate === 'aborted' ? [] : [...acknowledged].map((task) => ({ checkpoint, task, attempt })),
    )
    const one = seen[whom % Math.max(1, seen.length)]
    if (one === undefined || this.checkpoints.get(one.checkpoint)!.isRetired) return
    const actions = this.send({ kind: 'acknowledge', ...one, snapshot: snapshotOf(one.task), metrics: METRICS })
    assert(!actions.some(({ kind }) => kind === 'discard-snapshot'), 'the state of a repeated acknowledgement is kept')
  }

  private acknowledgeLate(whom: number): void {
    const late = [...this.checkpoints].filter(([, { fate }]) => fate === 'aborted')
    const [checkpoint, { attempt }] = late[whom % Math.max(1, late.length)] ?? [
      checkpointId(1_000_000),
      { attempt: attemptId(99) },
    ]
    const { task } = this.tasks[whom % this.tasks.length]!
    const actions = this.send({
      kind: 'acknowledge',
      attempt,
      task,
      checkpoint,
      snapshot: snapshotOf(task),
      metrics: METRICS,
    })
    assert(actions.filter(({ kind }) => kind === 'discard-snapshot').length === 1, 'what comes late is discarded')
  }

  private declineOne(whom: number): void {
    const pending = [...this.checkpoints].filter(
      ([, { fate, attempt }]) => fate === 'pending' && attempt === this.attempt,
    )
    const one = pending[whom % Math.max(1, pending.length)]
    if (one === undefined) return
    const [checkpoint, { participants }] = one
    const task = [...participants][whom % participants.size]!
    const reason = whom % 2 === 0 ? 'snapshot-failed' : 'cancellation-barrier'
    this.send({ kind: 'decline', attempt: this.attempt!, task, checkpoint, reason, error: null })
  }

  private settleWrite(outcome: 'written' | 'failed' | 'unknown'): void {
    const writing = [...this.checkpoints].find(([, { fate }]) => fate === 'writing')
    if (writing === undefined) return
    const [checkpoint, model] = writing
    if (outcome === 'written') {
      model.fate = 'complete'
      if (model.purpose === 'checkpoint') this.lastCompletedAt = this.at
      const actions = this.send({ kind: 'manifest-written', checkpoint })
      // More may be there when an unknown outcome turned out to be a success: they go behind the next one.
      assert(
        model.purpose === 'savepoint' || retainedOf(this.checkpoints).length <= this.options.retained,
        'not more are kept than asked for',
      )
      const isNotified = actions.some(({ kind }) => kind === 'notify-complete')
      assert(
        isNotified === (model.purpose === 'checkpoint' && model.attempt === this.attempt),
        'tasks are notified of every completed checkpoint of theirs and of no savepoint',
      )
      return
    }
    if (outcome === 'unknown') model.fate = 'unknown'
    else model.fate = 'pending'
    this.send({
      kind: 'manifest-failed',
      checkpoint,
      error: new Error('disk'),
      isOutcomeUnknown: outcome === 'unknown',
    })
    if (outcome === 'failed')
      assert((model.fate as Fate) === 'aborted', 'a checkpoint whose manifest failed is aborted')
  }

  private confirmOne(whom: number): boolean {
    const complete = [...this.checkpoints].filter(
      ([, { fate, purpose, isConfirmed, attempt }]) =>
        fate === 'complete' && purpose === 'checkpoint' && !isConfirmed && attempt === this.attempt,
    )
    const one = complete[whom % Math.max(1, complete.length)]
    if (one === undefined) return false
    for (const [id, checkpoint] of complete) if (id <= one[0]) checkpoint.isConfirmed = true
    this.send({ kind: 'commits-confirmed', checkpoint: one[0] })
    return true
  }

  /** The input of a task can only end behind that of everybody upstream. */
  private endInput(whom: number): void {
    const { task, upstream } = this.tasks[whom % this.tasks.length]!
    if (upstream.some((other) => this.stages.get(other) === 'running')) return
    this.endInputOf(task)
  }

  private endInputOf(task: TaskId): void {
    if (this.attempt === null || this.stages.get(task) !== 'running') return
    // A barrier that is under way was sent before the end of data: the snapshot is taken first.
    if (
      [...this.checkpoints.values()].some(
        ({ fate, participants, acknowledged }) =>
          fate === 'pending' && participants.has(task) && !acknowledged.has(task) && !this.isRoot(task),
      )
    )
      return
    this.stages.set(task, 'data-finished')
    this.send({ kind: 'data-finished', attempt: this.attempt, task })
  }

  private isRoot(task: TaskId): boolean {
    return this.tasks.find((other) => other.task === task)!.upstream.length === 0
  }

  private finishOne(whom: number): boolean {
    const released = [...this.stages].filter(([, stage]) => stage === 'released').map(([task]) => task)
    const task = released[whom % Math.max(1, released.length)]
    if (task === undefined || this.attempt === null) return false
    this.stages.set(task, 'gone')
    this.send({ kind: 'task-finished', attempt: this.attempt, task })
    return true
  }

  private request(whom: number): void {
    const token = this.nextToken++
    const purpose = whom % 3 === 0 ? 'savepoint' : 'checkpoint'
    this.openRequests.set(token, purpose)
    this.send({ kind: 'request', token, purpose, isForced: whom % 7 === 0 })
  }

  private send(event: UntimedEvent): readonly CoordinatorAction[] {
    const { at } = this
    if (event.kind === 'tick') this.wakeAt = null
    const actions = this.coordinator.handle({ ...event, at, now: at })
    for (const action of actions) this.check(action)
    for (const checkpoint of this.checkpoints.values()) {
      assert(checkpoint.isDiscarded === (checkpoint.fate === 'aborted'), 'what is aborted is discarded, nothing else')
    }
    return actions
  }

  private check(action: CoordinatorAction): void {
    switch (action.kind) {
      case 'trigger':
        return this.onTrigger(action)
      case 'write-manifest':
        return this.onWrite(action)
      case 'notify-complete':
        assert(this.checkpoints.get(action.checkpoint)!.fate === 'complete', 'only what is durable is notified')
        return
      case 'notify-aborted': {
        const aborted = this.checkpoints.get(action.checkpoint)!
        assert(
          aborted.fate === 'pending',
          `checkpoint ${action.checkpoint} is told to be aborted once, and never when ${aborted.fate}`,
        )
        aborted.fate = 'aborted'
        return
      }
      case 'discard': {
        const discarded = this.checkpoints.get(action.checkpoint)!
        assert(discarded.fate === 'aborted' && !discarded.isDiscarded, 'only what was aborted is discarded, once')
        discarded.isDiscarded = true
        return
      }
      case 'retire':
        return this.onRetire(action.checkpoint)
      case 'release':
        for (const task of action.tasks) this.onRelease(task)
        return
      case 'fail-attempt':
        assert(this.attempt !== null && !this.mustStop, 'an attempt fails once')
        this.mustStop = true
        return
      case 'request-done':
        assert(this.checkpoints.get(action.checkpoint)!.fate === 'complete', 'a request is answered by what is durable')
        assert(this.openRequests.delete(action.token), 'a request is answered once')
        return
      case 'request-failed':
        assert(this.openRequests.delete(action.token), 'a request is answered once')
        return
      case 'wake-at':
        this.wakeAt = action.at
        return
      case 'discard-snapshot':
        return
    }
  }

  private onTrigger({ checkpoint, purpose, tasks }: Extract<CoordinatorAction, { kind: 'trigger' }>): void {
    assert(this.attempt !== null && !this.mustStop, 'nothing is triggered without a healthy attempt')
    assert(checkpoint > this.lastId, 'ids increase strictly')
    this.lastId = checkpoint
    const living = this.tasks.filter(({ task }) => ['running', 'data-finished'].includes(this.stages.get(task)!))
    const names = new Set(living.map(({ task }) => task))
    const roots = living.filter(({ upstream }) => !upstream.some((other) => names.has(other))).map(({ task }) => task)
    const isSame = tasks.length === roots.length && tasks.every((task) => roots.includes(task))
    assert(isSame, `barriers start at ${roots.join()}, not at ${tasks.join()}`)
    assert(!overtakesBarrier(this.checkpoints, tasks), 'a trigger does not overtake an older barrier')
    const isAsked = [...this.openRequests.values()].includes(purpose)
    const isAtEnd = living.every(({ task }) => this.stages.get(task) === 'data-finished')
    if (purpose === 'savepoint') assert(isAsked, 'savepoints are asked for')
    else if (!isAsked && !isAtEnd) {
      assert(this.options.intervalMs !== null, 'without an interval checkpoints are asked for')
      assert(this.at >= this.lastCompletedAt + this.options.minPauseMs, 'the pause is kept')
    }
    const pending = [...this.checkpoints.values()].filter(({ fate }) => fate === 'pending' || fate === 'writing').length
    // Forced ones are always asked for; only they may exceed the limit.
    if (!isAsked) assert(pending < this.options.maxConcurrent, 'no more are pending than allowed')
    const finished = this.tasks.map(({ task }) => task).filter((task) => !names.has(task))
    this.checkpoints.set(checkpoint, triggeredCheckpoint(purpose, this.attempt, names, tasks, finished))
  }

  private onWrite({ checkpoint, snapshots, isFinal }: Extract<CoordinatorAction, { kind: 'write-manifest' }>): void {
    const written = this.checkpoints.get(checkpoint)!
    assert(written.fate === 'pending', `checkpoint ${checkpoint} is written once`)
    assert(![...this.checkpoints.values()].some(({ fate }) => fate === 'writing'), 'one manifest is written at a time')
    assert(written.acknowledged.size === written.participants.size, 'nothing completes without all acknowledgements')
    assert(snapshots.size === this.tasks.length, 'a manifest speaks of every task')
    for (const { task } of this.tasks) {
      assert(
        snapshots.get(task)!.isFinished === written.finished.has(task),
        `the manifest says whether ${task} is finished`,
      )
    }
    assert(
      isFinal === (written.finished.size === this.tasks.length),
      'a checkpoint is final when all are finished in it',
    )
    if (written.purpose === 'checkpoint') {
      const isNewest = ![...this.checkpoints].some(([id, { fate, purpose }]) => {
        return id > checkpoint && fate === 'complete' && purpose === 'checkpoint'
      })
      assert(isNewest, 'an older checkpoint does not complete after a newer one')
    }
    written.fate = 'writing'
  }

  private onRetire(checkpoint: CheckpointId): void {
    const retired = this.checkpoints.get(checkpoint)!
    assert(
      retired.fate === 'complete' && retired.purpose === 'checkpoint' && !retired.isRetired,
      'only complete checkpoints retire, once',
    )
    retired.isRetired = true
    const newer = retainedOf(this.checkpoints).filter((id) => id > checkpoint)
    assert(newer.length >= this.options.retained, 'enough newer checkpoints are durable when one retires')
  }

  private onRelease(task: TaskId): void {
    assert(this.stages.get(task) === 'data-finished', `${task} is released once, after its input ended`)
    this.stages.set(task, 'released')
    assert(
      isSafelyFinished(this.checkpoints, task, this.attempt) || this.options.intervalMs === null,
      `${task} is released only when it is finished in a committed checkpoint`,
    )
  }

  private openRequestsWithoutWrite(): number {
    const isWriting = [...this.checkpoints.values()].some(({ fate }) => fate === 'writing')
    return Math.max(0, this.openRequests.size - (isWriting ? 1 : 0))
  }
}
