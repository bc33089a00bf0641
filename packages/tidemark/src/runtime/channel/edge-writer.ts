import type { ChannelWriter } from '../../core/channel.ts'
import type { RecordBatch, StreamElement, StreamEvent } from '../../core/element.ts'
import type { Key } from '../../core/key.ts'
import { ownKey, signedKeyHash, signedNumberHash } from '../../core/key-bytes.ts'
import { roomForRecords, roomForTimestamps } from './record-room.ts'

/** To which channel a record goes: by itself, or by its key. */
export type Route = ((record: unknown) => number) | KeyRoute

export interface KeyRoute {
  readonly keyOf: (record: unknown) => Key
  /** Of a `signedKeyHash`. */
  readonly channelOfHash: (hash: number) => number
}

/**
 * The sending end of one edge in one task: an outbox in front of each channel. What is written is always taken; `isFull` says that the
 * task has to stop until `drain` got rid of it. Events enter all outboxes at once, behind everything written before.
 */
export class EdgeWriter {
  private readonly channels: readonly ChannelWriter[]
  private readonly route: Route | null
  private readonly batchSize: number
  private readonly outboxes: StreamElement[][]
  private readonly open: OpenBatch[]
  private waiting = 0
  private opened = 0
  /** Whether a key was one: those are copied when they are selected, since the selector may fill the same tuple for the next record. */
  private hasTuples = false
  /** So that no compiler leaves out what only touches. */
  touched = 0

  /** `route` null: every channel gets every batch (forward has one channel, broadcast has all). */
  constructor(channels: readonly ChannelWriter[], route: Route | null, batchSize: number) {
    this.channels = channels
    this.route = route
    this.batchSize = batchSize
    this.outboxes = channels.map(() => [])
    this.open = channels.map(() => new OpenBatch())
  }

  /** Elements are waiting in front of a full channel. */
  get isFull(): boolean {
    return this.waiting > 0
  }

  write(batch: RecordBatch): void {
    const { route } = this
    if (route === null) {
      const isPlain = batch.origin === null && batch.keyHashes === null
      const element = isPlain ? batch : { ...batch, origin: null, origins: null, keyHashes: null }
      for (let channel = 0; channel < this.channels.length; channel++) this.send(channel, element)
      return
    }
    if (typeof route === 'object') return this.writeByKey(batch, route)
    const { values, timestamps } = batch
    const { open: batches, batchSize } = this
    for (let index = 0; index < values.length; index++) {
      const value = values[index]
      const channel = route(value)
      const open = batches[channel]!
      if (open.count === 0) this.opened++
      open.add(value, timestamps === null ? Number.NaN : timestamps[index]!)
      if (open.count >= batchSize) this.close(channel)
    }
  }

  private writeByKey({ values, timestamps }: RecordBatch, { keyOf, channelOfHash }: KeyRoute): void {
    const { open: batches, batchSize } = this
    const { length } = values
    const keys = this.keysOf(values, keyOf)
    for (let index = 0; index < length; index++) {
      const key = keys[index]!
      const hash = typeof key === 'number' ? signedNumberHash(key) : signedKeyHash(key)
      const channel = channelOfHash(hash)
      const open = batches[channel]!
      if (open.count === 0) this.opened++
      open.addKeyed(values[index], timestamps === null ? Number.NaN : timestamps[index]!, hash)
      if (open.count >= batchSize) this.close(channel)
    }
  }

  /**
   * Fetches all keys from memory at the same time; who hashed one after the other would wait for each. In two passes: the less is done between two texts, the more of them a processor fetches at
   * once, so the first does not even ask what a key is.
   */
  private keysOf(values: readonly unknown[], keyOf: KeyRoute['keyOf']): readonly Key[] {
    const { hasTuples } = this
    const { length } = values
    const keys = roomForRecords(length) as Key[]
    for (let index = 0; index < length; index++) {
      const key = keyOf(values[index])
      keys[index] = hasTuples ? ownKey(key) : key
    }
    let touched = 0
    for (let index = 0; index < length; index++) {
      const key = keys[index]!
      if (typeof key === 'string') touched += key.length
      else if (typeof key === 'object' && !hasTuples) {
        // The first batch with tuples: the selector may have filled the same one for the next record since.
        keys[index] = ownKey(keyOf(values[index]))
        this.hasTuples = true
      }
    }
    this.touched = touched
    return keys
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
  private values = roomForRecords(0)
  private timestamps: number[] | null = null
  /** Of all records or of none. */
  private keyHashes: number[] | null = null

  add(value: unknown, timestamp: number): void {
    if (timestamp === timestamp || this.timestamps !== null) this.addTimestamp(timestamp)
    this.values[this.count++] = value
  }

  addKeyed(value: unknown, timestamp: number, hash: number): void {
    if (timestamp === timestamp || this.timestamps !== null) this.addTimestamp(timestamp)
    const { count } = this
    // oxlint-disable-next-line unicorn/no-new-array -- as long as the values
    this.keyHashes ??= new Array<number>(this.values.length)
    this.values[count] = value
    this.keyHashes[count] = hash
    this.count = count + 1
  }

  take(): RecordBatch {
    const { values, timestamps, keyHashes, count } = this
    if (values.length !== count) values.length = count
    if (timestamps !== null && timestamps.length !== count) timestamps.length = count
    if (keyHashes !== null && keyHashes.length !== count) keyHashes.length = count
    const batch: RecordBatch = {
      kind: 'records',
      values,
      timestamps,
      origins: null,
      origin: null,
      keyHashes,
    }
    this.values = roomForRecords(count)
    this.keyHashes = null
    this.count = 0
    this.timestamps = null
    return batch
  }

  private addTimestamp(timestamp: number): void {
    this.timestamps ??= roomForTimestamps(this.values.length, this.count)
    this.timestamps[this.count] = timestamp
  }
}
