import type { ChannelWriter } from '../../core/channel.ts'
import type { StreamElement } from '../../core/element.ts'
import { assert } from '../../core/errors.ts'
import { type ElementEncoder, recordsOf } from '../codec/element-codec.ts'
import { FRAME_HEAD_BYTES, viewRing, WORD } from './ring-layout.ts'

export interface RingWriterOptions {
  /** Shared by all writers of the thread. */
  readonly encoder: ElementEncoder
  /** Who sends, for errors. */
  readonly operator: string
  /** Called when the consumer has been waiting and there is something now: rings the doorbell of its thread. */
  readonly wakeConsumer: () => void
}

/**
 * The sending end of a channel between threads. An element is taken when all its bytes are in the ring. For one that finds too little room `offer` sends what fits, keeps the
 * rest and answers false: offer the same element again, before any other, after the consumer has woken the producer (once at least half of the ring is free).
 */
export class RingWriter implements ChannelWriter {
  private readonly options: RingWriterOptions
  private readonly words: Int32Array<SharedArrayBuffer>
  private readonly data: Uint8Array<SharedArrayBuffer>
  private readonly head = new Uint8Array(FRAME_HEAD_BYTES)
  private written: number
  private recordsWritten: number
  /** The consumer's position when it was last looked at. */
  private taken: number
  private recordsTaken: number
  /** What the consumer allowed then. */
  private credit: number
  private begun: StreamElement | null = null
  private rest: Uint8Array | null = null

  constructor(memory: SharedArrayBuffer, options: RingWriterOptions) {
    const { words, data } = viewRing(memory)
    this.options = options
    this.words = words
    this.data = data
    this.written = Atomics.load(words, WORD.written)
    this.taken = Atomics.load(words, WORD.taken)
    this.recordsWritten = Atomics.load(words, WORD.recordsWritten)
    this.recordsTaken = Atomics.load(words, WORD.recordsTaken)
    this.credit = Atomics.load(words, WORD.credit)
  }

  /** True when an `offer` would get on; a large element may take several. */
  hasRoom(): boolean {
    return this.isFree() || this.looksFree() || this.waitForRoom()
  }

  /** `NOT_ENCODABLE` when a record cannot be sent; then nothing of its batch was. */
  offer(element: StreamElement): boolean {
    if (!this.hasRoom()) return false
    if (this.begun === null) return this.begin(element)
    assert(this.begun === element, 'an element that was begun is offered again before any other')
    return this.goOn()
  }

  private begin(element: StreamElement): boolean {
    const { bytes, end } = this.options.encoder.encode(element, this.options.operator)
    const { head } = this
    head[0] = end
    head[1] = end >> 8
    head[2] = end >> 16
    head[3] = end >> 24
    if (this.free() < FRAME_HEAD_BYTES + end) this.looksFree()
    const headSent = this.copy(head, FRAME_HEAD_BYTES)
    const sent = headSent < FRAME_HEAD_BYTES ? 0 : this.copy(bytes, end)
    if (sent === end) return this.finish(element)
    this.publish()
    this.begun = element
    this.rest = concatenate(head.subarray(headSent), bytes.subarray(sent, end))
    return this.waitForRoom() && this.goOn()
  }

  private goOn(): boolean {
    // Only a ring that is full after the request to be woken may end this: else nobody might wake.
    do {
      const rest = this.rest!
      if (this.free() < rest.length) this.looksFree()
      const sent = this.copy(rest, rest.length)
      if (sent === rest.length) return this.finish(this.begun!)
      this.publish()
      this.rest = rest.subarray(sent)
    } while (this.waitForRoom())
    return false
  }

  /** The last byte of the element is in the ring: only now its records count, so a ring without bytes has none. */
  private finish(element: StreamElement): true {
    this.begun = null
    this.rest = null
    this.recordsWritten = (this.recordsWritten + recordsOf(element)) | 0
    Atomics.store(this.words, WORD.recordsWritten, this.recordsWritten)
    this.publish()
    return true
  }

  /** Whether there is room, as far as is known: for a byte, and for a record unless an element was begun. */
  private isFree(): boolean {
    if (this.free() === 0) return false
    return this.begun !== null || ((this.recordsWritten - this.recordsTaken) | 0) < this.credit
  }

  private free(): number {
    return this.data.length - ((this.written - this.taken) >>> 0)
  }

  /** Looks at the consumer's position; true when there is room. */
  private looksFree(): boolean {
    this.taken = Atomics.load(this.words, WORD.taken)
    this.recordsTaken = Atomics.load(this.words, WORD.recordsTaken)
    this.credit = Atomics.load(this.words, WORD.credit)
    return this.isFree()
  }

  /** Asks to be woken, then looks again: whoever made room in between may not have seen the request. True when there is room after all. */
  private waitForRoom(): boolean {
    Atomics.store(this.words, WORD.producerWaits, 1)
    return this.looksFree()
  }

  /** Copies as much as there is room for; returns how many bytes. */
  private copy(source: Uint8Array, length: number): number {
    const { data } = this
    const count = Math.min(length, this.free())
    const at = this.written & (data.length - 1)
    const first = Math.min(count, data.length - at)
    data.set(source.subarray(0, first), at)
    if (first < count) data.set(source.subarray(first, count), 0)
    this.written = (this.written + count) | 0
    return count
  }

  private publish(): void {
    const { words } = this
    Atomics.store(words, WORD.written, this.written)
    // After the store: see docs/design/007, "No lost wake-up".
    if (Atomics.load(words, WORD.consumerWaits) === 1 && Atomics.exchange(words, WORD.consumerWaits, 0) === 1) {
      this.options.wakeConsumer()
    }
  }
}

function concatenate(first: Uint8Array, second: Uint8Array): Uint8Array {
  const all = new Uint8Array(first.length + second.length)
  all.set(first)
  all.set(second, first.length)
  return all
}
