import { assert } from 'tidemark/connector'
import type { BrokerId } from '../client/contract.ts'
import type { KafkaHeader } from '../options.ts'
import type { BatchBuilder, RecordParts } from '../records/contract.ts'
import type { WriteSpan } from './write-span.ts'

const SEQUENCES = 2 ** 31

/** Records of one partition and one span that are sent together. */
export interface QueuedBatch {
  readonly span: WriteSpan
  /** Until it is first sent: then the producer's identity, which may come late, is written into it. */
  builder: BatchBuilder | null
  bytes: Uint8Array | null
  /** Of `bytes`, or of what the builder holds. */
  byteLength: number
  baseSequence: number
  readonly recordCount: number
  /** When it first failed, by the monotonic clock. */
  failedAtMs: number | null
}

/** Builders and their buffers, used again. */
export class BuilderStock {
  private readonly create: () => BatchBuilder
  private readonly stock: BatchBuilder[] = []

  constructor(create: () => BatchBuilder) {
    this.create = create
  }

  take(): BatchBuilder {
    return this.stock.pop() ?? this.create()
  }

  put(builder: BatchBuilder): void {
    if (this.stock.length < 32) this.stock.push(builder)
  }
}

/**
 * What waits for one partition, in order: closed batches, then the one that takes records. One batch is on its way at a time, also across transactions: whatever has to be sent
 * again, the order of the partition is that of the records.
 */
export class PartitionQueue {
  readonly topic: string
  readonly partition: number
  leader: BrokerId | null = null
  readonly queue: QueuedBatch[] = []
  isSending = false
  /** Waits before its first batch is sent again. */
  isResting = false
  failures = 0
  /** The open batch has waited long enough. */
  isDue = false
  /** Smaller than what was configured, after the broker found a batch too large. */
  mostBytes: number
  private readonly builders: BuilderStock
  private builder: BatchBuilder | null = null
  private span: WriteSpan | null = null
  private nextSequence = 0

  constructor(topic: string, partition: number, mostBytes: number, builders: BuilderStock) {
    this.topic = topic
    this.partition = partition
    this.mostBytes = mostBytes
    this.builders = builders
  }

  get name(): string {
    return `${this.topic}[${this.partition}]`
  }

  get isEmpty(): boolean {
    return this.queue.length === 0 && this.builder === null
  }

  get isIdle(): boolean {
    return this.queue.length === 0 && !this.isSending
  }

  get openBytes(): number {
    return this.builder?.byteLength ?? 0
  }

  /** Takes a record; how many bytes more are waiting now. */
  append(span: WriteSpan, parts: RecordParts, headers: readonly KafkaHeader[] | null, timestampMs: number): number {
    let { builder } = this
    if (builder === null) {
      builder = this.builders.take()
      this.builder = builder
      // Sequences count from 0 in each transaction; without transactions the producer's go on.
      if (span !== this.span) this.begin(span)
      span.unacknowledged++
    }
    const before = builder.recordCount === 0 ? 0 : builder.byteLength
    builder.appendParts(parts, headers, timestampMs)
    return builder.byteLength - before
  }

  /** The open batch takes no more. */
  close(): void {
    const { builder, span } = this
    if (builder === null) return
    assert(span !== null && builder.recordCount > 0, 'an open batch has records')
    this.builder = null
    this.isDue = false
    const { recordCount, byteLength } = builder
    const baseSequence = this.nextSequence
    this.nextSequence = (baseSequence + recordCount) % SEQUENCES
    this.queue.push({ span, builder, bytes: null, byteLength, baseSequence, recordCount, failedAtMs: null })
  }

  /** Writes the identity of its span into a batch that is sent for the first time; how many bytes more (or less) it takes now. */
  finish(batch: QueuedBatch): number {
    const { builder, span, baseSequence } = batch
    if (builder === null) return 0
    const { identity } = span
    assert(identity !== null, 'a batch is sent when its producer is known')
    const { producerId, producerEpoch, transactionalId } = identity
    batch.bytes = builder.finish({ producerId, producerEpoch, baseSequence, isTransactional: transactionalId !== null })
    batch.builder = null
    this.builders.put(builder)
    const growth = batch.bytes.length - batch.byteLength
    batch.byteLength = batch.bytes.length
    return growth
  }

  /** Puts smaller batches in the place of the first one. */
  replaceFirst(batches: readonly QueuedBatch[]): void {
    const [first] = this.queue
    assert(first !== undefined && batches.length > 0, 'there is a first batch to replace')
    first.span.unacknowledged += batches.length - 1
    this.queue.splice(0, 1, ...batches)
  }

  private begin(span: WriteSpan): void {
    const isOtherProducer = this.span?.identity === null || this.span?.identity !== span.identity
    if (this.span === null || isOtherProducer) this.nextSequence = 0
    this.span = span
    if (!span.added.has(this)) span.toAdd.add(this)
  }
}
