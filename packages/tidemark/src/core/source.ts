import type { Clock } from './clock.ts'
import type { FileSystem } from './file-system.ts'
import type { CheckpointId, OperatorId } from './ids.ts'
import type { Sink } from './sink.ts'

/** Marks sources, also those of another copy of the package. */
export const SOURCE = Symbol.for('tidemark.source')

/**
 * A part of the input that one reader reads at a time, with the position from which to read on. Plain, encodable data:
 * it travels between threads and is stored in checkpoints.
 */
export interface Split {
  /** Unique within the source, the same after every restart. */
  readonly id: string
  readonly [field: string]: unknown
}

/**
 * Where records come from. An enumerator (one per job, on the main thread) finds splits and assigns them; readers (one
 * per task) read them. What must be remembered is in the enumerator's snapshot and in the splits of the readers' snapshots.
 */
export interface Source<T> {
  readonly [SOURCE]: { readonly record?: T }
  /** For people and plans: `lines`, `generator`. */
  readonly kind: string
  readonly isBounded: boolean
  /** `exact`: reading on from a stored position yields the same records. `none`: records since the position are lost on restart (at most once). */
  readonly replay: 'exact' | 'none'
  /** Settings that people may see in the plan. Never a secret. */
  readonly describe?: Readonly<Record<string, string | number | boolean>>
  /**
   * Takes what readers `reject`, with the guarantee of its delivery: records of a source of name `orders` go through a sink step of their own, `orders.dead-letters`. Under
   * that name its transactions lie in checkpoints, as the source's positions lie under the source's.
   */
  readonly deadLetters?: Sink<never>
  createEnumerator(context: EnumeratorContext): SplitEnumerator
  createReader(context: ReaderContext): SourceReader<T>
}

export interface EnumeratorContext {
  readonly job: string
  readonly operator: OperatorId
  readonly parallelism: number
  /** What `snapshot` returned in the checkpoint restored from; undefined on a fresh start. */
  readonly restored: unknown
  readonly clock: Clock
  readonly files: FileSystem
  /** The secret's value; `SECRET_MISSING` when it is not set. */
  readonly secret: (name: string) => string
  /** Tells people what they should know, though the job goes on. */
  readonly warn: (message: string) => void
  /** Hands splits to a reader. In the same FIFO as checkpoint triggers. */
  readonly assign: (subtask: number, splits: readonly Split[]) => void
  /** Tells a reader that nothing more will come. */
  readonly noMoreSplits: (subtask: number) => void
  /** Fails the attempt. */
  readonly fail: (error: unknown) => void
}

/**
 * Finds splits. All methods are called on the main thread, one after the other; only `start` may be asynchronous
 * (requests that come meanwhile are delivered after it).
 */
export interface SplitEnumerator {
  start?(): void | Promise<void>
  /** A reader has nothing to do. Also called once for every reader when it is running. */
  onSplitRequest(subtask: number): void
  /** Synchronous, and without effect: splits assigned before belong to the readers' snapshots, those after to neither. */
  snapshot(checkpoint: CheckpointId): unknown
  notifyComplete?(checkpoint: CheckpointId): void
  close?(): void | Promise<void>
}

export interface ReaderContext {
  readonly job: string
  readonly operator: OperatorId
  readonly subtask: number
  readonly parallelism: number
  readonly clock: Clock
  readonly files: FileSystem
  /** The secret's value; `SECRET_MISSING` when it is not set. */
  readonly secret: (name: string) => string
  /** Asks the enumerator for work. */
  readonly requestSplit: () => void
  /** Tells the task that `poll` is worth calling again. Safe to call at any time, also needlessly. */
  readonly wake: () => void
  /** Tells people what they should know, though the job goes on. */
  readonly warn: (message: string) => void
  /** Fails the attempt: for what asynchronous fetching finds out. */
  readonly fail: (error: unknown) => void
}

/** `more`: call again at once. `nothing-now`: call again after `wake`. `end`: bounded, and everything was emitted. */
export type PollResult = 'more' | 'nothing-now' | 'end'

/** Takes what a reader emits. */
export interface SourceOutput<T> {
  /** `timestamp`: event time in milliseconds where the source knows one. */
  emit(record: T, timestamp?: number): void
  /**
   * What could not become a record: goes to the source's dead letters, beside the stream and through the same checkpoints; where the source has none it is counted as
   * skipped and left out. A reader that must not skip throws instead.
   */
  reject(record: unknown, timestamp?: number): void
}

/**
 * Reads splits. `poll` and `snapshot` are synchronous: fetching goes on asynchronously behind them and calls `wake`.
 *
 * Invariant: a snapshot's positions follow exactly the last record emitted or rejected; a reader made from the snapshot's splits
 * emits exactly the records after it (where `replay` is `exact`).
 */
export interface SourceReader<T> {
  open?(): void | Promise<void>
  /** New splits, or (before the first `poll`) those of the restored checkpoint. */
  addSplits(splits: readonly Split[]): void
  readonly noMoreSplits: () => void
  /** Emits and rejects at most `max` records together. Bounded work, never waits. */
  poll(output: SourceOutput<T>, max: number): PollResult
  /** For people: the position of the record emitted or rejected as number `index` in the last `poll`. */
  describePosition?(index: number): string
  /** Unfinished splits with their positions. */
  snapshot(checkpoint: CheckpointId): readonly Split[]
  /** The checkpoint is durable: what lies before its positions may be acknowledged upstream. Ids may be skipped. */
  notifyComplete?(checkpoint: CheckpointId): void
  close?(): void | Promise<void>
}
