import { kafkaError } from '../client/kafka-error.ts'
import type { KafkaError } from '../client/contract.ts'
import type { KafkaHeader } from '../options.ts'
import {
  BATCH,
  COMPRESSION_MASK,
  CONTROL,
  LENGTH_PREFIX_BYTES,
  LOG_APPEND_TIME,
  MAGIC,
  TRANSACTIONAL,
} from './batch-layout.ts'
import { checkCompression, compressionOf, decompress } from './compression.ts'
import type { BatchHeader, RecordCursor } from './contract.ts'
import { crc32c } from 'tidemark/connector'

const EMPTY = Buffer.alloc(0)
const NO_HEADERS: readonly KafkaHeader[] = []
/** Length, attributes, two deltas, the lengths of key and value, and the number of headers: one byte each. */
const MIN_RECORD_BYTES = 7
const MAX_VARINT_BYTES = 10
const NULL = -1

export function createRecordCursor(): RecordCursor {
  return new FetchedRecords()
}

type MutableHeader = { -readonly [Field in keyof BatchHeader]: BatchHeader[Field] }

/**
 * The loops read numbers where they lie and check the bounds once per record, after its fields: what they read beyond the record until then is thrown away. `key` and `value` make
 * their views when they are asked for.
 */
class FetchedRecords implements RecordCursor {
  readonly batch: MutableHeader = {
    baseOffset: 0,
    lastOffset: -1,
    leaderEpoch: -1,
    recordCount: 0,
    producerId: -1n,
    producerEpoch: -1,
    isTransactional: false,
    control: null,
    maxTimestampMs: -1,
    isAppendTime: false,
  }
  offset = -1
  timestampMs = -1

  private bytes: Buffer = EMPTY
  /** Where the next batch begins. */
  private nextStart = 0
  /** Of the batch at hand, until its first record is asked for. */
  private compression = 0
  private isOpen = false
  private baseTimestampMs = 0
  /** Records of the batch at hand, decompressed: from `at` to before `end` of it. */
  data: Buffer = EMPTY
  private at = 0
  private end = 0
  private remaining = 0
  private lastDelta = -1

  keyStart = 0
  keyLength = NULL
  valueStart = 0
  valueLength = NULL
  private headersStart = 0
  private recordEnd = 0

  load(bytes: Uint8Array): void {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.nextStart = 0
    this.remaining = 0
    this.isOpen = false
    this.data = EMPTY
  }

  get key(): Uint8Array | null {
    return this.keyLength === NULL ? null : this.data.subarray(this.keyStart, this.keyStart + this.keyLength)
  }

  get value(): Uint8Array | null {
    return this.valueLength === NULL ? null : this.data.subarray(this.valueStart, this.valueStart + this.valueLength)
  }

  nextBatch(): boolean {
    const { bytes, nextStart: start } = this
    this.remaining = 0
    this.isOpen = false
    if (bytes.length - start < LENGTH_PREFIX_BYTES) return false
    const { batch } = this
    batch.baseOffset = this.readOffset(start + BATCH.baseOffset)
    const end = start + LENGTH_PREFIX_BYTES + bytes.readInt32BE(start + BATCH.batchLength)
    if (end < start + BATCH.records) throw this.corrupt('it is shorter than its own fields')
    if (end > bytes.length) return false
    const magic = bytes[start + BATCH.magic]!
    if (magic !== MAGIC) {
      throw this.corrupt(`it has message format ${magic}, and only format 2, that of Kafka 0.11 and later, can be read`)
    }
    const checksum = crc32c(bytes.subarray(start + BATCH.attributes, end))
    if (checksum !== bytes.readUInt32BE(start + BATCH.checksum)) throw this.corrupt('its checksum is wrong')
    this.readHeader(start)
    this.data = bytes
    this.at = start + BATCH.records
    this.end = end
    this.nextStart = end
    return true
  }

  private readHeader(start: number): void {
    const { bytes, batch } = this
    const attributes = bytes.readInt16BE(start + BATCH.attributes)
    const lastOffsetDelta = bytes.readInt32BE(start + BATCH.lastOffsetDelta)
    const recordCount = bytes.readInt32BE(start + BATCH.recordCount)
    if (lastOffsetDelta < 0 || recordCount < 0) throw this.corrupt('it counts less than no records')
    batch.lastOffset = batch.baseOffset + lastOffsetDelta
    batch.leaderEpoch = bytes.readInt32BE(start + BATCH.partitionLeaderEpoch)
    batch.recordCount = recordCount
    batch.producerId = bytes.readBigInt64BE(start + BATCH.producerId)
    batch.producerEpoch = bytes.readInt16BE(start + BATCH.producerEpoch)
    batch.isTransactional = (attributes & TRANSACTIONAL) !== 0
    batch.isAppendTime = (attributes & LOG_APPEND_TIME) !== 0
    batch.maxTimestampMs = safeTime(this.readInteger(start + BATCH.maxTimestamp))
    this.baseTimestampMs = this.readInteger(start + BATCH.baseTimestamp)
    this.compression = attributes & COMPRESSION_MASK
    const isControl = (attributes & CONTROL) !== 0
    batch.control = isControl ? this.readControl(start + BATCH.records, recordCount) : null
    this.remaining = isControl ? 0 : recordCount
    this.lastDelta = -1
  }

  /** The key of a marker's record: a version and a type. Markers are never compressed. */
  private readControl(start: number, recordCount: number): 'commit' | 'abort' | 'other' {
    // Compaction may leave a marker without its record.
    if (recordCount === 0) return 'other'
    const { bytes } = this
    const isMarker = recordCount === 1 && bytes[start + 4] === 8 && start + 9 <= bytes.length
    if (!isMarker) return 'other'
    const type = bytes.readInt16BE(start + 7)
    return type === 1 ? 'commit' : type === 0 ? 'abort' : 'other'
  }

  nextRecord(): boolean {
    if (this.remaining === 0) {
      if (this.isOpen && this.at !== this.end) throw this.corrupt('it is longer than its records')
      return false
    }
    if (!this.isOpen) this.openRecords()
    this.remaining--
    const { data } = this
    let byte = data[this.at]!
    const length = byte < 0x80 ? this.skip((byte >>> 1) ^ -(byte & 1)) : this.readVarint()
    const recordEnd = this.at + length
    if (length < MIN_RECORD_BYTES - 1 || recordEnd > this.end) throw this.corrupt('a record is longer than the batch')
    this.recordEnd = recordEnd
    // The attributes of a record are unused.
    this.at++
    byte = data[this.at]!
    const timestampDelta = byte < 0x80 ? this.skip((byte >>> 1) ^ -(byte & 1)) : this.readVarint()
    byte = data[this.at]!
    const offsetDelta = byte < 0x80 ? this.skip((byte >>> 1) ^ -(byte & 1)) : this.readVarint()
    byte = data[this.at]!
    this.keyLength = byte < 0x80 ? this.skip((byte >>> 1) ^ -(byte & 1)) : this.readVarint()
    this.keyStart = this.at
    if (this.keyLength > 0) this.at += this.keyLength
    if (this.at >= recordEnd) throw this.corrupt('a key is longer than its record')
    byte = data[this.at]!
    this.valueLength = byte < 0x80 ? this.skip((byte >>> 1) ^ -(byte & 1)) : this.readVarint()
    this.valueStart = this.at
    if (this.valueLength > 0) this.at += this.valueLength
    if (this.at >= recordEnd) throw this.corrupt('a value is longer than its record')
    if (this.keyLength < NULL || this.valueLength < NULL) throw this.corrupt('a length is negative')
    const offset = this.batch.baseOffset + offsetDelta
    if (offsetDelta <= this.lastDelta || offset > this.batch.lastOffset) throw this.corrupt('its offsets do not ascend')
    this.lastDelta = offsetDelta
    this.offset = offset
    this.timestampMs = this.batch.isAppendTime
      ? this.batch.maxTimestampMs
      : safeTime(this.baseTimestampMs + timestampDelta)
    this.headersStart = this.at
    this.at = recordEnd
    return true
  }

  headers(): readonly KafkaHeader[] {
    const { data, headersStart, recordEnd, end } = this
    if (data[headersStart] === 0 && headersStart + 1 === recordEnd) return NO_HEADERS
    this.at = headersStart
    this.end = recordEnd
    const count = this.readVarint()
    if (count < 0 || count > recordEnd - headersStart) throw this.corrupt('a record counts too many headers')
    const headers: KafkaHeader[] = []
    for (let index = 0; index < count; index++) {
      const name = this.readHeaderBytes()
      if (name === null) throw this.corrupt('a header has no name')
      headers.push({ name: name.toString('utf8'), value: this.readHeaderBytes() })
    }
    if (this.at !== recordEnd) throw this.corrupt('a record is longer than its headers')
    this.end = end
    return headers
  }

  private readHeaderBytes(): Buffer | null {
    const length = this.readVarint()
    if (length === NULL) return null
    const start = this.at
    if (length < 0 || start + length > this.end) throw this.corrupt('a header is longer than its record')
    this.at = start + length
    return this.data.subarray(start, this.at)
  }

  private openRecords(): void {
    this.isOpen = true
    if (this.compression !== 0) {
      const compression = compressionOf(this.compression)
      if (compression === undefined || compression === 'none') {
        throw this.corrupt(`it names an unknown compression (${this.compression})`)
      }
      checkCompression(compression)
      try {
        this.data = decompress(compression, this.bytes.subarray(this.at, this.end))
      } catch (error) {
        throw this.corrupt(`it cannot be decompressed (${compression}: ${(error as Error).message})`)
      }
      this.at = 0
      this.end = this.data.length
    }
    if (this.batch.recordCount * MIN_RECORD_BYTES > this.end - this.at) throw this.corrupt('it counts too many records')
  }

  /** Past a number of one byte. */
  private skip(value: number): number {
    this.at++
    return value
  }

  /** A zigzag varint or varlong. Beyond 2^53 only a time can be meant, and about right is right enough: what is counted is held to its bounds. */
  private readVarint(): number {
    const { data, end } = this
    let { at } = this
    let value = 0
    let scale = 1
    const first = data[at]!
    const last = Math.min(end, at + MAX_VARINT_BYTES)
    for (;;) {
      if (at >= last) throw this.corrupt('a number is cut off')
      const byte = data[at++]!
      value += (byte & 0x7f) * scale
      if (byte < 0x80) break
      scale *= 0x80
    }
    this.at = at
    // Zigzag: 0, -1, 1, -2, …
    return (first & 1) === 0 ? value / 2 : -(value + 1) / 2
  }

  private readOffset(at: number): number {
    const value = this.readInteger(at)
    if (!Number.isSafeInteger(value) || value < 0) throw this.corrupt('its offset cannot be')
    return value
  }

  private readInteger(at: number): number {
    return this.bytes.readInt32BE(at) * 2 ** 32 + this.bytes.readUInt32BE(at + 4)
  }

  private corrupt(why: string): KafkaError {
    this.remaining = 0
    this.isOpen = false
    return kafkaError('CORRUPT_MESSAGE', `the record batch at offset ${this.batch.baseOffset} is damaged: ${why}`)
  }
}

/** Some producers write nanoseconds, and brokers may let them: not a reason to stop reading. */
function safeTime(timeMs: number): number {
  return Math.max(-Number.MAX_SAFE_INTEGER, Math.min(timeMs, Number.MAX_SAFE_INTEGER))
}
