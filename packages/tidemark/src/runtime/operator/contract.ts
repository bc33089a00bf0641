import type { RecordBatch } from '../../core/element.ts'
import type { Clock } from '../../core/clock.ts'
import type { CheckpointId, OperatorId } from '../../core/ids.ts'
import type { PreparedCommittable } from '../../core/manifest.ts'
import type { KeyedStateBackend, ListSnapshot } from '../state/contract.ts'

/**
 * One step of a chain. The chain is the caller; both sides keep to this:
 *
 * The caller
 * - calls one method at a time, never from within another one, and only while every collector of the operator is empty and everything
 *   downstream in the chain is at rest;
 * - calls `open` first and awaits it; `close` last, exactly once, also after failures;
 * - after any call, while `isBusy`, hands the collected records on and calls `resume` before anything else: records, watermarks, barriers, ends;
 * - calls `prepareBarrier`, then `snapshot`, with nothing between them but `resume` and the same calls to the other operators of the chain;
 * - calls `endInput` once per input, after its last record, then `finish` once, only where the input ended by itself (drain).
 *
 * The operator
 * - never waits: it does a bounded amount of work and leaves the rest to `resume`;
 * - stops when a collector `isFull`: `process` returns the index of the first record not handled; what a single record
 *   still has to emit stays behind `isBusy`;
 * - keeps everything that must survive a crash in declared state or its snapshot;
 * - never touches a batch it was given or has emitted.
 */
export interface Operator {
  open?(): void | Promise<void>
  /** Handles records `from` … `to − 1` of `batch` on `input`; returns the index of the first one not handled. */
  process(input: number, batch: RecordBatch, from: number, to: number): number
  /** Whether work is left over (an iterable not yet pulled to its end, timers still to fire). Absent: never. */
  readonly isBusy?: boolean
  /** Goes on with what is left over, until done or a collector is full. */
  resume?(): void
  /** The task's watermark has advanced. The chain forwards it downstream after the operator is no longer busy. */
  onWatermark?(timestamp: number): void
  /** No more records will come on this input. */
  endInput?(input: number): void
  /** All inputs have ended by themselves: the last chance to emit. */
  finish?(): void
  /** Barrier `checkpoint` is next: what has to be in front of it may be emitted now. */
  prepareBarrier?(checkpoint: CheckpointId): void
  /** The synchronous part of the snapshot. */
  snapshot?(checkpoint: CheckpointId): OperatorSnapshotting
  /** The checkpoint is durable. Ids may be skipped: everything up to it is. */
  notifyComplete?(checkpoint: CheckpointId): void
  /** The checkpoint will never complete. Nothing is rolled back. */
  notifyAborted?(checkpoint: CheckpointId): void
  /** Sinks: the committables of all checkpoints up to this one are confirmed. */
  notifyCommitted?(checkpoint: CheckpointId): void
  /** The job ends without a last checkpoint: sinks write out what they hold. After `finish`, before `close`. */
  flush?(): Promise<void>
  close?(): void | Promise<void>
}

/** What an operator hands out at a barrier beside its keyed state, which the task takes: fixed at that moment, written afterwards while processing goes on. */
export interface OperatorSnapshotting {
  /** Encoded by the caller after the synchronous part: values are immutable, so references are enough. */
  readonly lists?: readonly ListSnapshot[]
  /** Pre-commit of a sink: the acknowledgement waits for it. */
  readonly committables?: Promise<readonly PreparedCommittable[]>
}

/** Collects what an operator emits on one output. */
export interface Collector {
  /** True when the operator should stop as soon as the record it is at is done. */
  readonly isFull: boolean
  /** `index`: which record of the batch being processed this comes from; `timestamp` NaN for none. */
  emit(value: unknown, timestamp: number, index: number): void
  /** Hands a whole batch on unchanged. Only while nothing is collected. */
  emitBatch(batch: RecordBatch): void
  /** How many records are collected. */
  readonly size: number
  /** Forgets all but the first `size` records collected: a record whose processing threw is skipped whole. */
  truncate(size: number): void
}

/** The narrow host interface: all that an operator sees of the engine. */
export interface OperatorContext {
  readonly job: string
  readonly operator: OperatorId
  readonly subtask: number
  readonly parallelism: number
  readonly clock: Clock
  readonly outputs: readonly Collector[]
  /** Of keyed operators. */
  readonly keyedState: KeyedStateBackend | null
  /** Restored items of the operator list or broadcast state of this name; [] on a fresh start. */
  restoredList(name: string): readonly unknown[]
  readonly hasRestored: boolean
  readonly resources: Readonly<Record<string, unknown>>
  /** Counts a record that was skipped or became a dead letter. */
  countError(kind: 'skipped' | 'dead-letter'): void
  readonly isDevelopment: boolean
}
