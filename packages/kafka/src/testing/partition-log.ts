import { assert } from 'tidemark/connector'
import type { AbortedTransaction, FetchedPartition, Isolation } from '../client/contract.ts'
import { memoryFailure } from './memory-failure.ts'
import {
  type BatchFacts,
  decodePlainBatch,
  encodeMarker,
  type PlacedRecord,
  placeBatch,
  readBatchFacts,
} from './plain-batch.ts'

/** What one transaction wrote to one partition. */
interface LogTransaction {
  readonly producerId: bigint
  readonly firstOffset: number
  outcome: 'commit' | 'abort' | null
  markerOffset: number
}

interface StoredBatch {
  readonly facts: BatchFacts
  readonly bytes: Uint8Array
  readonly leaderEpoch: number
  readonly baseOffset: number
  readonly lastOffset: number
  readonly transaction: LogTransaction | null
}

interface ProducerState {
  epoch: number
  /** Of the newest batches: a broker remembers five, and answers what it answered before when one comes again. */
  batches: { readonly sequence: number; readonly lastSequence: number; readonly baseOffset: number }[]
  open: LogTransaction | null
}

const REMEMBERED_BATCHES = 5
const SEQUENCES = 2 ** 31

/** The log of one partition as a leader keeps it, all replicas in sync: the high watermark is the end. */
export class PartitionLog {
  leader: number | null
  leaderEpoch = 0
  logStartOffset = 0
  private end = 0
  private batches: StoredBatch[] = []
  private readonly finished: LogTransaction[] = []
  private readonly producers = new Map<bigint, ProducerState>()

  constructor(leader: number) {
    this.leader = leader
  }

  get highWatermark(): number {
    return this.end
  }

  get lastStableOffset(): number {
    let offset = this.end
    for (const { open } of this.producers.values()) if (open !== null) offset = Math.min(offset, open.firstOffset)
    return offset
  }

  /** Appends a batch of a producer; throws what a broker answers when it refuses it. The base offset; that of the first time when it is there already. */
  append(bytes: Uint8Array): number {
    const facts = readBatchFacts(bytes)
    if (facts === null) throw memoryFailure('CORRUPT_MESSAGE', 'not one whole batch with a right checksum')
    assert(!facts.isControl, 'producers write no markers')
    const producer = facts.producerId < 0n ? null : this.producerOf(facts.producerId)
    const known = producer === null ? null : this.checkSequence(producer, facts)
    if (known !== null) return known
    const baseOffset = this.end
    const transaction = facts.isTransactional ? this.openTransaction(producer!, facts.producerId, baseOffset) : null
    this.store(bytes, facts, transaction)
    if (producer !== null) {
      const lastSequence = (facts.baseSequence + facts.lastOffsetDelta) % SEQUENCES
      producer.batches.push({ sequence: facts.baseSequence, lastSequence, baseOffset })
      if (producer.batches.length > REMEMBERED_BATCHES) producer.batches.shift()
    }
    return baseOffset
  }

  /** Ends the producer's transaction here. */
  writeMarker(producerId: bigint, producerEpoch: number, outcome: 'commit' | 'abort', timestampMs: number): void {
    const producer = this.producerOf(producerId)
    const bytes = encodeMarker(producerId, producerEpoch, outcome, timestampMs)
    if (producerEpoch > producer.epoch) producer.batches = []
    producer.epoch = Math.max(producer.epoch, producerEpoch)
    const { open } = producer
    if (open !== null) {
      open.outcome = outcome
      open.markerOffset = this.end
      this.finished.push(open)
      producer.open = null
    }
    this.store(bytes, readBatchFacts(bytes)!, null)
  }

  /** Where the records of an epoch end: before the first of a later one, else at the end. */
  epochEnd(asked: number): { readonly epoch: number; readonly endOffset: number } {
    if (asked > this.leaderEpoch) return { epoch: -1, endOffset: -1 }
    const firsts = this.batches.map(({ leaderEpoch, baseOffset }) => ({ epoch: leaderEpoch, start: baseOffset }))
    firsts.push({ epoch: this.leaderEpoch, start: this.end })
    const later = firsts.find(({ epoch }) => epoch > asked)
    const known = firsts.findLast(({ epoch }) => epoch <= asked)
    return { epoch: known?.epoch ?? asked, endOffset: later?.start ?? this.end }
  }

  /** Loses everything from this offset on, as an unclean election of a leader does. */
  truncate(offset: number): void {
    this.batches = this.batches.filter(({ baseOffset }) => baseOffset < offset)
    this.end = offset
  }

  /** Turns a bit of the batch that holds this offset. */
  damage(offset: number): void {
    const batch = this.batches.find(({ lastOffset }) => lastOffset >= offset)
    assert(batch !== undefined, `a batch holds offset ${offset}`)
    batch.bytes[batch.bytes.length - 1]! ^= 1
  }

  /** Whether a transaction of this producer is open here. */
  hasOpenTransaction(producerId: bigint): boolean {
    return this.producers.get(producerId)?.open != null
  }

  deleteBefore(offset: number): void {
    if (offset > this.end) throw memoryFailure('OFFSET_OUT_OF_RANGE', `offset ${offset} is behind the end ${this.end}`)
    this.logStartOffset = Math.max(this.logStartOffset, offset)
    this.batches = this.batches.filter(({ lastOffset }) => lastOffset >= this.logStartOffset)
  }

  /**
   * Batches from the one that holds `offset` on, as many as fit. `isFirst`: the first batch comes whole even if it does not fit, so that readers get on. The last one may be
   * cut off anywhere: brokers send ranges of bytes.
   */
  read(
    offset: number,
    isolation: Isolation,
    maxBytes: number,
    isFirst: boolean,
  ): Pick<FetchedPartition, 'records' | 'abortedTransactions'> {
    const limit = isolation === 'committed' ? this.lastStableOffset : this.end
    const chosen: Uint8Array[] = []
    let length = 0
    let upper = offset
    for (const batch of this.batches) {
      if (batch.lastOffset < offset || batch.baseOffset >= limit) continue
      const isWhole = isFirst && chosen.length === 0
      if (!isWhole && length >= maxBytes) break
      const room = isWhole ? batch.bytes.length : maxBytes - length
      const piece = batch.bytes.length > room ? batch.bytes.subarray(0, room) : batch.bytes
      chosen.push(piece)
      length += piece.length
      upper = batch.lastOffset + 1
    }
    const records = new Uint8Array(length)
    let position = 0
    for (const piece of chosen) {
      records.set(piece, position)
      position += piece.length
    }
    return { records, abortedTransactions: isolation === 'committed' ? this.aborted(offset, upper) : [] }
  }

  /** The first record at or after this time, else the end of what may be read. */
  offsetAt(timestampMs: number, isolation: Isolation): number {
    const limit = isolation === 'committed' ? this.lastStableOffset : this.end
    for (const batch of this.batches) {
      if (batch.facts.maxTimestampMs < timestampMs) continue
      for (const record of decodePlainBatch(batch.bytes)) {
        if (record.offset < this.logStartOffset || record.timestampMs < timestampMs) continue
        return Math.min(record.offset, limit)
      }
    }
    return limit
  }

  /** What a reader that honours commits has to see: from what became of each transaction, not from what fetches say. */
  committed(): readonly PlacedRecord[] {
    return this.recordsWhere(({ transaction }) => transaction === null || transaction.outcome === 'commit').filter(
      ({ offset }) => offset < this.lastStableOffset,
    )
  }

  /** Every record, also of open and aborted transactions. */
  all(): readonly PlacedRecord[] {
    return this.recordsWhere(() => true)
  }

  private recordsWhere(isWanted: (batch: StoredBatch) => boolean): readonly PlacedRecord[] {
    return this.batches
      .filter((batch) => !batch.facts.isControl && isWanted(batch))
      .flatMap(({ bytes }) => decodePlainBatch(bytes))
      .filter(({ offset }) => offset >= this.logStartOffset)
  }

  private store(bytes: Uint8Array, facts: BatchFacts, transaction: LogTransaction | null): void {
    const baseOffset = this.end
    const placed = placeBatch(bytes, baseOffset, this.leaderEpoch)
    const lastOffset = baseOffset + facts.lastOffsetDelta
    this.batches.push({ facts, bytes: placed, leaderEpoch: this.leaderEpoch, baseOffset, lastOffset, transaction })
    this.end = lastOffset + 1
  }

  private openTransaction(producer: ProducerState, producerId: bigint, firstOffset: number): LogTransaction {
    producer.open ??= { producerId, firstOffset, outcome: null, markerOffset: -1 }
    return producer.open
  }

  private producerOf(producerId: bigint): ProducerState {
    const known = this.producers.get(producerId)
    if (known !== undefined) return known
    const producer: ProducerState = { epoch: -1, batches: [], open: null }
    this.producers.set(producerId, producer)
    return producer
  }

  /** The offset where the batch lies when it was appended before; null: it is the next one. */
  private checkSequence(producer: ProducerState, facts: BatchFacts): number | null {
    if (facts.producerEpoch < producer.epoch) {
      throw memoryFailure('INVALID_PRODUCER_EPOCH', `epoch ${facts.producerEpoch} is older than ${producer.epoch}`)
    }
    if (facts.producerEpoch > producer.epoch) {
      // A broker that knows nothing of a producer takes its word for where it stands.
      if (facts.baseSequence !== 0 && producer.epoch >= 0) throw outOfOrder(facts.baseSequence, 0)
      producer.epoch = facts.producerEpoch
      producer.batches = []
      return null
    }
    const again = producer.batches.find(
      ({ sequence, lastSequence }) =>
        sequence === facts.baseSequence && lastSequence === (facts.baseSequence + facts.lastOffsetDelta) % SEQUENCES,
    )
    if (again !== undefined) return again.baseOffset
    const newest = producer.batches.at(-1)
    const expected = newest === undefined ? 0 : (newest.lastSequence + 1) % SEQUENCES
    if (facts.baseSequence !== expected) throw outOfOrder(facts.baseSequence, expected)
    return null
  }

  /** In the order of their markers, as brokers keep them; those that reach into what was read. */
  private aborted(offset: number, upper: number): readonly AbortedTransaction[] {
    return this.finished
      .filter(({ outcome, markerOffset, firstOffset }) => {
        return outcome === 'abort' && markerOffset >= offset && firstOffset < upper
      })
      .map(({ producerId, firstOffset }) => ({ producerId, firstOffset }))
  }
}

function outOfOrder(sequence: number, expected: number): Error {
  return memoryFailure('OUT_OF_ORDER_SEQUENCE_NUMBER', `sequence ${sequence}, where ${expected} is expected`)
}
