import { TidemarkError } from 'tidemark/connector'
import type { DecodeContext, Encoder, Encoding } from '../codec.ts'
import { json } from '../codecs/json.ts'
import { writeUtf8 } from '../codecs/utf8.ts'
import type { KafkaHeader, KafkaSinkOptions } from '../options.ts'
import type { RecordParts } from '../records/contract.ts'

/** Most keys and values have room in it, one after the other. */
const SCRATCH_BYTES = 65_536
const NOTHING = new Uint8Array()
const NULL = -1

/** Turns a record into what Kafka keeps of it. One per task. */
export class RecordEncoder<T> implements RecordParts {
  /** Of the record that was encoded last. */
  keyBytes: Uint8Array = NOTHING
  keyStart = 0
  keyLength = NULL
  valueBytes: Uint8Array = NOTHING
  valueStart = 0
  valueLength = NULL
  private readonly options: KafkaSinkOptions<T>
  private readonly encoding: Encoding<unknown>
  /** What is written by hand lies here until it is in its batch: bytes of its own for each key and value would take longer than all else that is done to write a record. */
  private readonly scratch: Uint8Array = Buffer.allocUnsafeSlow(SCRATCH_BYTES)
  private at: DecodeContext = { topic: '', part: 'value' }
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
    return this.encoding.prepare(picked, this.contextOf(topic))
  }

  /** Key and value, valid until the next record is encoded. */
  encode(record: T, topic: string): RecordParts {
    const keyEnd = this.encodeKey(record)
    this.encodeValue(record, topic, keyEnd)
    return this
  }

  /** Where free room begins. */
  private encodeKey(record: T): number {
    const key = this.options.key?.(record)
    if (typeof key !== 'string') {
      this.setKey(this.checkedKey(key))
      return 0
    }
    const { scratch } = this
    const end = writeUtf8(scratch, 0, key)
    if (end === -1) {
      this.setKey(Buffer.from(key, 'utf8'))
      return 0
    }
    this.keyBytes = scratch
    this.keyStart = 0
    this.keyLength = end
    return end
  }

  /** What a function picks is encoded, but for bytes, which are written as they are. Null is a tombstone. */
  private encodeValue(record: T, topic: string, from: number): void {
    const { encoding, scratch, pick } = this
    const picked = pick === null ? record : pick(record)
    if (pick !== null && isWrittenAsItIs(picked)) return this.setValue(picked)
    const context = this.contextOf(topic)
    const end = encoding.encodeInto === undefined ? -1 : encoding.encodeInto(picked, scratch, from, context)
    if (end === -1) return this.setValue(encoding.encode(picked, context))
    this.valueBytes = scratch
    this.valueStart = from
    this.valueLength = end - from
  }

  private setKey(key: Uint8Array | null): void {
    this.keyBytes = key ?? NOTHING
    this.keyStart = 0
    this.keyLength = key === null ? NULL : key.length
  }

  private setValue(value: Uint8Array | null): void {
    this.valueBytes = value ?? NOTHING
    this.valueStart = 0
    this.valueLength = value === null ? NULL : value.length
  }

  private contextOf(topic: string): DecodeContext {
    if (this.at.topic !== topic) this.at = { topic, part: 'value' }
    return this.at
  }

  private checkedKey(key: Uint8Array | null | undefined): Uint8Array | null {
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
