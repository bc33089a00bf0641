import type { BufferOrEvent } from '../../core/element.ts'
import type { ChannelIndex } from '../../core/ids.ts'
import type { InputGate, SizeOf } from './contract.ts'

export interface StoringGateOptions {
  readonly gate: InputGate
  readonly sizeOf: SizeOf
  /** −1: unlimited. */
  readonly maxBytes: number
  /** What is stored has just passed the limit: all channels must be unblocked before this returns. */
  readonly onLimitExceeded: () => void
}

/**
 * A gate that empties blocked channels too and keeps what they deliver: for transports where channels share one pipe, and the way of Flink's
 * BufferSpiller (in memory). Channels are unblocked all together, which hands over what was stored; it is delivered before anything else.
 *
 * What is handed over goes before the rest of an older sequence that is still being read: it was taken from that sequence's front, so it is
 * older. This keeps every channel in order.
 */
export class StoringGate implements InputGate {
  private readonly gate: InputGate
  private readonly sizeOf: SizeOf
  private readonly maxBytes: number
  private readonly onLimitExceeded: () => void
  private readonly isBlocked: boolean[]
  private blocked = 0
  private open = new StoredSequence()
  private replay: StoredSequence | null = null
  /** Older sequences, the next one to be read at the end. */
  private readonly waiting: StoredSequence[] = []
  private waitingBytes = 0

  constructor({ gate, sizeOf, maxBytes, onLimitExceeded }: StoringGateOptions) {
    this.gate = gate
    this.sizeOf = sizeOf
    this.maxBytes = maxBytes
    this.onLimitExceeded = onLimitExceeded
    this.isBlocked = Array.from({ length: gate.channels }, () => false)
  }

  get channels(): number {
    return this.gate.channels
  }

  /** Bytes stored since the first channel was blocked. */
  get openBytes(): number {
    return this.open.bytes
  }

  /** The whole size of the sequence being read back, however much of it was read; 0 when there is none. */
  get replayBytes(): number {
    return this.replay?.bytes ?? 0
  }

  get isReplaying(): boolean {
    return this.replay !== null
  }

  poll(): BufferOrEvent | 'nothing-now' | 'finished' {
    for (;;) {
      const next = this.take()
      if (next === 'nothing-now' || next === 'finished' || !this.isBlocked[next.channel]) return next
      this.open.add(next, this.sizeOf(next.element))
      if (this.maxBytes > 0 && this.waitingBytes + this.open.bytes > this.maxBytes) this.onLimitExceeded()
    }
  }

  block(channel: ChannelIndex): void {
    if (this.isBlocked[channel]) return
    this.isBlocked[channel] = true
    this.blocked++
  }

  unblock(channel: ChannelIndex): void {
    if (!this.isBlocked[channel]) return
    this.isBlocked[channel] = false
    if (--this.blocked === 0) this.handOver()
  }

  /** Throws away everything stored. */
  cleanup(): void {
    this.open = new StoredSequence()
    this.replay = null
    this.waiting.length = 0
    this.waitingBytes = 0
  }

  private take(): BufferOrEvent | 'nothing-now' | 'finished' {
    while (this.replay !== null) {
      const next = this.replay.pop()
      if (next !== undefined) return next
      this.replay = this.waiting.pop() ?? null
      if (this.replay !== null) this.waitingBytes -= this.replay.bytes
    }
    return this.gate.poll()
  }

  private handOver(): void {
    if (this.open.isEmpty) return
    if (this.replay !== null) {
      this.waiting.push(this.replay)
      // Its whole size even if half read: so the limit is counted in Flink.
      this.waitingBytes += this.replay.bytes
    }
    this.replay = this.open
    this.open = new StoredSequence()
  }
}

class StoredSequence {
  bytes = 0
  private readonly elements: (BufferOrEvent | undefined)[] = []
  private read = 0

  get isEmpty(): boolean {
    return this.elements.length === 0
  }

  add(element: BufferOrEvent, bytes: number): void {
    this.elements.push(element)
    this.bytes += bytes
  }

  pop(): BufferOrEvent | undefined {
    const element = this.elements[this.read]
    if (element !== undefined) this.elements[this.read++] = undefined
    return element
  }
}
