import type { KafkaHeader } from '../options.ts'

/** A record of a log, as tests write and see it. */
export interface PlainRecord {
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly KafkaHeader[]
  readonly timestampMs: number
}

export interface PlacedRecord extends PlainRecord {
  readonly offset: number
}

export interface PlainBatch {
  readonly producerId: bigint
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly isTransactional: boolean
  readonly isControl: boolean
  /** Offset of the last record within the batch, also where it was compacted away. */
  readonly lastOffsetDelta: number
  readonly records: readonly (PlainRecord & { readonly offsetDelta: number })[]
}

/** What a broker looks at in a batch that is produced. */
export interface BatchFacts {
  readonly baseOffset: number
  readonly byteLength: number
  readonly lastOffsetDelta: number
  readonly producerId: bigint
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly isTransactional: boolean
  readonly isControl: boolean
  readonly compression: number
  readonly maxTimestampMs: number
}

export const NO_PRODUCER = -1n
const HEADER_BYTES = 61
const TRANSACTIONAL = 0x10
const CONTROL = 0x20

/**
 * Record batches (magic 2) written and read in the plainest way, uncompressed: apart from the fast code of `records/`, so that a mistake in one of them is not
 * hidden by the same mistake in the other. Format: kafka.apache.org/documentation/#recordbatch.
 */
export function encodePlainBatch(batch: PlainBatch): Uint8Array {
  const first = batch.records[0]?.timestampMs ?? 0
  const records = batch.records.map((record) => encodeRecord(record, first))
  const length = HEADER_BYTES + records.reduce((sum, bytes) => sum + bytes.length, 0)
  const bytes = new Uint8Array(length)
  const view = new DataView(bytes.buffer)
  view.setInt32(8, length - 12)
  view.setInt8(16, 2)
  view.setInt16(21, (batch.isTransactional ? TRANSACTIONAL : 0) | (batch.isControl ? CONTROL : 0))
  view.setInt32(23, batch.lastOffsetDelta)
  view.setBigInt64(27, BigInt(first))
  view.setBigInt64(35, BigInt(batch.records.reduce((most, { timestampMs }) => Math.max(most, timestampMs), first)))
  view.setBigInt64(43, batch.producerId)
  view.setInt16(51, batch.producerEpoch)
  view.setInt32(53, batch.baseSequence)
  view.setInt32(57, records.length)
  let offset = HEADER_BYTES
  for (const record of records) {
    bytes.set(record, offset)
    offset += record.length
  }
  view.setUint32(17, crc32c(bytes.subarray(21)))
  return bytes
}

/** The batch that ends a transaction on a partition. */
export function encodeMarker(
  producerId: bigint,
  producerEpoch: number,
  outcome: 'commit' | 'abort',
  timestampMs: number,
): Uint8Array {
  const key = new Uint8Array([0, 0, 0, outcome === 'commit' ? 1 : 0])
  return encodePlainBatch({
    producerId,
    producerEpoch,
    baseSequence: -1,
    isTransactional: true,
    isControl: true,
    lastOffsetDelta: 0,
    records: [{ key, value: new Uint8Array(6), headers: [], timestampMs, offsetDelta: 0 }],
  })
}

/** Null where the bytes are not one whole batch with a right checksum. */
export function readBatchFacts(bytes: Uint8Array): BatchFacts | null {
  if (bytes.length < HEADER_BYTES) return null
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (view.getInt8(16) !== 2 || view.getInt32(8) !== bytes.length - 12) return null
  if (view.getUint32(17) !== crc32c(bytes.subarray(21))) return null
  const attributes = view.getInt16(21)
  return {
    baseOffset: Number(view.getBigInt64(0)),
    byteLength: bytes.length,
    lastOffsetDelta: view.getInt32(23),
    producerId: view.getBigInt64(43),
    producerEpoch: view.getInt16(51),
    baseSequence: view.getInt32(53),
    isTransactional: (attributes & TRANSACTIONAL) !== 0,
    isControl: (attributes & CONTROL) !== 0,
    compression: attributes & 7,
    maxTimestampMs: Number(view.getBigInt64(35)),
  }
}

/** The batch at its place in a log: base offset and leader epoch are not part of the checksum. */
export function placeBatch(bytes: Uint8Array, baseOffset: number, leaderEpoch: number): Uint8Array {
  // Not `slice`, which of a Buffer makes a view.
  const placed = new Uint8Array(bytes)
  const view = new DataView(placed.buffer)
  view.setBigInt64(0, BigInt(baseOffset))
  view.setInt32(12, leaderEpoch)
  return placed
}

/** Records of an uncompressed batch. */
export function decodePlainBatch(bytes: Uint8Array): readonly PlacedRecord[] {
  const facts = readBatchFacts(bytes)
  if (facts === null) throw new Error('this is not a record batch')
  if (facts.compression !== 0) throw new Error('the plain reader knows no compression')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const firstTimestamp = Number(view.getBigInt64(27))
  const input = new PlainInput(bytes, HEADER_BYTES)
  return Array.from({ length: view.getInt32(57) }, () => {
    input.varint()
    input.offset++
    const timestampMs = firstTimestamp + input.varint()
    const offset = facts.baseOffset + input.varint()
    const key = input.sized()
    const value = input.sized()
    const headers = Array.from({ length: input.varint() }, () => ({
      name: new TextDecoder().decode(input.sized() ?? new Uint8Array()),
      value: input.sized(),
    }))
    return { offset, timestampMs, key, value, headers }
  })
}

function encodeRecord(record: PlainBatch['records'][number], firstTimestamp: number): Uint8Array {
  const body: number[] = [0]
  pushVarint(body, record.timestampMs - firstTimestamp)
  pushVarint(body, record.offsetDelta)
  pushSized(body, record.key)
  pushSized(body, record.value)
  pushVarint(body, record.headers.length)
  for (const { name, value } of record.headers) {
    pushSized(body, new TextEncoder().encode(name))
    pushSized(body, value)
  }
  const length: number[] = []
  pushVarint(length, body.length)
  return new Uint8Array([...length, ...body])
}

function pushSized(out: number[], bytes: Uint8Array | null): void {
  pushVarint(out, bytes === null ? -1 : bytes.length)
  for (const byte of bytes ?? []) out.push(byte)
}

/** Zigzag, as protocol buffers do. Through bigint: timestamps differ by more than 32 bits. */
function pushVarint(out: number[], value: number): void {
  let rest = BigInt.asUintN(64, (BigInt(value) << 1n) ^ (BigInt(value) >> 63n))
  while (rest > 0x7fn) {
    out.push(Number(rest & 0x7fn) | 0x80)
    rest >>= 7n
  }
  out.push(Number(rest))
}

class PlainInput {
  offset: number
  private readonly bytes: Uint8Array

  constructor(bytes: Uint8Array, offset: number) {
    this.bytes = bytes
    this.offset = offset
  }

  varint(): number {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.bytes[this.offset++]
      if (byte === undefined) throw new Error('a varint runs out of its batch')
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return Number((value >> 1n) ^ -(value & 1n))
    }
  }

  sized(): Uint8Array | null {
    const length = this.varint()
    if (length < 0) return null
    this.offset += length
    return this.bytes.slice(this.offset - length, this.offset)
  }
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ 0x82f63b78
  return crc
})

function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) crc = CRC_TABLE[(crc ^ byte) & 0xff]! ^ (crc >>> 8)
  return ~crc >>> 0
}
