import type { BufferOrEvent, CheckpointBarrier } from '../../core/element.ts'
import { assert } from '../../core/errors.ts'
import { type ChannelIndex, channelIndex, type CheckpointId, checkpointId } from '../../core/ids.ts'
import { AbortedAhead } from './aborted-ahead.ts'
import type {
  CheckpointBarrierHandler,
  CheckpointListener,
  EndOfPartitionPolicy,
  InputGate,
  SizeOf,
} from './contract.ts'
import { StoringGate } from './storing-gate.ts'

export type BarrierBufferOptions = {
  readonly gate: InputGate
  /** Milliseconds from any fixed moment. */
  readonly monotonic: () => number
  /** `ignored` is not for a handler that blocks: the channels that wait for the ended one would wait for ever. */
  readonly endOfPartition: Exclude<EndOfPartitionPolicy, 'ignored'>
} & (
  | { readonly blocked: 'in-channel' }
  | {
      readonly blocked: 'stored'
      readonly sizeOf: SizeOf
      /** When more than this is stored the alignment is aborted. −1 (default): unlimited. */
      readonly maxBufferedBytes?: number
    }
)

/**
 * Exactly once: from the first barrier of a checkpoint to the last, the channels whose barrier has come are blocked, so that nothing that
 * belongs behind the snapshot is processed before it. One checkpoint is aligned at a time; a newer one ends it.
 *
 * Invariants: per channel everything is delivered once, in order; between a channel's barrier n and the trigger or abort of n nothing of that
 * channel is delivered; triggered ids strictly increase; no id is both triggered and aborted, none aborted twice; no channel is blocked unless
 * an alignment is running. (docs/design/002-barrier-handlers.md; the algorithm is that of Flink 1.4's BarrierBuffer, with the policies of 2.x.)
 */
export class BarrierBuffer implements CheckpointBarrierHandler {
  private readonly gate: InputGate
  private readonly store: StoringGate | null
  private readonly monotonic: () => number
  private readonly endOfPartition: 'aligned' | 'abort'
  private listener: CheckpointListener | null = null

  /** The id being aligned, or the newest that was triggered or aborted here. */
  private current = checkpointId(-1)
  /** The first barrier of the running alignment; null when none is running. */
  private pending: CheckpointBarrier | null = null
  /** Channels whose barrier of `current` has come, while an alignment is running: exactly the blocked ones. */
  private aligned = 0
  private readonly isBlocked: boolean[]
  private ended = 0
  private readonly abortedAhead = new AbortedAhead()
  private alignmentStart = 0
  private lastAlignmentMs = 0
  private isEndOfStream = false

  constructor(options: BarrierBufferOptions) {
    this.store = options.blocked === 'stored' ? this.makeStore(options.gate, options) : null
    this.gate = this.store ?? options.gate
    this.monotonic = options.monotonic
    this.endOfPartition = options.endOfPartition
    this.isBlocked = Array.from({ length: options.gate.channels }, () => false)
  }

  getNextNonBlocked(): BufferOrEvent | undefined | null {
    for (;;) {
      const next = this.gate.poll()
      if (next === 'nothing-now') return undefined
      if (next === 'finished') {
        if (this.isEndOfStream) return null
        this.isEndOfStream = true
        this.release()
        continue
      }
      switch (next.element.kind) {
        case 'records':
        case 'watermark':
        case 'status':
        case 'end-of-data':
          return next
        case 'barrier':
          if (!this.isEndOfStream) this.onBarrier(next.element, next.channel)
          continue
        case 'cancel-checkpoint':
          this.onCancel(next.element.checkpoint)
          continue
        case 'end-of-partition':
          this.onEndOfPartition()
          return next
      }
    }
  }

  registerCheckpointEventHandler(listener: CheckpointListener): void {
    assert(this.listener === null, 'a barrier handler has one listener')
    this.listener = listener
  }

  abort(checkpoint: CheckpointId): void {
    if (checkpoint > this.current) {
      this.abortedAhead.add(checkpoint)
    } else if (checkpoint === this.current && this.pending !== null) {
      this.release()
      this.tell().onAbort(checkpoint, 'aborted-by-coordinator')
    }
  }

  isEmpty(): boolean {
    return this.store === null || !this.store.isReplaying
  }

  cleanup(): void {
    this.store?.cleanup()
  }

  getAlignmentDurationMs(): number {
    return this.pending === null ? this.lastAlignmentMs : this.monotonic() - this.alignmentStart
  }

  /** Size of the stored sequence being read back. Old Flink reports it as bytes buffered by an alignment that itself stored nothing. */
  get replayBytes(): number {
    return this.store?.replayBytes ?? 0
  }

  private onBarrier(barrier: CheckpointBarrier, channel: ChannelIndex): void {
    const id = barrier.checkpoint
    if (id <= this.current) {
      // Otherwise a straggler of a checkpoint that is over.
      if (id === this.current && this.pending !== null) this.align(channel)
      return
    }
    if (this.pending !== null) {
      this.tell().onAbort(this.current, 'subsumed')
      this.release()
    }
    const isAborted = this.abortedAhead.has(id)
    this.lastAlignmentMs = 0
    this.advanceTo(id)
    if (isAborted) return
    if (this.isBlocked.length === 1 || 1 + this.ended === this.isBlocked.length) {
      this.trigger(barrier, 0)
      return
    }
    this.pending = barrier
    this.alignmentStart = this.monotonic()
    this.align(channel)
  }

  private align(channel: ChannelIndex): void {
    assert(
      !this.isBlocked[channel],
      `stream corrupt: repeated barrier for checkpoint ${this.current} on channel ${channel}`,
    )
    this.isBlocked[channel] = true
    this.gate.block(channel)
    this.aligned++
    this.completeIfAligned()
  }

  private completeIfAligned(): void {
    if (this.pending === null || this.aligned + this.ended !== this.isBlocked.length) return
    const barrier = this.pending
    const bytesBuffered = this.store?.openBytes ?? 0
    // First: what was stored comes next, and the listener finds no channel blocked.
    this.release()
    this.trigger(barrier, bytesBuffered)
  }

  private trigger(barrier: CheckpointBarrier, bytesBuffered: number): void {
    this.tell().onTrigger(barrier, { alignmentMs: this.lastAlignmentMs, bytesBuffered })
  }

  private onCancel(id: CheckpointId): void {
    const old = this.current
    const wasAligning = this.pending !== null
    if (id < old || (id === old && !wasAligning)) return
    this.release()
    if (id === old) {
      this.tell().onAbort(id, 'cancellation-barrier')
      return
    }
    const isKnown = this.abortedAhead.has(id)
    this.lastAlignmentMs = 0
    this.advanceTo(id)
    if (wasAligning) this.tell().onAbort(old, 'subsumed')
    if (!isKnown) this.tell().onAbort(id, 'cancellation-barrier')
  }

  private onEndOfPartition(): void {
    this.ended++
    if (this.pending === null) return
    if (this.endOfPartition === 'aligned') {
      this.completeIfAligned()
    } else {
      this.tell().onAbort(this.current, 'input-end-of-stream')
      this.release()
    }
  }

  private advanceTo(id: CheckpointId): void {
    this.current = id
    this.abortedAhead.forgetUpTo(id)
  }

  /** Ends the alignment, if one is running: no channel stays blocked. */
  private release(): void {
    if (this.pending === null) return
    this.lastAlignmentMs = this.monotonic() - this.alignmentStart
    this.pending = null
    this.aligned = 0
    for (let channel = 0; channel < this.isBlocked.length; channel++) {
      if (!this.isBlocked[channel]) continue
      this.isBlocked[channel] = false
      this.gate.unblock(channelIndex(channel))
    }
  }

  private tell(): CheckpointListener {
    assert(this.listener !== null, 'a listener is registered before the first element is taken')
    return this.listener
  }

  private makeStore(
    gate: InputGate,
    options: { readonly sizeOf: SizeOf; readonly maxBufferedBytes?: number },
  ): StoringGate {
    const maxBytes = options.maxBufferedBytes ?? -1
    assert(maxBytes === -1 || maxBytes > 0, `maxBufferedBytes is −1 or positive, not ${maxBytes}`)
    const onLimitExceeded = (): void => {
      this.release()
      this.tell().onAbort(this.current, 'alignment-limit')
    }
    return new StoringGate({ gate, sizeOf: options.sizeOf, maxBytes, onLimitExceeded })
  }
}
