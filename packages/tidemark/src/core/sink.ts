import type { Clock } from './clock.ts'
import type { FileSystem } from './file-system.ts'
import type { Attempt, CheckpointId, Epoch, OperatorId, RunId } from './ids.ts'

/** Marks sinks, also those of another copy of the package. */
export const SINK = Symbol.for('tidemark.sink')

export type Delivery = 'exactly-once' | 'at-least-once'

/**
 * What names a transaction well enough to commit it in another process after a crash. Plain JSON: it is stored in the manifest.
 */
export interface Committable {
  /** Layout of `data`, chosen by the sink. */
  readonly version: number
  readonly data: Readonly<Record<string, string | number | boolean | null>>
}

/**
 * Where records go. A writer per task writes; where `delivery` is `exactly-once`, what it wrote becomes visible only when
 * the committer (one per sink, on the main thread) commits the committables of a complete checkpoint.
 *
 * Order, for every checkpoint: `prepareCommit` of all writers → acknowledged → manifest durable → `commit`. A committable stays
 * in every later manifest until its commit is confirmed.
 */
export interface Sink<in T, out D extends Delivery = Delivery> {
  readonly [SINK]: { readonly record?: (record: T) => void }
  readonly kind: string
  readonly delivery: D
  readonly describe?: Readonly<Record<string, string | number | boolean>>
  createWriter(context: WriterContext): SinkWriter<T>
  /** Required where `delivery` is `exactly-once`. */
  createCommitter?(context: CommitterContext): Committer
}

export interface SinkIdentity {
  readonly job: string
  readonly operator: OperatorId
  readonly run: RunId
  readonly epoch: Epoch
}

export interface WriterContext extends SinkIdentity {
  readonly attempt: Attempt
  readonly subtask: number
  readonly parallelism: number
  readonly clock: Clock
  readonly files: FileSystem
  readonly secret: (name: string) => string
  /** Tells the task that `write` may take records again. */
  readonly wake: () => void
  /** Tells people what they should know, though the job goes on. */
  readonly warn: (message: string) => void
  /** Fails the attempt: for what asynchronous writing finds out. */
  readonly fail: (error: unknown) => void
}

export interface SinkWriter<T> {
  open?(): void | Promise<void>
  /**
   * Takes records `from` … `to − 1` and returns the index of the first one not taken (`to` when all were). Bounded work, never
   * waits: a writer whose buffers are full takes none and calls `wake` when there is room.
   */
  write(values: readonly T[], from: number, to: number, timestamps: readonly number[] | null): number
  /**
   * Barrier `checkpoint` is here. Synchronously (before the first await): everything written so far belongs to this checkpoint, everything
   * after to the next transaction. The promise resolves when what belongs to it is durable (pre-committed, flushed) with the committables, none
   * for an empty transaction. The acknowledgement waits for it; its failure fails the attempt. It settles in any case, also after `close`: the next
   * attempt waits for it.
   */
  prepareCommit(checkpoint: CheckpointId): Promise<readonly Committable[]>
  /** The committables of all checkpoints up to this one are confirmed. Ids may be skipped. */
  notifyCommitted?(checkpoint: CheckpointId): void
  /** Releases everything. What was not pre-committed may be thrown away. Called once, also after failures. */
  close?(): void | Promise<void>
}

export interface CommitterContext extends SinkIdentity {
  readonly clock: Clock
  readonly files: FileSystem
  readonly secret: (name: string) => string
  /** Null where the job takes no checkpoints. */
  readonly checkpointIntervalMs: number | null
  readonly checkpointTimeoutMs: number
  /** Tells people what they should know, though the job goes on. */
  readonly warn: (message: string) => void
}

/** `retry`: not now, ask again. `lost`: cannot be committed any more, the records are gone: the job fails loudly and names it. */
export type CommitResult =
  | { readonly kind: 'committed' | 'already-committed' }
  | { readonly kind: 'retry' | 'lost'; readonly error: unknown }

/**
 * `fresh`: no checkpoint is restored. `isForced`: the user said `--fresh`. `unfinished`: the job's record is there and names this run, which was stopped before it had completed a checkpoint; absent where
 * nothing is known of an earlier run that has not ended, be it that there was none or that the record was lost. `restored`: from a checkpoint of run `from`, which is this run's own, or another one
 * whose output this run takes over and goes on with.
 */
export type StartKind =
  | { readonly kind: 'fresh'; readonly isForced: boolean; readonly unfinished?: RunId }
  | { readonly kind: 'restored'; readonly from: RunId }

/** Makes transactions visible. Runs on the main thread; calls never overlap. */
export interface Committer {
  /**
   * Before anything is written in this process, and without writing: `OUTPUT_EXISTS` when the output holds results of another run, `OUTPUT_WITHOUT_CHECKPOINT` when it
   * holds traces of this job though nothing is restored (unless forced). `pending`: what the restored checkpoint holds that may not be committed yet; `COMMIT_LOST` when it is known already
   * that it cannot be. What it throws leaves everything as it was.
   */
  check?(start: StartKind, pending?: readonly Committable[]): Promise<void>
  /** Claims the output for this run, after `check`. Deletes nothing of others. */
  start?(start: StartKind): Promise<void>
  /** Idempotent: one result per committable. Called again for `retry`, also by another process. */
  commit(committables: readonly Committable[]): Promise<readonly CommitResult[]>
  /**
   * On recovery, after all committables of the restored checkpoint are confirmed and while no writer lives: aborts every other
   * transaction of this job, pre-committed or not, and removes what it left.
   */
  abortOthers(): Promise<void>
  close?(): void | Promise<void>
}
