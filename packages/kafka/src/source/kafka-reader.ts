import {
  assert,
  type CheckpointId,
  isTidemarkError,
  type PollResult,
  type ReaderContext,
  type SourceOutput,
  type SourceReader,
  type Split,
  TidemarkError,
} from 'tidemark/connector'
import type { KafkaClient, PartitionOffset } from '../client/contract.ts'
import type { BadRecord } from '../options.ts'
import type { RecordCursor } from '../records/contract.ts'
import { AssignedPartition } from './assigned-partition.ts'
import { ChunkCursor } from './chunk-cursor.ts'
import { EmittedPositions } from './emitted-positions.ts'
import { GroupCommits } from './group-commits.ts'
import type { ClusterConnection } from '../connection.ts'
import { type FetchedChunk, PartitionFetcher } from './partition-fetcher.ts'
import type { PartitionSplit } from './partition-split.ts'
import { ownBytes, ownHeaders, RecordDecoding, type RecordFormat } from './record-decoding.ts'
import { unreadable } from './source-errors.ts'
import { matchesTopic, type SourceSettings } from './source-settings.ts'

const MAX_WAIT_MS = 500
/** Bytes of chunks without anything to emit (aborted transactions, markers) that one poll walks over at most. */
const POLL_BYTES = 4 * 1024 * 1024

/** Reads partitions: chunks come from the fetcher in the background, and are decoded record by record as the task asks for them. */
export class KafkaReader<T> implements SourceReader<T> {
  private readonly context: ReaderContext
  private readonly settings: SourceSettings
  private readonly connection: ClusterConnection
  private readonly decoding: RecordDecoding<T>
  private readonly cursor: ChunkCursor
  private readonly positions = new EmittedPositions()
  private readonly chunks: FetchedChunk[] = []
  private partitions: AssignedPartition[] = []
  /** Where ended partitions ended, for the consumer group. */
  private readonly endedOffsets: PartitionOffset[] = []
  private client: KafkaClient | null = null
  private fetcher: PartitionFetcher | null = null
  private commits: GroupCommits | null = null
  /** The batch at hand waits for what decoding it needs. */
  private isPreparing = false
  private hasMoreSplits = true
  private isClosed = false

  constructor(
    context: ReaderContext,
    settings: SourceSettings,
    connection: ClusterConnection,
    format: RecordFormat<T>,
    createCursor: () => RecordCursor,
  ) {
    this.context = context
    this.settings = settings
    this.connection = connection
    this.decoding = new RecordDecoding(format, { secret: context.secret })
    this.cursor = new ChunkCursor(createCursor, this.decoding, settings.isolation)
  }

  async open(): Promise<void> {
    const { context, settings, connection } = this
    this.client = connection.open(context.secret)
    this.fetcher = new PartitionFetcher({
      client: this.client,
      clock: context.clock,
      settings,
      maxWaitMs: MAX_WAIT_MS,
      source: context.operator,
      brokers: connection.brokers,
      onChunk: (chunk) => this.onChunk(chunk),
      onEnded: (partition) => this.onEnded(partition),
      fail: (error) => context.fail(error),
    })
    if (settings.group !== null) {
      const warn = (message: string): void => context.warn(`source ${context.operator}: ${message}`)
      this.commits = new GroupCommits(this.client, settings.group, warn)
    }
    await this.decoding.open()
  }

  addSplits(splits: readonly Split[]): void {
    const added = (splits as readonly PartitionSplit[])
      .filter(({ topic }) => matchesTopic(this.settings.topics, { name: topic, isInternal: false }))
      .map((split) => new AssignedPartition(split))
    const unread = added.filter(({ hasMoreToFetch }) => hasMoreToFetch)
    this.partitions.push(...unread)
    this.fetcher!.add(unread)
    this.context.wake()
  }

  noMoreSplits(): void {
    this.hasMoreSplits = false
    this.context.wake()
  }

  poll(output: SourceOutput<T>, max: number): PollResult {
    this.positions.clear()
    let walked = 0
    while (this.positions.count < max && walked < POLL_BYTES) {
      if (this.isPreparing) return 'nothing-now'
      if (this.cursor.current === null && !this.nextChunk()) return this.isDone ? 'end' : 'nothing-now'
      const { bytes } = this.cursor.current!
      if (this.emitRecords(output, max)) walked += bytes.length
    }
    return 'more'
  }

  describePosition(index: number): string {
    return this.positions.describe(index)
  }

  snapshot(checkpoint: CheckpointId): readonly PartitionSplit[] {
    this.commits?.snapshot(checkpoint, [
      ...this.endedOffsets,
      ...this.partitions.map(({ topic, partition, position }) => ({ topic, partition, offset: position })),
    ])
    return this.partitions.map((partition) => partition.snapshot())
  }

  notifyComplete(checkpoint: CheckpointId): void {
    this.commits?.complete(checkpoint)
  }

  async close(): Promise<void> {
    this.isClosed = true
    this.fetcher?.close()
    this.chunks.length = 0
    try {
      await this.commits?.close(this.context.clock)
      await this.client?.close()
    } finally {
      await this.decoding.close()
    }
  }

  private get isDone(): boolean {
    return !this.hasMoreSplits && this.partitions.length === 0
  }

  /** Emits records of the chunk at hand until `max` were emitted in this poll; true when the chunk is through. */
  private emitRecords(output: SourceOutput<T>, max: number): boolean {
    const { cursor, positions, decoding } = this
    const { records } = cursor
    const partition = cursor.partition!
    positions.begin(partition.name)
    while (positions.count < max) {
      if (!this.nextRecord(records)) {
        const next = this.nextBatch()
        if (next === true) continue
        if (next === false) this.endChunk()
        return !this.isPreparing
      }
      const { offset } = records
      // The first batch may begin before the position.
      if (offset < partition.position) continue
      if (offset >= partition.stop) {
        this.endChunk()
        return true
      }
      positions.add(offset)
      let record: T
      try {
        record = decoding.decode(records, partition)
      } catch (error) {
        this.reject(output, partition, error)
        partition.position = offset + 1
        continue
      }
      output.emit(record, records.timestampMs)
      partition.position = offset + 1
    }
    return false
  }

  private nextRecord(records: RecordCursor): boolean {
    try {
      return records.nextRecord()
    } catch (error) {
      throw this.damaged(error)
    }
  }

  /** True: its records follow. False: the chunk is through. Null: they follow later. */
  private nextBatch(): boolean | null {
    let next: boolean | Promise<unknown>
    try {
      next = this.cursor.nextBatch()
    } catch (error) {
      throw this.damaged(error)
    }
    if (typeof next === 'boolean') return next
    this.isPreparing = true
    next.then(
      () => {
        this.isPreparing = false
        this.context.wake()
      },
      (error: unknown) => {
        if (!this.isClosed) this.context.fail(error)
      },
    )
    return null
  }

  private nextChunk(): boolean {
    for (let chunk = this.chunks.shift(); chunk !== undefined; chunk = this.chunks.shift()) {
      if (!chunk.partition.isEnded) {
        this.cursor.begin(chunk)
        return true
      }
      this.fetcher!.release(chunk)
    }
    return false
  }

  private endChunk(): void {
    const chunk = this.cursor.current
    assert(chunk !== null, 'a chunk ends that was begun')
    const { partition } = chunk
    this.cursor.end()
    if (!partition.hasMoreToFetch && partition.bufferedChunks === 1) this.fetcher!.end(partition)
    this.fetcher!.release(chunk)
  }

  private onChunk(chunk: FetchedChunk): void {
    this.chunks.push(chunk)
    this.context.wake()
  }

  private onEnded(partition: AssignedPartition): void {
    this.partitions = this.partitions.filter((other) => other !== partition)
    if (this.settings.group !== null) {
      const { topic, partition: number, position } = partition
      this.endedOffsets.push({ topic, partition: number, offset: position })
    }
    this.context.wake()
  }

  /** What the policy says about a record that cannot be decoded. */
  private reject(output: SourceOutput<T>, partition: AssignedPartition, error: unknown): void {
    // A codec that was not set up rightly makes no record a bad one.
    if (isTidemarkError(error) && error.code !== 'CORRUPT_DATA') throw error
    const { records } = this.cursor
    const place = `${partition.name}@${records.offset}`
    const reason = error instanceof Error ? error.message : String(error)
    if (this.settings.onBadRecord === 'fail') {
      const action = isTidemarkError(error) ? error.action : undefined
      throw new TidemarkError('CORRUPT_DATA', `${place} cannot be decoded: ${reason}`, {
        action: `${action === undefined ? '' : `${action} `}Or leave such records out, or write them elsewhere: onBadRecord: 'skip' or a sink.`,
        context: { position: place },
        cause: error,
      })
    }
    const bad: BadRecord = {
      source: this.context.operator,
      topic: partition.topic,
      partition: partition.partition,
      offset: records.offset,
      timestamp: records.timestampMs,
      key: ownBytes(records.key),
      value: ownBytes(records.value),
      headers: ownHeaders(records),
      error: reason,
    }
    output.reject(bad, records.timestampMs)
  }

  private damaged(error: unknown): TidemarkError {
    const partition = this.cursor.partition!
    return unreadable(`${partition.name}@${partition.position}`, error)
  }
}
