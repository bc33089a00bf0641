import type { BarrierOptions } from '../../core/element.ts'
import type { ErrorInfo, TidemarkError } from '../../core/errors.ts'
import type { Attempt, CheckpointId, TaskId } from '../../core/ids.ts'
import type { TaskSnapshot } from '../../core/manifest.ts'
import type { DeclineReason, SnapshotMetrics } from '../worker/protocol.ts'

export type CheckpointPurpose = BarrierOptions['purpose']

export interface CoordinatorOptions {
  /** null: no periodic checkpoints; only requests trigger, and bounded input ends without one. */
  readonly intervalMs: number | null
  readonly timeoutMs: number
  /** From the completion of a checkpoint to the next periodic trigger. */
  readonly minPauseMs: number
  readonly maxConcurrent: number
  readonly tolerableFailures: number
  /** How many complete checkpoints are kept; at least 1. */
  readonly retained: number
  /** Greater than every id that was ever triggered in this run, in any process. */
  readonly firstCheckpoint: CheckpointId
}

/** A task of an attempt, as the coordinator needs to know it. */
export interface CoordinatedTask {
  readonly task: TaskId
  readonly vertex: string
  readonly subtask: number
  /** Tasks that send to it. */
  readonly upstream: readonly TaskId[]
  /** Restored as finished: it only ends its outputs and takes no part in any checkpoint. */
  readonly isFinished: boolean
}

/** `at`: monotonic milliseconds, for deadlines. `now`: wall-clock milliseconds, only for what people read. */
export interface EventTime {
  readonly at: number
  readonly now: number
}

/** What happened. Events of one attempt arrive in the order in which its tasks sent them. */
export type CoordinatorEvent = EventTime &
  (
    | {
        /** Every task runs. Not while a manifest is being written (`isWritingManifest`). */
        readonly kind: 'attempt-started'
        readonly attempt: Attempt
        readonly tasks: readonly CoordinatedTask[]
        /** Complete checkpoints (no savepoints) that storage holds now, oldest first: read again for every attempt. */
        readonly completed: readonly CheckpointId[]
      }
    /** No task of the attempt runs any more, or none shall be listened to. */
    | { readonly kind: 'attempt-stopped' }
    | { readonly kind: 'tick' }
    /** Somebody asks for a checkpoint; answered by `request-done` or `request-failed` with the same token, exactly once. */
    | {
        readonly kind: 'request'
        readonly token: number
        readonly purpose: CheckpointPurpose
        /** Does not wait for `maxConcurrent`. Savepoints never do. */
        readonly isForced?: boolean
      }
    /** The trigger could not be sent out, e.g. because an enumerator could not be snapshotted. */
    | { readonly kind: 'trigger-failed'; readonly checkpoint: CheckpointId; readonly error: unknown }
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
    | { readonly kind: 'data-finished'; readonly attempt: Attempt; readonly task: TaskId }
    /** Only tasks that were released, or restored as finished, may end. */
    | { readonly kind: 'task-finished'; readonly attempt: Attempt; readonly task: TaskId }
    | { readonly kind: 'manifest-written'; readonly checkpoint: CheckpointId }
    | {
        readonly kind: 'manifest-failed'
        readonly checkpoint: CheckpointId
        readonly error: unknown
        /** Nobody knows whether the checkpoint exists (`STORAGE_OUTCOME_UNKNOWN`). */
        readonly isOutcomeUnknown: boolean
      }
    /** Every commit of this checkpoint and of all before it is confirmed. */
    | { readonly kind: 'commits-confirmed'; readonly checkpoint: CheckpointId }
  )

/** Why a triggered checkpoint will never complete. */
export type CheckpointFailureReason =
  | DeclineReason
  | 'expired'
  | 'manifest-failed'
  | 'trigger-failed'
  | 'attempt-stopped'

/** What is to be done, in this order. */
export type CoordinatorAction =
  /** Send the barrier's trigger to `tasks`: those without a living upstream task. */
  | {
      readonly kind: 'trigger'
      readonly checkpoint: CheckpointId
      readonly purpose: CheckpointPurpose
      readonly timestamp: number
      readonly options: BarrierOptions
      readonly tasks: readonly TaskId[]
    }
  /** Make the checkpoint exist. One at a time; answered by `manifest-written` or `manifest-failed`, also after the attempt stopped. */
  | {
      readonly kind: 'write-manifest'
      readonly checkpoint: CheckpointId
      readonly purpose: CheckpointPurpose
      /** Wall-clock milliseconds of the trigger. */
      readonly triggeredAt: number
      /** Of every task of the attempt. A task that had gone before is finished, without operators, files and watermark. */
      readonly snapshots: ReadonlyMap<TaskId, TaskSnapshot>
      /** Of every task that acknowledged. */
      readonly metrics: ReadonlyMap<TaskId, SnapshotMetrics>
      /** Every task is finished in it. */
      readonly isFinal: boolean
    }
  /** Tell every task, commit, then report `commits-confirmed`. Never for savepoints, never after the attempt stopped. */
  | { readonly kind: 'notify-complete'; readonly checkpoint: CheckpointId }
  /** Tell every task. */
  | {
      readonly kind: 'notify-aborted'
      readonly checkpoint: CheckpointId
      readonly reason: CheckpointFailureReason
      readonly error: ErrorInfo | null
    }
  /** Remove everything of a checkpoint that will never complete. */
  | { readonly kind: 'discard'; readonly checkpoint: CheckpointId }
  /** Remove the files of one snapshot that belongs to no checkpoint. They may be gone already. */
  | { readonly kind: 'discard-snapshot'; readonly checkpoint: CheckpointId; readonly snapshot: TaskSnapshot }
  /** Remove a complete checkpoint: enough newer ones are durable. */
  | { readonly kind: 'retire'; readonly checkpoint: CheckpointId }
  /** Let these tasks end. They take part in no later checkpoint. */
  | { readonly kind: 'release'; readonly tasks: readonly TaskId[] }
  /** Stop the attempt and let the restart strategy decide; `attempt-stopped` has to follow. */
  | { readonly kind: 'fail-attempt'; readonly error: TidemarkError }
  /** `checkpoint` is the one asked for, or a newer one that subsumed it. */
  | { readonly kind: 'request-done'; readonly token: number; readonly checkpoint: CheckpointId }
  | { readonly kind: 'request-failed'; readonly token: number; readonly error: TidemarkError }
  /** Send `tick` at `at` (monotonic); replaces the earlier wish. A `tick` too early or too many does no harm. */
  | { readonly kind: 'wake-at'; readonly at: number }
