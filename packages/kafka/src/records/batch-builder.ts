import { assert, crc32c } from 'tidemark/connector'
import type { KafkaHeader } from '../options.ts'
import { BATCH, LENGTH_PREFIX_BYTES, MAGIC, TRANSACTIONAL } from './batch-layout.ts'
import { checkCompression, compress, compressionNumber } from './compression.ts'
import type { BatchBuilder, BatchIdentity, Compression, RecordParts } from './contract.ts'

const INITIAL_BYTES = 16_384
const NULL = -1
const NOTHING = new Uint8Array()
const MAX_BY_HAND = 32
/** Twice its distance to another time has to be an exact number. Year 144,683. */
const MAX_TIMESTAMP_MS = 2 ** 52
/** A varint takes at most 5 bytes, a varlong 10: what a record needs beside its key, value and headers. */
const MAX_RECORD_OVERHEAD_BYTES = 1 + 10 + 5 * 5

/** Fails where this Node does not know the compression. */
export function createBatchBuilder(compression: Compression): BatchBuilder {
  checkCompression(compression)
  return new GrowingBatch(compression)
}

class GrowingBatch implements BatchBuilder {
  recordCount = 0
  byteLength: number = BATCH.records
  private readonly compression: Compression
  /** Kept from batch to batch; what `finish` gives away is a copy of the size that it has. */
  private buffer: Buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES)
  private baseTimestampMs = 0
  private maxTimestampMs = 0

  constructor(compression: Compression) {
    this.compression = compression
  }

  append(
    key: Uint8Array | null,
    value: Uint8Array | null,
    headers: readonly KafkaHeader[] | null,
    timestampMs: number,
  ): void {
    const keyBytes = key ?? NOTHING
    const valueBytes = value ?? NOTHING
    const lengths = { keyLength: key === null ? NULL : key.length, valueLength: value === null ? NULL : value.length }
    this.appendParts({ keyBytes, keyStart: 0, valueBytes, valueStart: 0, ...lengths }, headers, timestampMs)
  }

  appendParts(parts: RecordParts, headers: readonly KafkaHeader[] | null, timestampMs: number): void {
    const { keyLength, valueLength } = parts
    assert(Number.isInteger(timestampMs) && timestampMs >= 0 && timestampMs < MAX_TIMESTAMP_MS, 'a time can be written')
    const headerBytes = headers === null || headers.length === 0 ? 1 : sizeOfHeaders(headers)
    const contentBytes = Math.max(0, keyLength) + Math.max(0, valueLength)
    const most = contentBytes + headerBytes + MAX_RECORD_OVERHEAD_BYTES
    if (this.byteLength + most > this.buffer.length) this.grow(this.byteLength + most)
    if (this.recordCount === 0) {
      this.baseTimestampMs = timestampMs
      this.maxTimestampMs = timestampMs
    } else if (timestampMs > this.maxTimestampMs) this.maxTimestampMs = timestampMs
    const { buffer } = this
    const timestampDelta = timestampMs - this.baseTimestampMs
    const offsetDelta = this.recordCount
    const length =
      1 +
      sizeOfVarint(timestampDelta) +
      sizeOfVarint(offsetDelta) +
      sizeOfVarint(keyLength) +
      sizeOfVarint(valueLength) +
      contentBytes +
      headerBytes
    let at = writeVarint(buffer, this.byteLength, length)
    // The attributes of a record are unused.
    buffer[at++] = 0
    at = writeVarint(buffer, at, timestampDelta)
    at = writeVarint(buffer, at, offsetDelta)
    at = writeBytes(buffer, at, parts.keyBytes, parts.keyStart, keyLength)
    at = writeBytes(buffer, at, parts.valueBytes, parts.valueStart, valueLength)
    if (headers === null || headers.length === 0) buffer[at++] = 0
    else at = writeHeaders(buffer, at, headers)
    this.byteLength = at
    this.recordCount++
  }

  finish(identity: BatchIdentity): Uint8Array {
    assert(this.recordCount > 0, 'a batch has records')
    const batch = this.withHeaderSpace()
    batch.fill(0, 0, BATCH.magic)
    batch.writeInt32BE(batch.length - LENGTH_PREFIX_BYTES, BATCH.batchLength)
    // The broker sets base offset and leader epoch.
    batch.writeInt32BE(-1, BATCH.partitionLeaderEpoch)
    batch[BATCH.magic] = MAGIC
    batch.writeInt16BE(
      compressionNumber(this.compression) | (identity.isTransactional ? TRANSACTIONAL : 0),
      BATCH.attributes,
    )
    batch.writeInt32BE(this.recordCount - 1, BATCH.lastOffsetDelta)
    batch.writeBigInt64BE(BigInt(this.baseTimestampMs), BATCH.baseTimestamp)
    batch.writeBigInt64BE(BigInt(this.maxTimestampMs), BATCH.maxTimestamp)
    batch.writeBigInt64BE(identity.producerId, BATCH.producerId)
    batch.writeInt16BE(identity.producerEpoch, BATCH.producerEpoch)
    batch.writeInt32BE(identity.baseSequence, BATCH.baseSequence)
    batch.writeInt32BE(this.recordCount, BATCH.recordCount)
    batch.writeUInt32BE(crc32c(batch.subarray(BATCH.attributes)), BATCH.checksum)
    this.recordCount = 0
    this.byteLength = BATCH.records
    return batch
  }

  /** A buffer of its own for the whole batch, with the records in their place. */
  private withHeaderSpace(): Buffer {
    if (this.compression === 'none') {
      const batch = Buffer.allocUnsafeSlow(this.byteLength)
      this.buffer.copy(batch, BATCH.records, BATCH.records, this.byteLength)
      return batch
    }
    const compressed = compress(this.compression, this.buffer.subarray(BATCH.records, this.byteLength))
    const batch = Buffer.allocUnsafeSlow(BATCH.records + compressed.length)
    batch.set(compressed, BATCH.records)
    return batch
  }

  private grow(needed: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.buffer.length))
    this.buffer.copy(larger, 0, 0, this.byteLength)
    this.buffer = larger
  }
}

/** Zigzag varint: integers whose size is small take few bytes. */
function sizeOfVarint(value: number): number {
  if (value >= -64 && value < 64) return 1
  if (value >= -8192 && value < 8192) return 2
  if (value >= -(2 ** 20) && value < 2 ** 20) return 3
  if (value >= -(2 ** 27) && value < 2 ** 27) return 4
  let rest = value < 0 ? -2 * value - 1 : 2 * value
  let bytes = 1
  while (rest >= 0x80) {
    rest = Math.floor(rest / 0x80)
    bytes++
  }
  return bytes
}

function writeVarint(buffer: Buffer, start: number, value: number): number {
  if (value >= -64 && value < 64) {
    buffer[start] = (value << 1) ^ (value >> 31)
    return start + 1
  }
  return value >= -MAX_BY_BITS && value < MAX_BY_BITS
    ? writeBits(buffer, start, value)
    : writeLarge(buffer, start, value)
}

/** Zigzagged, a number below has at most 31 bits. */
const MAX_BY_BITS = 2 ** 30

/** By bits, which cost a fifth of divisions. */
function writeBits(buffer: Buffer, start: number, value: number): number {
  let at = start
  let rest = (value << 1) ^ (value >> 31)
  while (rest >= 0x80) {
    buffer[at++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  buffer[at++] = rest
  return at
}

function writeLarge(buffer: Buffer, start: number, value: number): number {
  let at = start
  let rest = value < 0 ? -2 * value - 1 : 2 * value
  while (rest >= 0x80) {
    buffer[at++] = (rest % 0x80) | 0x80
    rest = Math.floor(rest / 0x80)
  }
  buffer[at++] = rest
  return at
}

/** With their length in front of them, -1 for null. */
function writeBytes(buffer: Buffer, start: number, bytes: Uint8Array, from: number, length: number): number {
  const at = writeVarint(buffer, start, length)
  if (length <= 0) return at
  // A call of `set` costs about as much as a loop over this many bytes, and a view to copy from as much again.
  if (length > MAX_BY_HAND) buffer.set(length === bytes.length ? bytes : bytes.subarray(from, from + length), at)
  else for (let index = 0; index < length; index++) buffer[at + index] = bytes[from + index]!
  return at + length
}

function sizeOfHeaders(headers: readonly KafkaHeader[]): number {
  let bytes = sizeOfVarint(headers.length)
  for (const { name, value } of headers) {
    const nameBytes = Buffer.byteLength(name)
    bytes += sizeOfVarint(nameBytes) + nameBytes
    bytes += value === null ? 1 : sizeOfVarint(value.length) + value.length
  }
  return bytes
}

function writeHeaders(buffer: Buffer, start: number, headers: readonly KafkaHeader[]): number {
  let at = writeVarint(buffer, start, headers.length)
  for (const { name, value } of headers) {
    const bytes = Buffer.byteLength(name)
    at = writeVarint(buffer, at, bytes)
    at += buffer.write(name, at, 'utf8')
    at = writeBytes(buffer, at, value ?? NOTHING, 0, value === null ? NULL : value.length)
  }
  return at
}
