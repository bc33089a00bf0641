import type { Split } from 'tidemark/connector'
import type { TopicPartition } from '../client/contract.ts'

/** One partition of one topic, as it lies in checkpoints: from where to read on, and where to end. */
export interface PartitionSplit extends Split, TopicPartition {
  readonly version: 1
  /** Tells a topic from one that was made later under the same name. */
  readonly topicId: string
  /** Of the next record. */
  readonly offset: number
  /** Of the leader that appended the record before; -1 where it is not known. Tells whether the log was cut off before `offset`. Checkpoints of before have none. */
  readonly epoch?: number
  /** Before this offset reading ends; null: never. */
  readonly stop: number | null
}

export function partitionSplit(
  { topic, partition }: TopicPartition,
  topicId: string,
  offset: number,
  stop: number | null,
): PartitionSplit {
  return { id: `${topic}[${partition}]#${topicId}`, version: 1, topic, topicId, partition, offset, stop }
}

/** How people read of a partition: `orders[3]`. */
export function partitionName({ topic, partition }: TopicPartition): string {
  return `${topic}[${partition}]`
}
