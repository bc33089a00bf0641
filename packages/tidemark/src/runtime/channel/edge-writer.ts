import type { ChannelWriter } from '../../core/channel.ts'
import type { RecordBatch, StreamElement, StreamEvent } from '../../core/element.ts'

/**
 * The sending end of one edge in one task: an outbox in front of each channel. What is written is always taken; `isFull` says that the
 * task has to stop until `drain` got rid of it. Events enter all outboxes at once, behind everything written before.
 */
export class EdgeWriter {
  private readonly channels: readonly ChannelWriter[]
  private readonly channelOf: ((record: unknown) => number) | null
  private readonly batchSize: number
  private readonly outboxes: StreamElement[][]
  private readonly open: OpenBatch[]
  private waiting = 0
  private opened = 0

  /** `channelOf` null: every channel gets every batch (forward has one channel, broadcast has all). */
  constructor(channels: readonly ChannelWriter[], channelOf: ((record: unknown) => number) | null, batchSize: number) {
    this.channels = channels
    this.channelOf = channelOf
    this.batchSize = batchSize
    this.outboxes = channels.map(() => [])
    this.open = channels.map(() => new OpenBatch())
  }

  /** Elements are waiting in front of a full channel. */
  get isFull(): boolean {
    return this.waiting > 0
  }

  write(batch: RecordBatch): void {
    if (this.channelOf === null) {
      const element = batch.origin === null ? batch : { ...batch, origin: null, origins: null }
      for (let channel = 0; channel < this.channels.length; channel++) this.send(channel, element)
      return
    }
    const { values, timestamps } = batch
    const { channelOf, open: batches, batchSize } = this
    for (let index = 0; index < values.length; index++) {
      const value = values[index]
      const channel = channelOf(value)
      const open = batches[channel]!
      if (open.count === 0) this.opened++
      open.add(value, timestamps === null ? Number.NaN : timestamps[index]!)
      if (open.count >= batchSize) this.close(channel)
    }
  }

  event(event: StreamEvent): void {
    for (let channel = 0; channel < this.channels.length; channel++) {
      this.close(channel)
      this.send(channel, event)
    }
  }

  /** Hands on batches that are not full yet. */
  flush(): void {
    if (this.opened === 0) return
    for (let channel = 0; channel < this.channels.length; channel++) this.close(channel)
  }

  /** Moves what is waiting into channels that have room; true when nothing waits any more. */
  drain(): boolean {
    if (this.waiting === 0) return true
    for (let channel = 0; channel < this.channels.length; channel++) {
      const outbox = this.outboxes[channel]!
      let sent = 0
      while (sent < outbox.length && this.channels[channel]!.offer(outbox[sent]!)) sent++
      if (sent > 0) {
        outbox.splice(0, sent)
        this.waiting -= sent
      }
    }
    return this.waiting === 0
  }

  private close(channel: number): void {
    const open = this.open[channel]!
    if (open.count === 0) return
    this.opened--
    this.send(channel, open.take())
  }

  private send(channel: number, element: StreamElement): void {
    const outbox = this.outboxes[channel]!
    if (outbox.length === 0 && this.channels[channel]!.offer(element)) return
    outbox.push(element)
    this.waiting++
  }
}

/** A batch being filled. */
class OpenBatch {
  count = 0
  /** Made as long as the last batch was: arrays that grow are copied again and again. */
  private values: unknown[] = []
  private timestamps: number[] | null = null

  add(value: unknown, timestamp: number): void {
    if (timestamp === timestamp || this.timestamps !== null) this.addTimestamp(timestamp)
    this.values[this.count++] = value
  }

  take(): RecordBatch {
    const { values, count } = this
    if (values.length !== count) values.length = count
    const batch: RecordBatch = {
      kind: 'records',
      values,
      timestamps: this.timestamps,
      origins: null,
      origin: null,
    }
    // oxlint-disable-next-line unicorn/no-new-array -- of that length: each step of Array.from is a call.
    this.values = new Array<unknown>(count)
    this.count = 0
    this.timestamps = null
    return batch
  }

  private addTimestamp(timestamp: number): void {
    this.timestamps ??= Array.from({ length: this.count }, () => Number.NaN)
    this.timestamps.push(timestamp)
  }
}
