import type { CodecContext, Decoder, Decoding } from '../codec.ts'
import type { KafkaHeader, KafkaRecord } from '../options.ts'
import type { RecordCursor } from '../records/contract.ts'
import type { AssignedPartition } from './assigned-partition.ts'

/** What a source makes of the records of a log: their values, or whole records. */
export interface RecordFormat<T> {
  readonly value: Decoder<unknown>
  /** Null: only values are emitted. */
  readonly key: Decoder<unknown> | null
  /** Only for the type: what the source emits. */
  readonly record?: T
}

/** Makes records of what a cursor stands on. One per reader. */
export class RecordDecoding<T> {
  private readonly value: Decoding<unknown>
  private readonly key: Decoding<unknown> | null
  /** Whether batches have to be prepared before they are decoded. */
  readonly needsPreparation: boolean

  constructor(format: RecordFormat<T>, context: CodecContext) {
    this.value = format.value.createDecoding(context)
    this.key = format.key?.createDecoding(context) ?? null
    this.needsPreparation = this.value.prepare !== undefined || this.key?.prepare !== undefined
  }

  async open(): Promise<void> {
    await this.value.open?.()
    await this.key?.open?.()
  }

  /** A promise: what decoding the record needs is not there yet. */
  prepare(cursor: RecordCursor, partition: AssignedPartition): Promise<unknown> | undefined {
    const ofValue = this.value.prepare?.(cursor.value, partition.valueContext)
    const ofKey = this.key?.prepare?.(cursor.key, partition.keyContext)
    return ofValue === undefined || ofKey === undefined ? (ofValue ?? ofKey) : Promise.all([ofValue, ofKey])
  }

  /** Throws what the codec throws: the record is a bad one. */
  decode(cursor: RecordCursor, partition: AssignedPartition): T {
    const value = this.decodeValue(cursor, partition)
    if (this.key === null) return value as T
    const record: KafkaRecord<unknown, unknown> = {
      topic: partition.topic,
      partition: partition.partition,
      offset: cursor.offset,
      timestamp: cursor.timestampMs,
      key: decodeKey(this.key, cursor, partition),
      value,
      headers: ownHeaders(cursor),
    }
    return record as T
  }

  async close(): Promise<void> {
    await this.value.close?.()
    await this.key?.close?.()
  }

  private decodeValue(cursor: RecordCursor, { valueContext }: AssignedPartition): unknown {
    const { value } = this
    const { valueLength, valueStart } = cursor
    if (valueLength < 0 || value.decodeRange === undefined) return value.decode(cursor.value, valueContext)
    return value.decodeRange(cursor.data, valueStart, valueStart + valueLength, valueContext)
  }
}

function decodeKey(key: Decoding<unknown>, cursor: RecordCursor, { keyContext }: AssignedPartition): unknown {
  const { keyLength, keyStart } = cursor
  if (keyLength < 0 || key.decodeRange === undefined) return key.decode(cursor.key, keyContext)
  return key.decodeRange(cursor.data, keyStart, keyStart + keyLength, keyContext)
}

/** Headers whose bytes are copies: what is emitted may live for long, and must not hold on to all that was fetched. */
export function ownHeaders(cursor: RecordCursor): readonly KafkaHeader[] {
  const headers = cursor.headers()
  return headers.length === 0 ? headers : headers.map(({ name, value }) => ({ name, value: ownBytes(value) }))
}

export function ownBytes(bytes: Uint8Array | null): Uint8Array | null {
  return bytes === null ? null : new Uint8Array(bytes)
}
