import {
  type BufferOrEvent,
  type StreamElement,
  ALIGNED_CHECKPOINT,
  END_OF_PARTITION,
  recordBatch,
} from '../../core/element.ts'
import { unreachable } from '../../core/errors.ts'
import { channelIndex, type ChannelIndex, type CheckpointId, checkpointId } from '../../core/ids.ts'
import type { InputGate } from '../../runtime/input/contract.ts'
import type { Arrival } from './barrier-vector.ts'

interface Queue {
  readonly arrivals: { readonly at: number; readonly element: StreamElement }[]
  next: number
}

/**
 * A gate over elements that have all arrived already: delivers the oldest arrival whose channel is not blocked. `finished` once all were
 * delivered; `nothing-now` when the rest waits in blocked channels, or when an abort by the coordinator is due (`takeDueAbort` gives it).
 * An element that belongs to data carries its index in the input.
 */
export class ArrivalGate implements InputGate {
  readonly channels: number
  private readonly queues: readonly Queue[]
  private readonly aborts: { readonly at: number; readonly id: CheckpointId }[] = []
  private readonly isBlocked: boolean[]
  private remaining = 0

  constructor(channels: number, arrivals: readonly Arrival[]) {
    this.channels = channels
    this.queues = Array.from({ length: channels }, () => ({ arrivals: [], next: 0 }))
    this.isBlocked = Array.from({ length: channels }, () => false)
    for (const [at, arrival] of arrivals.entries()) {
      if (arrival.kind === 'coordinator-abort') {
        this.aborts.push({ at, id: checkpointId(arrival.id) })
      } else {
        this.queues[arrival.channel]!.arrivals.push({ at, element: toElement(arrival, at) })
        this.remaining++
      }
    }
  }

  poll(): BufferOrEvent | 'nothing-now' | 'finished' {
    const channel = this.channelOfOldest()
    if (channel === -1) return this.remaining === 0 && this.aborts.length === 0 ? 'finished' : 'nothing-now'
    const queue = this.queues[channel]!
    const { at, element } = queue.arrivals[queue.next]!
    if (this.aborts.length > 0 && this.aborts[0]!.at < at) return 'nothing-now'
    queue.next++
    this.remaining--
    return { channel: channelIndex(channel), element }
  }

  block(channel: ChannelIndex): void {
    this.isBlocked[channel] = true
  }

  unblock(channel: ChannelIndex): void {
    this.isBlocked[channel] = false
  }

  /** Channels that are blocked now. */
  blockedChannels(): readonly number[] {
    return this.isBlocked.flatMap((isBlocked, channel) => (isBlocked ? [channel] : []))
  }

  /** To be asked when the gate says `nothing-now`: everything that arrived before this abort and could be delivered was. */
  takeDueAbort(): CheckpointId | undefined {
    return this.aborts.shift()?.id
  }

  private channelOfOldest(): number {
    let oldest = Number.POSITIVE_INFINITY
    let found = -1
    for (let channel = 0; channel < this.channels; channel++) {
      if (this.isBlocked[channel]) continue
      const queue = this.queues[channel]!
      const first = queue.arrivals[queue.next]
      if (first === undefined || first.at > oldest) continue
      oldest = first.at
      found = channel
    }
    return found
  }
}

/** The position in the input of a data element. */
export function inputIndexOf(element: StreamElement): number {
  return element.kind === 'records' ? (element.values[0] as number) : -1
}

const HEADER_BYTES = 9

/** Sizes as Flink 1.4 writes them: a header, then the data or the serialised event. */
export function classicSizeOf(element: StreamElement): number {
  switch (element.kind) {
    case 'records':
      return HEADER_BYTES + (element.values[1] as number)
    case 'barrier':
      return HEADER_BYTES + 24
    case 'cancel-checkpoint':
      return HEADER_BYTES + 12
    case 'end-of-partition':
    case 'end-of-data':
    case 'watermark':
    case 'status':
      return HEADER_BYTES + 4
    default:
      return unreachable(element)
  }
}

function toElement(arrival: Exclude<Arrival, { kind: 'coordinator-abort' }>, at: number): StreamElement {
  switch (arrival.kind) {
    case 'data':
      return recordBatch([at, arrival.bytes])
    case 'barrier':
      return { kind: 'barrier', checkpoint: checkpointId(arrival.id), timestamp: at, options: ALIGNED_CHECKPOINT }
    case 'cancel':
      return { kind: 'cancel-checkpoint', checkpoint: checkpointId(arrival.id) }
    case 'end':
      return END_OF_PARTITION
    default:
      return unreachable(arrival)
  }
}
