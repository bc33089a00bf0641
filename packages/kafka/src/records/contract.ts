import type { KafkaHeader } from '../options.ts'

export type Compression = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'

/** What a record batch (magic 2) says of itself. */
export interface BatchHeader {
  readonly baseOffset: number
  /** Of the last record, also where compaction has removed it. */
  readonly lastOffset: number
  /** Of the leader that appended it. */
  readonly leaderEpoch: number
  readonly recordCount: number
  readonly producerId: bigint
  readonly producerEpoch: number
  readonly isTransactional: boolean
  /** `commit` and `abort` markers: batches without records for users. */
  readonly control: 'commit' | 'abort' | 'other' | null
  readonly maxTimestampMs: number
  /** With `LogAppendTime` every record has the batch's time. */
  readonly isAppendTime: boolean
}

/**
 * Walks over the records of a fetch without making an object per record. Checks each batch's checksum and lengths before its first record; what does not fit is
 * a `KafkaError` CORRUPT_MESSAGE that names the offset. `key` and `value` make a view each time they are asked for. The fields describe the record that the last `nextRecord` found; byte fields are views that stay valid as long as the bytes that were loaded.
 */
export interface RecordCursor {
  load(bytes: Uint8Array): void
  /** False when no complete batch is left: a batch that was cut off at the end is not an error. */
  nextBatch(): boolean
  readonly batch: BatchHeader
  nextRecord(): boolean
  readonly offset: number
  /** A time beyond safe integers (somebody's nanoseconds) is the nearest of them. */
  readonly timestampMs: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  /** What key and value lie in, for those who can do without a view of them. A length of -1: null. */
  readonly data: Uint8Array
  readonly keyStart: number
  readonly keyLength: number
  readonly valueStart: number
  readonly valueLength: number
  /** Decoded on demand. */
  headers(): readonly KafkaHeader[]
}

export interface BatchIdentity {
  readonly producerId: bigint
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly isTransactional: boolean
}

/** Key and value of a record, in bytes that may hold other things, too. A length of -1: null. */
export interface RecordParts {
  readonly keyBytes: Uint8Array
  readonly keyStart: number
  readonly keyLength: number
  readonly valueBytes: Uint8Array
  readonly valueStart: number
  readonly valueLength: number
}

/** Collects records of one partition into a batch. */
export interface BatchBuilder {
  readonly recordCount: number
  /** Bytes that the batch would have now, before compression. */
  readonly byteLength: number
  /** The time is a whole number from 0 to before 2^52: what users hand in is checked before. */
  append(
    key: Uint8Array | null,
    value: Uint8Array | null,
    headers: readonly KafkaHeader[] | null,
    timestampMs: number,
  ): void
  /** The same. */
  appendParts(parts: RecordParts, headers: readonly KafkaHeader[] | null, timestampMs: number): void
  /** The batch with its checksum; the builder is empty after it. The bytes are the caller's. */
  finish(identity: BatchIdentity): Uint8Array
}
