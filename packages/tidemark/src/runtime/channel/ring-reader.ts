import type { ChannelReader } from '../../core/channel.ts'
import type { Clock } from '../../core/clock.ts'
import type { StreamElement } from '../../core/element.ts'
import { type ElementDecoder, recordsOfFrame } from '../codec/element-codec.ts'
import { FrameBuffer } from '../codec/frame-buffer.ts'
import { FRAME_HEAD_BYTES, MOST_CAPACITIES, MOST_RECORDS, viewRing, WORD } from './ring-layout.ts'

/** A channel may hold what its consumer takes in this time: longer than what holds a busy thread up now and then (a collection, another thread on its core), short beside an alignment. */
const CREDIT_MS = 10

export interface RingReaderOptions {
  /** Shared by all readers of the thread. */
  readonly decoder: ElementDecoder
  /** Called when the producer has been waiting and half of the ring is free now: rings the doorbell of its thread. */
  readonly wakeProducer: () => void
  readonly clock: Pick<Clock, 'monotonic'>
}

/** The receiving end of a channel between threads: takes frames out of the ring, puts together what came in pieces, decodes one element per `poll`. */
export class RingReader implements ChannelReader {
  private readonly options: RingReaderOptions
  private readonly words: Int32Array<SharedArrayBuffer>
  private readonly data: Uint8Array<SharedArrayBuffer>
  private readonly frame = new FrameBuffer()
  private readonly capacity: number
  private taken: number
  private recordsTaken: number
  /** The producer's position when it was last looked at. */
  private written: number
  private credit: number
  /** When the credit was looked at last, and `recordsTaken` then. */
  private creditedAt: number
  private recordsTakenThen: number
  private headBytes = 0
  /** Length of the frame being received, of which `frame.end` bytes are here. */
  private length = 0

  constructor(memory: SharedArrayBuffer, options: RingReaderOptions) {
    const { words, data } = viewRing(memory)
    this.options = options
    this.words = words
    this.data = data
    this.capacity = words[WORD.capacity]!
    this.taken = Atomics.load(words, WORD.taken)
    this.recordsTaken = Atomics.load(words, WORD.recordsTaken)
    this.written = Atomics.load(words, WORD.written)
    this.credit = Atomics.load(words, WORD.credit)
    this.creditedAt = options.clock.monotonic()
    this.recordsTakenThen = this.recordsTaken
  }

  /** The next element that is here in full. After undefined the producer wakes the consumer when there is more. `CORRUPT_DATA`. */
  poll(): StreamElement | undefined {
    while (this.written !== this.taken || !this.looksEmpty()) {
      const isComplete = this.receive()
      if (isComplete) {
        this.recordsTaken = (this.recordsTaken + recordsOfFrame(this.frame)) | 0
        this.adaptCredit()
      }
      this.release()
      if (isComplete) return this.decode()
    }
    return undefined
  }

  /** True when nothing was sent that has not been taken; the rest of an element in pieces may still be to come. */
  isEmpty(): boolean {
    return this.written === this.taken && this.looksEmpty()
  }

  private decode(): StreamElement {
    const element = this.options.decoder.decode(this.frame)
    this.headBytes = 0
    this.length = 0
    return element
  }

  /** Looks for more; with nothing there it asks to be woken and looks again: who sent in between may not have seen the request. */
  private looksEmpty(): boolean {
    const { words } = this
    this.written = Atomics.load(words, WORD.written)
    if (this.written !== this.taken) return false
    if (Atomics.load(words, WORD.consumerWaits) === 0) Atomics.store(words, WORD.consumerWaits, 1)
    this.written = Atomics.load(words, WORD.written)
    return this.written === this.taken
  }

  /** Copies what is here of the current frame; true when that completes it. */
  private receive(): boolean {
    const { data, frame } = this
    const mask = data.length - 1
    while (this.headBytes < FRAME_HEAD_BYTES) {
      if (this.written === this.taken) return false
      this.length |= data[this.taken & mask]! << (8 * this.headBytes++)
      this.taken = (this.taken + 1) | 0
      if (this.headBytes === FRAME_HEAD_BYTES) frame.reset(this.length)
    }
    const count = Math.min(this.length - frame.end, (this.written - this.taken) >>> 0)
    const at = this.taken & mask
    const first = Math.min(count, data.length - at)
    frame.bytes.set(data.subarray(at, at + first), frame.end)
    if (first < count) frame.bytes.set(data.subarray(0, count - first), frame.end + first)
    frame.end += count
    this.taken = (this.taken + count) | 0
    return frame.end === this.length
  }

  /**
   * As Flink's buffer debloating (FLIP-183) does with bytes: what is on the way is measured by the time that it takes to get through. So two fast tasks do not stop for each other's pauses, and a barrier does not queue up
   * behind many records in front of a slow one.
   */
  private adaptCredit(): void {
    const now = this.options.clock.monotonic()
    const elapsed = now - this.creditedAt
    if (elapsed < CREDIT_MS) return
    const { capacity } = this
    const taken = Math.ceil((((this.recordsTaken - this.recordsTakenThen) | 0) * CREDIT_MS) / elapsed)
    this.credit = Math.min(Math.max(capacity, taken), capacity * MOST_CAPACITIES, MOST_RECORDS)
    this.creditedAt = now
    this.recordsTakenThen = this.recordsTaken
    Atomics.store(this.words, WORD.credit, this.credit)
  }

  /** Gives the room back. The producer is woken late, so that it is woken rarely: when nothing is left at the latest. */
  private release(): void {
    const { words, data } = this
    Atomics.store(words, WORD.recordsTaken, this.recordsTaken)
    Atomics.store(words, WORD.taken, this.taken)
    if (Atomics.load(words, WORD.producerWaits) === 0) return
    this.written = Atomics.load(words, WORD.written)
    if ((this.written - this.taken) >>> 0 > data.length >> 1) return
    const recordsLeft = (Atomics.load(words, WORD.recordsWritten) - this.recordsTaken) | 0
    if (recordsLeft > this.credit >> 1) return
    if (Atomics.exchange(words, WORD.producerWaits, 0) === 1) this.options.wakeProducer()
  }
}
