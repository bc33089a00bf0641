import type { BufferOrEvent, CheckpointBarrier } from '../../core/element.ts'
import { assert } from '../../core/errors.ts'
import { type ChannelIndex, type CheckpointId, checkpointId } from '../../core/ids.ts'
import { AbortedAhead } from './aborted-ahead.ts'
import type { CheckpointBarrierHandler, CheckpointListener, EndOfPartitionPolicy, InputGate } from './contract.ts'

/** The oldest beyond these is forgotten: what has waited through so many newer ones will not complete. */
const MAX_PENDING = 50

export interface BarrierTrackerOptions {
  readonly gate: InputGate
  /** Milliseconds from any fixed moment. */
  readonly monotonic: () => number
  /**
   * Each is one generation of Flink's tracker. `aligned` (production; 2.x): an ended channel counts as having sent its barrier, and it is told
   * apart which channels have sent theirs. `abort` (1.10) and `ignored` (1.4) only count barriers, whichever channel sends them; with one
   * channel they pass on every barrier and marker without looking at ids. After a channel's end no checkpoint completes under them.
   */
  readonly endOfPartition: EndOfPartitionPolicy
}

/** A checkpoint of which some barriers have come. An aborted one needs no entry: its id is not above `latest`, so the rest of it is ignored. */
interface PendingCheckpoint {
  readonly barrier: CheckpointBarrier
  readonly start: number
  /** Which channels sent their barrier, or ended since it began; only kept by the policy `aligned`. */
  readonly hasArrived: boolean[]
  arrived: number
}

/**
 * At least once: counts barriers and never blocks, so what a fast channel sends between its barrier and the last one is in the snapshot and
 * comes again after a recovery. Several checkpoints may be pending; the completion of one silently drops all older ones.
 *
 * Invariants (policy `aligned`): every element is delivered once, in the gate's order; triggered ids strictly increase; no id is both triggered
 * and aborted, none aborted twice; a checkpoint is triggered by the last of its barriers or ends of channels, never before.
 */
export class BarrierTracker implements CheckpointBarrierHandler {
  private readonly gate: InputGate
  private readonly monotonic: () => number
  private readonly endOfPartition: EndOfPartitionPolicy
  private listener: CheckpointListener | null = null

  /** Oldest first, ids strictly increasing. */
  private pending: PendingCheckpoint[] = []
  /** The highest id seen in the stream. */
  private latest = checkpointId(-1)
  private readonly channels: number
  /** Channels that have ended and count as aligned; stays 0 under the other policies. */
  private ended = 0
  private readonly abortedAhead = new AbortedAhead()
  private lastAlignmentMs = 0

  constructor({ gate, monotonic, endOfPartition }: BarrierTrackerOptions) {
    this.gate = gate
    this.monotonic = monotonic
    this.endOfPartition = endOfPartition
    this.channels = gate.channels
  }

  getNextNonBlocked(): BufferOrEvent | undefined | null {
    for (;;) {
      const next = this.gate.poll()
      if (next === 'nothing-now') return undefined
      if (next === 'finished') return null
      switch (next.element.kind) {
        case 'records':
        case 'watermark':
        case 'status':
        case 'end-of-data':
          return next
        case 'barrier':
          this.onBarrier(next.element, next.channel)
          continue
        case 'cancel-checkpoint':
          this.onCancel(next.element.checkpoint)
          continue
        case 'end-of-partition':
          this.onEndOfPartition(next.channel)
          return next
      }
    }
  }

  registerCheckpointEventHandler(listener: CheckpointListener): void {
    assert(this.listener === null, 'a barrier handler has one listener')
    this.listener = listener
  }

  abort(checkpoint: CheckpointId): void {
    if (checkpoint > this.latest) {
      this.abortedAhead.add(checkpoint)
      return
    }
    const position = this.positionOf(checkpoint)
    if (position < 0) return
    this.pending.splice(position, 1)
    this.tell().onAbort(checkpoint, 'aborted-by-coordinator')
  }

  isEmpty(): boolean {
    return true
  }

  cleanup(): void {
    this.pending = []
  }

  getAlignmentDurationMs(): number {
    const newest = this.pending.at(-1)
    return newest === undefined ? this.lastAlignmentMs : this.monotonic() - newest.start
  }

  private onBarrier(barrier: CheckpointBarrier, channel: ChannelIndex): void {
    const id = barrier.checkpoint
    if (this.isUnchecked) {
      if (!this.abortedAhead.has(id)) this.tell().onTrigger(barrier, { alignmentMs: 0, bytesBuffered: 0 })
      return
    }
    const position = this.positionOf(id)
    if (position >= 0) {
      if (this.arrive(this.pending[position]!, channel)) this.complete(position)
      return
    }
    if (id <= this.latest) return
    const isAborted = this.abortedAhead.has(id)
    this.advanceTo(id)
    if (isAborted) return
    const checkpoint = this.begin(barrier)
    this.pending.push(checkpoint)
    if (this.arrive(checkpoint, channel)) this.complete(this.pending.length - 1)
    else if (this.pending.length > MAX_PENDING) this.pending.shift()
  }

  private onCancel(id: CheckpointId): void {
    if (this.isUnchecked) {
      if (!this.abortedAhead.has(id)) this.tell().onAbort(id, 'cancellation-barrier')
      return
    }
    while (this.pending.length > 0 && this.pending[0]!.barrier.checkpoint <= id) {
      const { barrier } = this.pending.shift()!
      this.tell().onAbort(barrier.checkpoint, 'cancellation-barrier')
    }
    if (id <= this.latest) return
    const isKnown = this.abortedAhead.has(id)
    this.advanceTo(id)
    if (!isKnown) this.tell().onAbort(id, 'cancellation-barrier')
  }

  private onEndOfPartition(channel: ChannelIndex): void {
    switch (this.endOfPartition) {
      case 'ignored':
        return
      case 'abort':
        while (this.pending.length > 0) {
          const { barrier } = this.pending.shift()!
          this.tell().onAbort(barrier.checkpoint, 'input-end-of-stream')
        }
        return
      case 'aligned':
        this.ended++
        // The newest that waited for this channel only; it makes the older ones pointless.
        for (let position = this.pending.length - 1; position >= 0; position--) {
          if (!this.arrive(this.pending[position]!, channel)) continue
          this.complete(position)
          return
        }
    }
  }

  private begin(barrier: CheckpointBarrier): PendingCheckpoint {
    return { barrier, start: this.monotonic(), hasArrived: [], arrived: this.ended }
  }

  /** True when this was the last one waited for. */
  private arrive(checkpoint: PendingCheckpoint, channel: ChannelIndex): boolean {
    if (this.endOfPartition === 'aligned') {
      if (checkpoint.hasArrived[channel]) return false
      checkpoint.hasArrived[channel] = true
    }
    checkpoint.arrived++
    return checkpoint.arrived === this.channels
  }

  private complete(position: number): void {
    const { barrier, start } = this.pending[position]!
    this.pending.splice(0, position + 1)
    this.lastAlignmentMs = this.channels === 1 ? 0 : this.monotonic() - start
    this.tell().onTrigger(barrier, { alignmentMs: this.lastAlignmentMs, bytesBuffered: 0 })
  }

  private advanceTo(id: CheckpointId): void {
    this.latest = id
    this.abortedAhead.forgetUpTo(id)
  }

  private positionOf(checkpoint: CheckpointId): number {
    return this.pending.findIndex(({ barrier }) => barrier.checkpoint === checkpoint)
  }

  private get isUnchecked(): boolean {
    return this.channels === 1 && this.endOfPartition !== 'aligned'
  }

  private tell(): CheckpointListener {
    assert(this.listener !== null, 'a listener is registered before the first element is taken')
    return this.listener
  }
}
