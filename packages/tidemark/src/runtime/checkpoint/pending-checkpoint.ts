import { assert } from '../../core/errors.ts'
import type { Attempt, CheckpointId, TaskId } from '../../core/ids.ts'
import type { TaskSnapshot } from '../../core/manifest.ts'
import type { SnapshotMetrics } from '../worker/protocol.ts'
import type { AttemptTasks } from './attempt-tasks.ts'
import type { CheckpointPurpose, CoordinatorAction } from './coordinator-contract.ts'

/** What an acknowledgement means to the checkpoint it names. `unknown-task`: the task takes no part in it. */
export type AcknowledgeOutcome = 'accepted' | 'duplicate' | 'unknown-task'

/** `collecting` acknowledgements · `acknowledged` by everybody, waits for its turn · `writing` its manifest: from here on only the outcome decides. */
export type PendingPhase = 'collecting' | 'acknowledged' | 'writing'

export interface PendingCheckpointOptions {
  readonly checkpoint: CheckpointId
  readonly purpose: CheckpointPurpose
  readonly attempt: Attempt
  /** Wall clock. */
  readonly triggeredAt: number
  /** Monotonic. */
  readonly deadline: number
  readonly token: number | null
  readonly tasks: AttemptTasks
}

/** A checkpoint that was triggered and whose fate is open. */
export class PendingCheckpoint {
  readonly checkpoint: CheckpointId
  readonly purpose: CheckpointPurpose
  readonly attempt: Attempt
  readonly deadline: number
  readonly token: number | null
  /** Triggered when all living tasks had ended: when it completes, all are finished in it. */
  readonly isAfterEndOfData: boolean
  /** Tasks whose acknowledgement it needs: those alive when it was triggered. */
  readonly participants: ReadonlySet<TaskId>
  private readonly triggeredAt: number
  private readonly awaited: Set<TaskId>
  private readonly snapshots = new Map<TaskId, TaskSnapshot>()
  private readonly metrics = new Map<TaskId, SnapshotMetrics>()
  private phaseNow: PendingPhase = 'collecting'

  constructor({ checkpoint, purpose, attempt, triggeredAt, deadline, token, tasks }: PendingCheckpointOptions) {
    assert(tasks.livingCount > 0, 'a checkpoint without tasks')
    this.checkpoint = checkpoint
    this.purpose = purpose
    this.attempt = attempt
    this.triggeredAt = triggeredAt
    this.deadline = deadline
    this.token = token
    this.isAfterEndOfData = tasks.isAllDataFinished
    this.participants = new Set(tasks.living())
    this.awaited = new Set(this.participants)
    for (const { task, vertex, subtask } of tasks.all()) {
      if (this.participants.has(task)) continue
      this.snapshots.set(task, { vertex, subtask, isFinished: true, watermark: null, operators: [], files: [] })
    }
  }

  get phase(): PendingPhase {
    return this.phaseNow
  }

  isAwaiting(task: TaskId): boolean {
    return this.awaited.has(task)
  }

  acknowledge(task: TaskId, snapshot: TaskSnapshot, metrics: SnapshotMetrics): AcknowledgeOutcome {
    if (!this.participants.has(task)) return 'unknown-task'
    if (!this.awaited.delete(task)) return 'duplicate'
    this.snapshots.set(task, snapshot)
    this.metrics.set(task, metrics)
    if (this.awaited.size === 0) this.phaseNow = 'acknowledged'
    return 'accepted'
  }

  isExpired(at: number): boolean {
    return this.phaseNow === 'collecting' && at >= this.deadline
  }

  startWriting(): Extract<CoordinatorAction, { kind: 'write-manifest' }> {
    assert(this.phaseNow === 'acknowledged', `checkpoint ${this.checkpoint} is written while ${this.phaseNow}`)
    this.phaseNow = 'writing'
    const { checkpoint, purpose, triggeredAt, snapshots, metrics } = this
    const isFinal = [...snapshots.values()].every(({ isFinished }) => isFinished)
    return { kind: 'write-manifest', checkpoint, purpose, triggeredAt, snapshots, metrics, isFinal }
  }

  /** Participants whose input had ended when they took their snapshot. */
  finishedTasks(): readonly TaskId[] {
    return [...this.participants].filter((task) => this.snapshots.get(task)?.isFinished === true)
  }
}
