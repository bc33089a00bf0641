import type { BrokerId, KafkaError } from '../client/contract.ts'
import type { DecodeContext } from '../codec.ts'
import { partitionName, type PartitionSplit } from './partition-split.ts'

/** A partition that a reader reads, from what brokers know of it to what was emitted. */
export class AssignedPartition {
  readonly split: PartitionSplit
  readonly name: string
  readonly topic: string
  readonly topicId: string
  readonly partition: number
  /** Infinity: never. */
  readonly stop: number
  readonly valueContext: DecodeContext
  readonly keyContext: DecodeContext

  /** Of the record that is emitted next: what snapshots hold. */
  position: number
  /** Of the leader that appended what lies before (or at) `position`; -1 where it is not known. */
  epoch: number
  /** From here the next fetch begins: ahead of `position` by what is buffered. */
  fetchOffset: number
  /** Of the leader that appended what lies before `fetchOffset`; -1 where it is not known. */
  fetchEpoch: number
  bufferedChunks = 0
  isEnded = false

  /** Null: to be asked for. */
  leader: BrokerId | null = null
  leaderEpoch = -1
  /** In the log of the leader of this epoch lies what was fetched. */
  validatedEpoch = -1
  /** A request about this partition is under way. */
  isBusy = false
  /** Failed requests in a row, and since when. */
  failures = 0
  retryAtMs = 0
  unavailableSinceMs: number | null = null
  missingSinceMs: number | null = null
  lastError: KafkaError | null = null
  /** Fetches in a row that brought bytes but no whole batch. */
  fruitless = 0

  constructor(split: PartitionSplit) {
    const { topic, topicId, partition, offset, epoch = -1, stop } = split
    this.split = split
    this.name = partitionName(split)
    this.topic = topic
    this.topicId = topicId
    this.partition = partition
    this.stop = stop ?? Infinity
    this.valueContext = { topic, part: 'value' }
    this.keyContext = { topic, part: 'key' }
    this.position = offset
    this.epoch = epoch
    this.fetchOffset = offset
    this.fetchEpoch = epoch
  }

  get hasMoreToFetch(): boolean {
    return !this.isEnded && this.fetchOffset < this.stop
  }

  /** What was fetched may be cut off in the log of a new leader. */
  get needsValidation(): boolean {
    return this.fetchEpoch >= 0 && this.validatedEpoch !== this.leaderEpoch
  }

  /** The next fetch begins elsewhere. What is buffered comes first: its position moves on when the next chunk begins. */
  goTo(offset: number, epoch: number): void {
    this.fetchOffset = offset
    this.fetchEpoch = epoch
    if (this.bufferedChunks > 0) return
    this.position = offset
    this.epoch = epoch
  }

  /** Nothing of it is read any more. */
  stopped(): void {
    this.isEnded = true
  }

  snapshot(): PartitionSplit {
    return { ...this.split, offset: this.position, epoch: this.epoch }
  }

  /** A request about it was answered as it should be. */
  succeeded(): void {
    this.failures = 0
    this.unavailableSinceMs = null
    this.missingSinceMs = null
    this.lastError = null
  }
}
