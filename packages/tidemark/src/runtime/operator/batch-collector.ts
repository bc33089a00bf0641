import type { BatchOrigin, RecordBatch } from '../../core/element.ts'
import { assertEncodable, deepFreeze } from '../../core/encodable.ts'
import { TidemarkError } from '../../core/errors.ts'
import { roomForRecords, roomForTimestamps } from '../channel/record-room.ts'
import type { Collector } from './contract.ts'

/** What one callback may emit for one record before it has to return an iterable instead. */
export const EMIT_LIMIT = 100_000

const FIRST_ROOM = 64

/** Collects the records of one output until the chain hands them on. */
export class BatchCollector implements Collector {
  private readonly capacity: number
  private readonly operator: string
  /** Whether anybody reads this output. */
  private readonly isConnected: boolean
  /** Refuse at once what could not be sent to another thread or stored, and freeze the rest. */
  private readonly isDevelopment: boolean
  /** Made as long as the last batch was: arrays that grow are copied again and again. */
  private values = roomForRecords(FIRST_ROOM)
  private count = 0
  private timestamps: number[] | null = null
  private origins: number[] | null = null
  private origin: BatchOrigin | null = null
  private inputOrigins: readonly number[] | null = null
  private whole: RecordBatch | null = null

  constructor(operator: string, capacity: number, isConnected: boolean, isDevelopment = false) {
    this.operator = operator
    this.capacity = capacity
    this.isConnected = isConnected
    this.isDevelopment = isDevelopment
  }

  get size(): number {
    return this.count
  }

  get isFull(): boolean {
    return this.count >= this.capacity
  }

  get isEmpty(): boolean {
    return this.whole === null && this.count === 0
  }

  /** Which batch the next records come from: for the origins of what is emitted. */
  startInput(origin: BatchOrigin | null, inputOrigins: readonly number[] | null): void {
    this.origin = origin
    this.inputOrigins = inputOrigins
  }

  emit(value: unknown, timestamp: number, index: number): void {
    if (this.isDevelopment) this.check(value)
    if (!this.isConnected) return
    const { count } = this
    if (timestamp === timestamp || this.timestamps !== null) this.addTimestamp(timestamp)
    if (this.origin !== null) this.addOrigin(this.inputOrigins === null ? index : this.inputOrigins[index]!)
    this.values[count] = value
    this.count = count + 1
    if (count >= this.capacity + EMIT_LIMIT) this.refuse()
  }

  emitBatch(batch: RecordBatch): void {
    if (this.isConnected && batch.values.length > 0)
      this.whole = batch.keyHashes === null ? batch : { ...batch, keyHashes: null }
  }

  truncate(size: number): void {
    this.count = size
    if (this.origins !== null) this.origins.length = size
  }

  /** What was collected, as a batch; empty afterwards. */
  take(): RecordBatch {
    if (this.whole !== null) {
      const batch = this.whole
      this.whole = null
      return batch
    }
    const { values, timestamps, count } = this
    if (values.length !== count) values.length = count
    if (timestamps !== null && timestamps.length !== count) timestamps.length = count
    const batch: RecordBatch = {
      kind: 'records',
      values,
      timestamps,
      origins: this.origins,
      origin: this.origin,
      keyHashes: null,
    }
    this.values = roomForRecords(count)
    this.count = 0
    this.timestamps = null
    this.origins = null
    return batch
  }

  private addTimestamp(timestamp: number): void {
    this.timestamps ??= roomForTimestamps(this.values.length, this.count)
    this.timestamps[this.count] = timestamp
  }

  /** Null says "the same index": so it is, until the first record that is left out, doubled or not the first of its batch. */
  private addOrigin(origin: number): void {
    if (this.origins === null) {
      if (origin === this.count) return
      this.origins = Array.from({ length: this.count }, (_, index) => index)
    }
    this.origins.push(origin)
  }

  private check(value: unknown): void {
    assertEncodable(value, `A record of ${this.operator}`)
    deepFreeze(value)
  }

  private refuse(): never {
    throw new TidemarkError(
      'TOO_MANY_OUTPUTS',
      `operator ${this.operator} emitted more than ${EMIT_LIMIT} records while handling one record`,
      {
        action:
          'Return an iterable from flatMap instead: it is pulled piece by piece, as fast as the consumers take it.',
        context: { operator: this.operator },
      },
    )
  }
}
