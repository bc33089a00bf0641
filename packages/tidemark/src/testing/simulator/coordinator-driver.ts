import { unreachable } from '../../core/errors.ts'
import { type Attempt, attempt, type CheckpointId, checkpointId, type TaskId, taskId } from '../../core/ids.ts'
import type { TaskSnapshot } from '../../core/manifest.ts'
import { CheckpointCoordinator } from '../../runtime/checkpoint/checkpoint-coordinator.ts'
import type {
  CoordinatedTask,
  CoordinatorAction,
  CoordinatorEvent,
  CoordinatorOptions,
  EventTime,
} from '../../runtime/checkpoint/coordinator-contract.ts'
import type { DeclineReason, SnapshotMetrics } from '../../runtime/worker/protocol.ts'

/** An event as a test writes it: the driver knows the time. */
type Untimed<E> = E extends EventTime ? Omit<E, keyof EventTime> : never
export type UntimedEvent = Untimed<CoordinatorEvent>

const DEFAULTS: CoordinatorOptions = {
  intervalMs: 1000,
  timeoutMs: 10_000,
  minPauseMs: 0,
  maxConcurrent: 1,
  tolerableFailures: 0,
  retained: 1,
  firstCheckpoint: checkpointId(1),
}

const METRICS: SnapshotMetrics = { startDelayMs: 0, alignmentMs: 0, syncMs: 0, asyncMs: 0, bytes: 0 }

/** Two sources, each sending to both tasks of a second vertex: `a#0 a#1 → b#0 b#1`. */
export const TWO_BY_TWO: readonly CoordinatedTask[] = [0, 1].flatMap((subtask) => [
  { task: taskId('a', subtask), vertex: 'a', subtask, upstream: [], isFinished: false },
  { task: taskId('b', subtask), vertex: 'b', subtask, upstream: [taskId('a', 0), taskId('a', 1)], isFinished: false },
])

/** Speaks to a coordinator in few words and writes down what it answers, one line per action. Time passes only by `pass`. */
export class CoordinatorDriver {
  readonly coordinator: CheckpointCoordinator
  readonly actions: CoordinatorAction[] = []
  at = 0
  attempt: Attempt = attempt(1)
  private readonly finished = new Set<TaskId>()

  constructor(options: Partial<CoordinatorOptions> = {}) {
    this.coordinator = new CheckpointCoordinator({ ...DEFAULTS, ...options })
  }

  /** Lines of what is to be done, without `wake-at`. */
  send(event: UntimedEvent): readonly string[] {
    const actions = this.coordinator.handle({ ...event, at: this.at, now: 1_000_000 + this.at })
    this.actions.push(...actions)
    return actions.filter(({ kind }) => kind !== 'wake-at').map(lineOf)
  }

  start(tasks: readonly CoordinatedTask[] = TWO_BY_TWO, completed: readonly number[] = []): readonly string[] {
    this.finished.clear()
    return this.send({ kind: 'attempt-started', attempt: this.attempt, tasks, completed: completed.map(checkpointId) })
  }

  stop(): readonly string[] {
    return this.send({ kind: 'attempt-stopped' })
  }

  /** Lets time pass and ticks. */
  pass(ms: number): readonly string[] {
    this.at += ms
    return this.send({ kind: 'tick' })
  }

  request(token: number, purpose: 'checkpoint' | 'savepoint' = 'checkpoint', isForced = false): readonly string[] {
    return this.send({ kind: 'request', token, purpose, isForced })
  }

  acknowledge(checkpoint: number, ...tasks: readonly string[]): readonly string[] {
    return tasks.flatMap((task) =>
      this.send({
        kind: 'acknowledge',
        attempt: this.attempt,
        task: task as TaskId,
        checkpoint: checkpointId(checkpoint),
        snapshot: snapshotOf(task as TaskId, this.finished.has(task as TaskId)),
        metrics: METRICS,
      }),
    )
  }

  decline(checkpoint: number, task: string, reason: DeclineReason = 'snapshot-failed'): readonly string[] {
    const error = reason === 'snapshot-failed' ? { name: 'Error', message: 'disk full' } : null
    const id = checkpointId(checkpoint)
    return this.send({ kind: 'decline', attempt: this.attempt, task: task as TaskId, checkpoint: id, reason, error })
  }

  dataFinished(...tasks: readonly string[]): readonly string[] {
    return tasks.flatMap((task) => {
      this.finished.add(task as TaskId)
      return this.send({ kind: 'data-finished', attempt: this.attempt, task: task as TaskId })
    })
  }

  taskFinished(...tasks: readonly string[]): readonly string[] {
    return tasks.flatMap((task) => this.send({ kind: 'task-finished', attempt: this.attempt, task: task as TaskId }))
  }

  written(checkpoint: number): readonly string[] {
    return this.send({ kind: 'manifest-written', checkpoint: checkpointId(checkpoint) })
  }

  writeFailed(checkpoint: number, isOutcomeUnknown = false): readonly string[] {
    const error = new Error('no space left')
    return this.send({ kind: 'manifest-failed', checkpoint: checkpointId(checkpoint), error, isOutcomeUnknown })
  }

  confirmed(checkpoint: number): readonly string[] {
    return this.send({ kind: 'commits-confirmed', checkpoint: checkpointId(checkpoint) })
  }

  /** When the coordinator last asked to be woken. */
  get wakeAt(): number | null {
    return this.actions.findLast((action) => action.kind === 'wake-at')?.at ?? null
  }

  /** The last action of a kind. */
  last<Kind extends CoordinatorAction['kind']>(kind: Kind): Extract<CoordinatorAction, { kind: Kind }> | undefined {
    return this.actions.findLast((action): action is Extract<CoordinatorAction, { kind: Kind }> => action.kind === kind)
  }
}

export function snapshotOf(task: TaskId, isFinished = false, file = `${task}.state`): TaskSnapshot {
  const [vertex = '', subtask = ''] = task.split('#')
  const files = [{ path: file, length: 1, crc32c: 0, scope: 'exclusive' as const }]
  return { vertex, subtask: Number(subtask), isFinished, watermark: null, operators: [], files }
}

function lineOf(action: CoordinatorAction): string {
  const id = 'checkpoint' in action ? ` ${action.checkpoint satisfies CheckpointId}` : ''
  switch (action.kind) {
    case 'trigger':
      return `${action.purpose === 'savepoint' ? 'trigger savepoint' : 'trigger'}${id} at ${action.tasks.join(' ')}`
    case 'write-manifest':
      return `write-manifest${id}${action.isFinal ? ' final' : ''}`
    case 'notify-aborted':
      return `notify-aborted${id} ${action.reason}`
    case 'discard-snapshot':
      return `discard-snapshot${id} ${action.snapshot.vertex}#${action.snapshot.subtask}`
    case 'release':
      return `release ${action.tasks.join(' ')}`
    case 'fail-attempt':
      return `fail-attempt ${action.error.code}`
    case 'request-done':
      return `request-done ${action.token} by${id}`
    case 'request-failed':
      return `request-failed ${action.token}`
    case 'discard':
    case 'notify-complete':
    case 'retire':
    case 'wake-at':
      return `${action.kind}${id}`
    default:
      return unreachable(action)
  }
}
