import { assert, type Clock } from 'tidemark/connector'
import type {
  AbortedTransaction,
  BrokerId,
  EpochEnd,
  FetchedPartition,
  KafkaClient,
  KafkaError,
} from '../client/contract.ts'
import type { AssignedPartition } from './assigned-partition.ts'
import { scanBatches } from './batch-scan.ts'
import { byLeader, fetchBytes, fetchRequest } from './fetch-requests.ts'
import { LeaderLookup } from './leader-lookup.ts'
import { cutOff, isKafkaError, outOfRange, requestFailed, topicDeleted, unreadable } from './source-errors.ts'
import type { SourceSettings } from './source-settings.ts'

/** Whole batches of one partition, in the order of its log. */
export interface FetchedChunk {
  readonly partition: AssignedPartition
  /** From here records are wanted: the first batch may begin before. */
  readonly startOffset: number
  readonly endOffset: number
  readonly bytes: Uint8Array
  readonly abortedTransactions: readonly AbortedTransaction[]
}

export interface PartitionFetcherOptions {
  readonly client: KafkaClient
  readonly clock: Clock
  readonly settings: SourceSettings
  readonly maxWaitMs: number
  /** For messages. */
  readonly source: string
  readonly brokers: string
  /** In the order in which they are to be worked off. */
  readonly onChunk: (chunk: FetchedChunk) => void
  /** Nothing more will come of this partition. */
  readonly onEnded: (partition: AssignedPartition) => void
  readonly fail: (error: unknown) => void
}

/**
 * Keeps chunks of all its partitions coming: one fetch at a time per leader, with all partitions that it leads, and no fetch while as many bytes wait to be worked off as may. Partitions that
 * brought something go to the end of the row, so that none starves.
 */
export class PartitionFetcher {
  private readonly options: PartitionFetcherOptions
  private readonly leaders: LeaderLookup
  private partitions: AssignedPartition[] = []
  private readonly underWay = new Map<BrokerId, number>()
  private waitingBytes = 0
  private isClosed = false

  constructor(options: PartitionFetcherOptions) {
    this.options = options
    const { client, clock, settings } = options
    this.leaders = new LeaderLookup({
      client,
      clock,
      leaderless: () => this.partitions.filter((partition) => partition.leader === null && partition.hasMoreToFetch),
      onFound: () => this.fetchMore(),
      onDeleted: (partition, isMadeAgain) => this.onDeleted(partition, isMadeAgain),
      onHopeless: (partition, error) => this.onHopeless(partition, error),
      fail: (error) => this.fail(error),
      unavailableTimeoutMs: settings.unavailableTimeoutMs,
    })
  }

  add(partitions: readonly AssignedPartition[]): void {
    this.partitions.push(...partitions)
    this.leaders.run()
  }

  /** Nothing more of this partition is to be read. */
  end(partition: AssignedPartition): void {
    partition.stopped()
    this.partitions = this.partitions.filter((other) => other !== partition)
    this.options.onEnded(partition)
  }

  /** A chunk was worked off. */
  release(chunk: FetchedChunk): void {
    chunk.partition.bufferedChunks--
    this.waitingBytes -= chunk.bytes.length
    this.fetchMore()
  }

  close(): void {
    this.isClosed = true
    this.leaders.close()
  }

  private fetchMore(): void {
    if (this.isClosed) return
    const { fetchAheadBytes } = this.options.settings
    for (const [broker, partitions] of byLeader(this.partitions.filter((partition) => partition.needsValidation))) {
      void this.validate(broker, partitions)
    }
    const ready = byLeader(this.partitions)
    const bytes = fetchBytes(fetchAheadBytes, new Set([...ready.keys(), ...this.underWay.keys()]).size)
    for (const [broker, partitions] of ready) {
      if (this.underWay.has(broker)) continue
      const taken = this.reservedBytes() + this.waitingBytes
      if (taken > 0 && taken + bytes > fetchAheadBytes) continue
      void this.fetch(broker, partitions, bytes)
    }
  }

  private reservedBytes(): number {
    let sum = 0
    for (const bytes of this.underWay.values()) sum += bytes
    return sum
  }

  private async fetch(broker: BrokerId, partitions: readonly AssignedPartition[], maxBytes: number): Promise<void> {
    const { client, settings, maxWaitMs } = this.options
    this.underWay.set(broker, maxBytes)
    for (const partition of partitions) partition.isBusy = true
    let fetched: readonly FetchedPartition[] | KafkaError
    try {
      fetched = await client.fetch(broker, fetchRequest(partitions, settings.isolation, maxBytes, maxWaitMs))
    } catch (error) {
      if (!isKafkaError(error)) return this.fail(error)
      fetched = error
    }
    if (this.isClosed) return
    this.underWay.delete(broker)
    for (const partition of partitions) partition.isBusy = false
    if ('code' in fetched) {
      for (const partition of partitions) if (!partition.isEnded) this.leaders.failed(partition, fetched)
    } else this.take(partitions, fetched)
    this.leaders.run()
    this.fetchMore()
  }

  private take(partitions: readonly AssignedPartition[], fetched: readonly FetchedPartition[]): void {
    const moved = new Set<AssignedPartition>()
    for (const answer of fetched) {
      const partition = partitions.find((other) => other.topic === answer.topic && other.partition === answer.partition)
      assert(partition !== undefined, `broker answers for ${answer.topic}[${answer.partition}], which was asked for`)
      if (partition.isEnded) continue
      if (answer.error !== null) this.refused(partition, answer.error)
      else if (this.takeBatches(partition, answer)) moved.add(partition)
    }
    if (moved.size > 0) {
      this.partitions = [...this.partitions.filter((partition) => !moved.has(partition)), ...moved]
    }
  }

  /** False when there was no whole batch. */
  private takeBatches(partition: AssignedPartition, { records, abortedTransactions }: FetchedPartition): boolean {
    partition.succeeded()
    if (records.length === 0) return false
    const { byteLength, endOffset, leaderEpoch } = scanBatches(records)
    if (endOffset === null) {
      // The first partition in a request gets a whole batch in any case, and everyone comes first sometime.
      if (++partition.fruitless > this.partitions.length + 2) {
        const place = `${partition.name}@${partition.fetchOffset}`
        this.fail(unreadable(place, new Error(`${records.length} bytes hold no whole record batch`)))
      }
      return false
    }
    partition.fruitless = 0
    const startOffset = partition.fetchOffset
    assert(endOffset > startOffset, `${partition.name}: a fetch from ${startOffset} brings what comes after it`)
    partition.fetchOffset = endOffset
    partition.fetchEpoch = leaderEpoch
    partition.validatedEpoch = partition.leaderEpoch
    partition.bufferedChunks++
    this.waitingBytes += byteLength
    const bytes = records.subarray(0, byteLength)
    this.options.onChunk({ partition, startOffset, endOffset, bytes, abortedTransactions })
    return true
  }

  /** Asks a new leader whether what was fetched lies in its log, before more is fetched: what it has at the same offsets may be something else. */
  private async validate(broker: BrokerId, partitions: readonly AssignedPartition[]): Promise<void> {
    for (const partition of partitions) partition.isBusy = true
    const requests = partitions.map(({ topic, partition, leaderEpoch, fetchEpoch: epoch }) => {
      return { topic, partition, leaderEpoch, epoch }
    })
    let ends: readonly EpochEnd[] | KafkaError
    try {
      ends = await this.options.client.epochEnds(broker, requests)
    } catch (error) {
      if (!isKafkaError(error)) return this.fail(error)
      ends = error
    }
    if (this.isClosed) return
    for (const partition of partitions) {
      partition.isBusy = false
      if (partition.isEnded) continue
      if ('code' in ends) this.leaders.failed(partition, ends)
      else {
        const end = ends.find((other) => other.topic === partition.topic && other.partition === partition.partition)
        assert(end !== undefined, `broker answers for ${partition.name}, which was asked for`)
        this.applyEnd(partition, end)
      }
    }
    this.leaders.run()
    this.fetchMore()
  }

  private applyEnd(partition: AssignedPartition, { error, epoch, endOffset }: EpochEnd): void {
    if (error !== null) return this.leaders.failed(partition, error)
    partition.succeeded()
    partition.validatedEpoch = partition.leaderEpoch
    const { fetchOffset: offset, fetchEpoch, topic, partition: number } = partition
    const isUnknown = epoch < 0 || endOffset < 0
    if (!isUnknown && endOffset >= offset) return
    if (this.options.settings.onOutOfRange === 'fail') {
      return this.fail(cutOff({ topic, partition: number, offset }, fetchEpoch, isUnknown ? null : endOffset))
    }
    // As Kafka's consumer: whatever came in the place of what was cut off is read.
    if (!isUnknown) return this.goTo(partition, endOffset, epoch)
    void this.withRange(partition, (range) => this.goTo(partition, this.fallback(range), -1))
  }

  private refused(partition: AssignedPartition, error: KafkaError): void {
    if (error.code !== 'OFFSET_OUT_OF_RANGE') return this.leaders.failed(partition, error)
    // The position is not in the log: before its start, or behind its end.
    void this.withRange(partition, (range) => this.applyRange(partition, range, error))
  }

  private async withRange(
    partition: AssignedPartition,
    apply: (range: readonly [earliest: number, latest: number]) => void,
  ): Promise<void> {
    partition.isBusy = true
    try {
      const range = await this.rangeOf(partition)
      partition.isBusy = false
      if (this.isClosed || partition.isEnded) return
      apply(range)
    } catch (problem) {
      if (this.isClosed) return
      partition.isBusy = false
      if (!isKafkaError(problem)) return this.fail(problem)
      this.leaders.failed(partition, problem)
    }
    this.leaders.run()
    this.fetchMore()
  }

  private async rangeOf({ topic, partition }: AssignedPartition): Promise<readonly [number, number]> {
    const requests = (['earliest', 'latest'] as const).map((at) => ({ topic, partition, at }))
    const answers = await this.options.client.offsets(requests, this.options.settings.isolation)
    for (const { error } of answers) if (error !== null) throw error
    return [answers[0]!.offset, answers[1]!.offset]
  }

  private applyRange(
    partition: AssignedPartition,
    [earliest, latest]: readonly [number, number],
    error: KafkaError,
  ): void {
    const { fetchOffset: offset, topic } = partition
    // A broker that lags behind said so: another one knows better.
    if (offset >= earliest && offset <= latest) return this.leaders.failed(partition, error)
    const { onOutOfRange } = this.options.settings
    if (onOutOfRange === 'fail') {
      return this.fail(outOfRange({ topic, partition: partition.partition, offset }, earliest, latest))
    }
    this.goTo(partition, this.fallback([earliest, latest]), -1)
  }

  private fallback([earliest, latest]: readonly [earliest: number, latest: number]): number {
    return this.options.settings.onOutOfRange === 'earliest' ? earliest : latest
  }

  private goTo(partition: AssignedPartition, offset: number, epoch: number): void {
    partition.succeeded()
    partition.goTo(offset, epoch)
    if (partition.bufferedChunks === 0 && !partition.hasMoreToFetch) this.end(partition)
  }

  private onDeleted(partition: AssignedPartition, isMadeAgain: boolean): void {
    if (this.options.settings.onDeletedTopic === 'fail') this.fail(topicDeleted(partition.topic, isMadeAgain))
    else this.end(partition)
  }

  private onHopeless(partition: AssignedPartition, error: KafkaError): void {
    const { source, brokers, clock } = this.options
    const since = partition.unavailableSinceMs
    const seconds = since === null ? 0 : Math.round((clock.monotonic() - since) / 1000)
    const duration = error.isRetriable ? ` for ${seconds} s` : ''
    this.fail(requestFailed(`source ${source} cannot read ${partition.name}${duration}`, brokers, error))
  }

  private fail(error: unknown): void {
    if (this.isClosed) return
    this.close()
    this.options.fail(error)
  }
}
