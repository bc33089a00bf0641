import type { ChannelIndex, CheckpointId } from './ids.ts'

/**
 * The unit of work everywhere: some records, in order. Records are immutable from the moment they are emitted, and a
 * batch is immutable from the moment it is handed on: the same batch may be read by several consumers.
 */
export interface RecordBatch {
  readonly kind: 'records'
  readonly values: readonly unknown[]
  /** Event time of each record in milliseconds, or null when no record of the batch has one. */
  readonly timestamps: readonly number[] | null
  /**
   * Only between a source and the end of its own chain: for each record the index of the source record it came from
   * within the source batch `origin`, null for "the same index". Lets an error name the source position.
   */
  readonly origins: readonly number[] | null
  readonly origin: BatchOrigin | null
  /**
   * Only on an edge by key, between its two ends: of each record the key's hash (`signedKeyHash`), which the sender needed too. Who uses it makes sure that a key it meets for the first
   * time has that hash.
   */
  readonly keyHashes: readonly number[] | null
}

/** Finds the position of a source record when somebody has to know it (an error, a dead letter); costs nothing before. */
export interface BatchOrigin {
  /** For people: `books/moby.txt byte 1204`, `orders[3] offset 77`. */
  describe(index: number): string
}

/** How a checkpoint wants its barriers treated. Savepoints are owned by the user and always aligned. */
export interface BarrierOptions {
  readonly purpose: 'checkpoint' | 'savepoint'
  readonly alignment: 'aligned' | 'unaligned' | 'aligned-with-timeout'
}

/** Separates what is in snapshot `checkpoint` from what is not. */
export interface CheckpointBarrier {
  readonly kind: 'barrier'
  readonly checkpoint: CheckpointId
  /** When the coordinator triggered it: wall-clock milliseconds. */
  readonly timestamp: number
  readonly options: BarrierOptions
}

/** Tells everybody downstream that this checkpoint will not happen, so that no channel waits for its barrier. */
export interface CancelCheckpointMarker {
  readonly kind: 'cancel-checkpoint'
  readonly checkpoint: CheckpointId
}

/** Event time has reached `timestamp` on this channel. `Infinity` is the end of time (bounded input ended). */
export interface Watermark {
  readonly kind: 'watermark'
  readonly timestamp: number
}

/** Whether this channel currently counts for the watermark. */
export interface StreamStatus {
  readonly kind: 'status'
  readonly idle: boolean
}

/**
 * No more records will come on this channel (barriers still may). `drain` says that operators shall finish: false
 * when the job is suspended by stop-with-savepoint without drain.
 */
export interface EndOfData {
  readonly kind: 'end-of-data'
  readonly drain: boolean
}

/** Nothing at all will come on this channel any more. */
export interface EndOfPartition {
  readonly kind: 'end-of-partition'
}

export type StreamEvent =
  | CheckpointBarrier
  | CancelCheckpointMarker
  | Watermark
  | StreamStatus
  | EndOfData
  | EndOfPartition

/** Everything that travels through a channel. */
export type StreamElement = RecordBatch | StreamEvent

/** An element together with the channel it came from. */
export interface BufferOrEvent {
  readonly channel: ChannelIndex
  readonly element: StreamElement
}

export const END_OF_PARTITION: EndOfPartition = { kind: 'end-of-partition' }
export const ALIGNED_CHECKPOINT: BarrierOptions = { purpose: 'checkpoint', alignment: 'aligned' }

/** A batch without timestamps and origins. */
export function recordBatch(values: readonly unknown[], timestamps: readonly number[] | null = null): RecordBatch {
  return { kind: 'records', values, timestamps, origins: null, origin: null, keyHashes: null }
}
