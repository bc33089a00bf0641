import type { BufferOrEvent, RecordBatch } from '../../core/element.ts'
import { assert, unreachable } from '../../core/errors.ts'
import type { CheckpointId } from '../../core/ids.ts'
import type { CheckpointBarrierHandler } from '../input/contract.ts'
import { WatermarkMerger } from '../input/watermark-merger.ts'
import type { Chain } from '../operator/chain.ts'
import { type InputProgress, NOTHING_NOW, type TaskInput, WORKED } from './task-input.ts'

/** Takes elements from the barrier handler and feeds the chain's first operator. */
export class ChannelTaskInput implements TaskInput {
  private readonly handler: CheckpointBarrierHandler
  private readonly chain: Chain
  /** Input of the head operator that each channel belongs to. */
  private readonly inputOf: readonly number[]
  private readonly watermarks: WatermarkMerger
  /** Channels per input that still have data to come. */
  private readonly openChannels: number[]
  private readonly hasEnded: boolean[]
  private openInputs: number
  private drain = true
  private taken: BufferOrEvent | null = null
  private batch: RecordBatch | null = null
  private batchInput = 0
  private batchFrom = 0
  private isFinished: boolean

  constructor(
    handler: CheckpointBarrierHandler,
    chain: Chain,
    inputOf: readonly number[],
    restoredWatermark: number | null,
  ) {
    this.handler = handler
    this.chain = chain
    this.inputOf = inputOf
    this.watermarks = new WatermarkMerger(inputOf.length, restoredWatermark)
    this.openChannels = []
    for (const input of inputOf) this.openChannels[input] = (this.openChannels[input] ?? 0) + 1
    this.hasEnded = inputOf.map(() => false)
    this.openInputs = this.openChannels.length
    // A finished source has no channels: nothing tells it that the last one has ended.
    this.isFinished = inputOf.length === 0
  }

  get isExhausted(): boolean {
    return this.isFinished
  }

  advance(max: number): InputProgress {
    if (this.batch !== null) return this.feed(max)
    const { taken } = this
    if (taken === null) return this.take()
    this.taken = null
    return this.handle(taken)
  }

  /** Only takes: a barrier that came just before this element has to be served before it. */
  private take(): InputProgress {
    const next = this.handler.getNextNonBlocked()
    if (next === undefined) return NOTHING_NOW
    if (next === null) {
      this.isFinished = true
      return NOTHING_NOW
    }
    this.taken = next
    return WORKED
  }

  private handle({ channel, element }: BufferOrEvent): InputProgress {
    switch (element.kind) {
      case 'records':
        this.batch = element
        this.batchInput = this.inputOf[channel]!
        this.batchFrom = 0
        return WORKED
      case 'watermark':
        return advanced(this.watermarks.onWatermark(channel, element.timestamp))
      case 'status':
        return this.onStatus(channel, element.idle)
      case 'end-of-data':
        this.drain &&= element.drain
        return this.endChannel(channel)
      case 'end-of-partition':
        return this.endChannel(channel)
      case 'barrier':
      case 'cancel-checkpoint':
        return assert(false, 'barriers stay behind the handler') as never
      default:
        return unreachable(element)
    }
  }

  private onStatus(channel: number, isIdle: boolean): InputProgress {
    const wasIdle = this.watermarks.isIdle
    const timestamp = this.watermarks.onStatus(channel, isIdle)
    if (timestamp !== null) return advanced(timestamp)
    return wasIdle === this.watermarks.isIdle ? WORKED : { kind: 'status', idle: this.watermarks.isIdle }
  }

  abort(checkpoint: CheckpointId): void {
    this.handler.abort(checkpoint)
  }

  snapshot(): null {
    return null
  }

  notifyComplete(): void {}

  close(): void {
    this.handler.cleanup()
  }

  private feed(max: number): InputProgress {
    const batch = this.batch!
    const to = Math.min(batch.values.length, this.batchFrom + max)
    this.batchFrom = this.chain.feed(this.batchInput, batch, this.batchFrom, to)
    if (this.batchFrom === batch.values.length) this.batch = null
    return WORKED
  }

  private endChannel(channel: number): InputProgress {
    if (this.hasEnded[channel]) return WORKED
    this.hasEnded[channel] = true
    const input = this.inputOf[channel]!
    if (--this.openChannels[input]! > 0) return WORKED
    if (this.drain) this.chain.nodes[0]?.operator.endInput?.(input)
    this.openInputs--
    return this.openInputs === 0 ? { kind: 'ended', drain: this.drain } : WORKED
  }
}

function advanced(timestamp: number | null): InputProgress {
  return timestamp === null ? WORKED : { kind: 'watermark', timestamp }
}
