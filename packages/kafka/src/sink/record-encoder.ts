import { TidemarkError } from 'tidemark/connector'
import type { Encoder, Encoding } from '../codec.ts'
import { json } from '../codecs/json.ts'
import type { KafkaHeader, KafkaSinkOptions } from '../options.ts'

/** Turns a record into what Kafka keeps of it. One per task. */
export class RecordEncoder<T> {
  private readonly options: KafkaSinkOptions<T>
  private readonly encoding: Encoding<unknown>
  /** Null: the whole record is the value. */
  private readonly pick: ((record: T) => unknown) | null

  constructor(options: KafkaSinkOptions<T>, secret: (name: string) => string) {
    this.options = options
    const { value } = options
    this.encoding = (encoderOf(options) ?? json()).createEncoding({ secret })
    this.pick = typeof value === 'function' ? value : null
  }

  async open(): Promise<void> {
    await this.encoding.open?.()
  }

  async close(): Promise<void> {
    await this.encoding.close?.()
  }

  /** A promise: the record can be encoded when it has resolved. */
  prepare(record: T, topic: string): Promise<void> | undefined {
    if (this.encoding.prepare === undefined) return undefined
    const picked = this.pick === null ? record : this.pick(record)
    if (this.pick !== null && isWrittenAsItIs(picked)) return undefined
    return this.encoding.prepare(picked, { topic, part: 'value' })
  }

  /** Null: a tombstone. What a function picks is encoded, but for bytes, which are written as they are. */
  value(record: T, topic: string): Uint8Array | null {
    if (this.pick === null) return this.encoding.encode(record, { topic, part: 'value' })
    const picked = this.pick(record)
    if (isWrittenAsItIs(picked)) return picked
    return this.encoding.encode(picked, { topic, part: 'value' })
  }

  key(record: T): Uint8Array | null {
    const key = this.options.key?.(record)
    if (typeof key === 'string') return Buffer.from(key, 'utf8')
    if (key === undefined || key === null || key instanceof Uint8Array) {
      if (key !== undefined || this.options.key === undefined) return key ?? null
    }
    throw new TidemarkError('SINK_FAILED', `the key of a record is ${show(key)}`, {
      action: 'Let key return a string, bytes, or null for none.',
    })
  }

  headers(record: T): readonly KafkaHeader[] | null {
    const headers = this.options.headers?.(record)
    if (headers === undefined) return null
    if (isHeaderList(headers)) return headers
    return Object.entries(headers).map(([name, value]) => ({ name, value: Buffer.from(value, 'utf8') }))
  }

  /** `given`: the record's event time; NaN for none. */
  timestamp(record: T, given: number, now: number): number {
    const { timestamp } = this.options
    if (timestamp === undefined) return given >= 0 && given <= Number.MAX_SAFE_INTEGER ? Math.floor(given) : now
    const time = timestamp(record)
    if (Number.isSafeInteger(Math.floor(time)) && time >= 0) return Math.floor(time)
    throw new TidemarkError('SINK_FAILED', `the timestamp of a record is ${show(time)}`, {
      action: 'Let timestamp return milliseconds since 1970.',
    })
  }

  /** Null where the user leaves it to Kafka's rules. */
  partition(record: T, topic: string, partitions: number): number | null {
    const choose = this.options.partition
    if (choose === undefined) return null
    const partition = choose(record, partitions)
    if (Number.isInteger(partition) && partition >= 0 && partition < partitions) return partition
    throw new TidemarkError(
      'SINK_FAILED',
      `partition gave ${show(partition)} for topic ${topic}, which has ${partitions} partitions`,
      {
        action: `Let it return a whole number from 0 to ${partitions - 1}.`,
      },
    )
  }
}

/** The codec that the options name, whichever way. */
export function encoderOf<T>({ value, codec }: KafkaSinkOptions<T>): Encoder<unknown> | undefined {
  return isEncoder(value) ? value : codec
}

function isWrittenAsItIs(picked: unknown): picked is Uint8Array | null {
  return picked === null || picked instanceof Uint8Array
}

export function isEncoder(value: unknown): value is Encoder<unknown> {
  return typeof value === 'object' && value !== null && 'createEncoding' in value
}

function isHeaderList(
  headers: readonly KafkaHeader[] | Readonly<Record<string, string>>,
): headers is readonly KafkaHeader[] {
  return Array.isArray(headers)
}

function show(value: unknown): string {
  return JSON.stringify(value) ?? (typeof value === 'function' ? 'a function' : 'undefined')
}
