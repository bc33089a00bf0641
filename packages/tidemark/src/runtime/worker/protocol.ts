import type { BarrierOptions } from '../../core/element.ts'
import type { ErrorInfo } from '../../core/errors.ts'
import type { Attempt, CheckpointId, Epoch, OperatorId, RunId, TaskId } from '../../core/ids.ts'
import type { KeyedStateSnapshot, ListStateSnapshot, TaskSnapshot } from '../../core/manifest.ts'
import type { ResolvedOptions } from '../../core/options.ts'
import type { JobPlan } from '../../core/plan.ts'
import type { Split } from '../../core/source.ts'
import type { WorkerChannel } from './remote-channels.ts'
import type { SecretLine } from './secret-line.ts'
import type { HostMetrics } from './task-host.ts'

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
  /** A reader or writer tells people something. */
  | { readonly kind: 'warn'; readonly attempt: Attempt; readonly task: TaskId; readonly message: string }
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

/** The last message about a task. */
export function isEndOfTask(message: FromTaskHost): boolean {
  return message.kind === 'finished' || message.kind === 'canceled' || message.kind === 'failed'
}

/** Messages to a worker thread: those to its task host, and how it begins and ends. */
export type ToWorker =
  /** The first: load the job, which is named only later. */
  | { readonly kind: 'load'; readonly module: JobModule; readonly argv: readonly string[] }
  | WorkerStart
  | ToTaskHost
  /** Every task has ended: leave. */
  | { readonly kind: 'exit' }

/** Messages from a worker thread. */
export type FromWorker =
  | FromTaskHost
  /** What the tasks have counted so far: now and then, and before each task's end. */
  | { readonly kind: 'metrics'; readonly metrics: HostMetrics }
  /** The worker could not become a task host; it leaves. */
  | { readonly kind: 'refused'; readonly error: ErrorInfo }
  /** The last message of a worker in which something was thrown that nobody caught. */
  | { readonly kind: 'crashing'; readonly error: ErrorInfo }

/** Where a job comes from: the bundle, and the file that it was made from. */
export interface JobModule {
  readonly entry: string
  readonly file: string
  /** SHA-256 of the bundle's bytes, in hexadecimal: the main thread runs these. */
  readonly hash?: string
  /** The file is never replaced: nothing has to be compared. */
  readonly neverChanges?: boolean
}

/** What makes a worker a task host: everything from which it makes the same job and finds the same files. */
export interface WorkerStart {
  readonly kind: 'start-worker'
  readonly worker: number
  readonly workers: number
  /** `resolved` where they survive the way to another thread as they are, else as given. */
  readonly params: { readonly kind: 'resolved' | 'raw'; readonly value: unknown }
  /** What the main thread has built: the worker's own has to be the same. */
  readonly plan: JobPlan
  readonly options: ResolvedOptions
  /** The job's checkpoint directory. */
  readonly directory: string
  readonly run: RunId
  readonly epoch: Epoch
  readonly attempt: Attempt
  /** This worker's ends of channels to other workers. */
  readonly channels: readonly WorkerChannel[]
  /** Of all workers: whom to tell, and where to listen. */
  readonly doorbells: readonly SharedArrayBuffer[]
  readonly secrets: SecretLine
}

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
