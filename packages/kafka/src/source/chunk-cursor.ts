import type { BatchHeader, RecordCursor } from '../records/contract.ts'
import { AbortedFilter } from './aborted-filter.ts'
import type { AssignedPartition } from './assigned-partition.ts'
import type { FetchedChunk } from './partition-fetcher.ts'
import type { RecordDecoding } from './record-decoding.ts'

/** Walks over the batches of a chunk that are to be seen, and moves the position of its partition over those that are not. */
export class ChunkCursor {
  readonly records: RecordCursor
  /** Goes ahead by one batch where decoding has to be prepared. */
  private readonly ahead: RecordCursor
  private readonly filter = new AbortedFilter()
  private readonly isFiltering: boolean
  private readonly decoding: RecordDecoding<unknown>
  private chunk: FetchedChunk | null = null

  constructor(create: () => RecordCursor, decoding: RecordDecoding<unknown>, isolation: 'committed' | 'uncommitted') {
    this.records = create()
    this.ahead = create()
    this.decoding = decoding
    this.isFiltering = isolation === 'committed'
  }

  get partition(): AssignedPartition | null {
    return this.chunk?.partition ?? null
  }

  get current(): FetchedChunk | null {
    return this.chunk
  }

  begin(chunk: FetchedChunk): void {
    this.chunk = chunk
    // Not always where the chunk before ended: a position may have been out of range.
    chunk.partition.position = chunk.startOffset
    this.filter.begin(this.isFiltering ? chunk.abortedTransactions : [])
    this.records.load(chunk.bytes)
    if (this.decoding.needsPreparation) this.ahead.load(chunk.bytes)
  }

  /**
   * Goes to the next batch whose records are to be seen; false at the end of the chunk. A promise: to that batch, but its records can be decoded only when it
   * has resolved.
   */
  nextBatch(): boolean | Promise<unknown> {
    const { records, decoding } = this
    const { partition, endOffset } = this.chunk!
    while (records.nextBatch()) {
      partition.epoch = records.batch.leaderEpoch
      if (decoding.needsPreparation) this.ahead.nextBatch()
      if (!this.isHidden(records.batch)) return decoding.needsPreparation ? this.prepare(partition) : true
    }
    // Over markers, aborted transactions, and what compaction took away.
    partition.position = endOffset
    return false
  }

  end(): void {
    this.chunk = null
  }

  private isHidden(batch: BatchHeader): boolean {
    return this.isFiltering ? this.filter.isHidden(batch) : batch.control !== null
  }

  private prepare(partition: AssignedPartition): true | Promise<unknown> {
    const { ahead, decoding } = this
    const awaited: Promise<unknown>[] = []
    while (ahead.nextRecord()) {
      if (ahead.offset < partition.position || ahead.offset >= partition.stop) continue
      const promise = decoding.prepare(ahead, partition)
      if (promise !== undefined) awaited.push(promise)
    }
    return awaited.length === 0 ? true : Promise.all(awaited)
  }
}
