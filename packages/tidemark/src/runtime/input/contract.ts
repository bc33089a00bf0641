import type { BufferOrEvent, CheckpointBarrier, StreamElement } from '../../core/element.ts'
import type { ChannelIndex, CheckpointId } from '../../core/ids.ts'

/**
 * All input channels of one task behind one door; channel indices run through all inputs. Blocking a channel means not reading it: its sender
 * feels back pressure, nothing is stored.
 */
export interface InputGate {
  readonly channels: number
  /** The next element of some channel that is not blocked; `nothing-now` when there is none; `finished` when every channel has ended and is empty. */
  poll(): BufferOrEvent | 'nothing-now' | 'finished'
  block(channel: ChannelIndex): void
  unblock(channel: ChannelIndex): void
}

/** Why a checkpoint was aborted at a task. The first four are the classes of Flink 1.4. */
export type AbortReason =
  | 'subsumed'
  | 'cancellation-barrier'
  | 'input-end-of-stream'
  | 'alignment-limit'
  | 'aborted-by-coordinator'

/** What a handler says about an alignment when it triggers. */
export interface AlignmentMetrics {
  /** From the first to the last barrier; 0 for one channel. */
  readonly alignmentMs: number
  /** Bytes stored by this alignment; always 0 where blocked channels are simply not read. */
  readonly bytesBuffered: number
}

/** The task's side: called synchronously from within `getNextNonBlocked`, before the element after the barrier is returned. */
export interface CheckpointListener {
  /** All barriers are here: the snapshot is due now, between two records. */
  onTrigger(barrier: CheckpointBarrier, metrics: AlignmentMetrics): void
  /** Checkpoint `checkpoint` will not happen at this task. At most once per id. */
  onAbort(checkpoint: CheckpointId, reason: AbortReason): void
}

/** What is done with elements of a channel whose barrier came early. `in-channel`: left there (production). `stored`: taken out and kept (the classes of Flink 1.4). */
export type BlockedPolicy = 'in-channel' | 'stored'

/** What the end of a channel means to a checkpoint under way. `aligned`: counts as its barrier (production, FLIP-147). `abort`, `ignored`: the classes of Flink 1.4. */
export type EndOfPartitionPolicy = 'aligned' | 'abort' | 'ignored'

/**
 * Stands between the gate and the task: hides barriers and cancellation markers, tells the task when to snapshot. Two implementations, chosen by the
 * checkpoint mode: BarrierBuffer (exactly once: aligns) and BarrierTracker (at least once: counts).
 *
 * A pure state machine over the gate: no I/O, no randomness; time comes in through the function it is made with.
 */
export interface CheckpointBarrierHandler {
  /**
   * The next buffer or event that the operator may process. Barriers and cancellation markers are swallowed; `end-of-partition` is handled
   * and returned; every other event is returned like data. `undefined`: nothing now, the task must not wait here. `null`: finished for good.
   */
  getNextNonBlocked(): BufferOrEvent | undefined | null
  /** Exactly once, before the first `getNextNonBlocked`; a second call throws. */
  registerCheckpointEventHandler(listener: CheckpointListener): void
  /**
   * The coordinator aborted this checkpoint (timeout, decline elsewhere): like a cancellation marker that came from outside any channel. No channel
   * stays blocked for it, its barriers are ignored from now on. The listener is told only if the handler had seen a barrier of it.
   */
  abort(checkpoint: CheckpointId): void
  /** Nothing that was stored is being read back; always so where blocked channels are not read. */
  isEmpty(): boolean
  /** Throws away what is kept. Idempotent. */
  cleanup(): void
  /** Of the running or the last alignment. */
  getAlignmentDurationMs(): number
}

/** Size of an element for limits and metrics of the `stored` policy. */
export type SizeOf = (element: StreamElement) => number
