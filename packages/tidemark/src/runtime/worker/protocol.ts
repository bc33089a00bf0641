import type { BarrierOptions } from '../../core/element.ts'
import type { ErrorInfo } from '../../core/errors.ts'
import type { Attempt, CheckpointId, OperatorId, TaskId } from '../../core/ids.ts'
import type { KeyedStateSnapshot, ListStateSnapshot, TaskSnapshot } from '../../core/manifest.ts'
import type { Split } from '../../core/source.ts'

/**
 * Every message between the job master (main thread) and a task host (a thread that runs tasks), as plain data. Each link is FIFO in both directions
 * and loses nothing while the attempt lives. Messages of other attempts are dropped by the receiver.
 */
export type ToTaskHost =
  | { readonly kind: 'deploy'; readonly attempt: Attempt; readonly tasks: readonly TaskDeployment[] }
  /** Every task is ready: start processing. */
  | { readonly kind: 'start'; readonly attempt: Attempt }
  /** To tasks without living upstream tasks: inject the barrier. */
  | {
      readonly kind: 'trigger'
      readonly attempt: Attempt
      readonly task: TaskId
      readonly checkpoint: CheckpointId
      readonly timestamp: number
      readonly options: BarrierOptions
    }
  | { readonly kind: 'complete'; readonly attempt: Attempt; readonly checkpoint: CheckpointId }
  | { readonly kind: 'committed'; readonly attempt: Attempt; readonly checkpoint: CheckpointId }
  | { readonly kind: 'aborted'; readonly attempt: Attempt; readonly checkpoint: CheckpointId }
  | {
      readonly kind: 'assign-splits'
      readonly attempt: Attempt
      readonly task: TaskId
      readonly splits: readonly Split[]
    }
  | { readonly kind: 'no-more-splits'; readonly attempt: Attempt; readonly task: TaskId }
  /** The task's last checkpoint is complete and its commits are confirmed: end the outputs and go. */
  | { readonly kind: 'release'; readonly attempt: Attempt; readonly task: TaskId }
  /** Stop every task at once, without finishing anything. */
  | { readonly kind: 'cancel'; readonly attempt: Attempt }

export type FromTaskHost =
  /** Opened and restored: ready to start. */
  | { readonly kind: 'ready'; readonly attempt: Attempt; readonly task: TaskId }
  | { readonly kind: 'request-split'; readonly attempt: Attempt; readonly task: TaskId; readonly operator: OperatorId }
  | {
      readonly kind: 'acknowledge'
      readonly attempt: Attempt
      readonly task: TaskId
      readonly checkpoint: CheckpointId
      readonly snapshot: TaskSnapshot
      readonly metrics: SnapshotMetrics
    }
  | {
      readonly kind: 'decline'
      readonly attempt: Attempt
      readonly task: TaskId
      readonly checkpoint: CheckpointId
      readonly reason: DeclineReason
      readonly error: ErrorInfo | null
    }
  /** All input has ended, `finish` ran, everything was sent: only a last checkpoint is missing. */
  | { readonly kind: 'data-finished'; readonly attempt: Attempt; readonly task: TaskId }
  /** Ended in order, closed. */
  | { readonly kind: 'finished'; readonly attempt: Attempt; readonly task: TaskId }
  /** Stopped after `cancel`, closed. */
  | { readonly kind: 'canceled'; readonly attempt: Attempt; readonly task: TaskId }
  /** Failed, closed. The host has stopped this task; the others still run. */
  | { readonly kind: 'failed'; readonly attempt: Attempt; readonly task: TaskId; readonly error: ErrorInfo }

/** Why a task did not take a snapshot. Only `snapshot-failed` counts as a failure of the checkpoint. */
export type DeclineReason =
  | 'subsumed'
  | 'cancellation-barrier'
  | 'input-end-of-stream'
  | 'alignment-limit'
  | 'not-running'
  | 'snapshot-failed'

export interface SnapshotMetrics {
  /** From trigger to barrier at this task, by the wall clock. */
  readonly startDelayMs: number
  readonly alignmentMs: number
  readonly syncMs: number
  readonly asyncMs: number
  readonly bytes: number
}

export interface TaskDeployment {
  readonly task: TaskId
  readonly vertex: string
  readonly subtask: number
  readonly restore: TaskRestore | null
}

/** What a task starts from: the parts of a checkpoint that are its share. */
export interface TaskRestore {
  readonly checkpoint: CheckpointId
  /** The task had finished: it only ends its outputs. */
  readonly isFinished: boolean
  readonly watermark: number | null
  readonly operators: readonly OperatorRestore[]
}

export interface OperatorRestore {
  readonly operator: OperatorId
  /** Snapshots that hold key groups of this task; each contributes the blocks of these groups. */
  readonly keyed: readonly KeyedStateSnapshot[]
  /** Items to restore: `first` … `first + count − 1` of each snapshot. */
  readonly lists: readonly { readonly snapshot: ListStateSnapshot; readonly first: number; readonly count: number }[]
}
