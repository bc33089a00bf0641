import type { Committable } from 'tidemark/connector'
import type { TopicPartition, TransactionIdentity } from '../client/contract.ts'
import type { Landmark } from './write-span.ts'

/** The records of a transaction as they are kept until its commit is confirmed. */
export interface KeptFile {
  readonly name: string
  readonly byteLength: number
}

/** A transaction that is pre-committed: all of its records are in the log. */
export interface PreparedTransaction extends TransactionIdentity {
  readonly recordCount: number
  /** For people: `orders[0-3,5] totals[1]`. */
  readonly partitions: string
  readonly landmark: Landmark | null
  readonly kept: KeptFile | null
}

export function toCommittable(transaction: PreparedTransaction): Committable {
  const { transactionalId, producerId, producerEpoch, recordCount, partitions, landmark, kept } = transaction
  return {
    version: 1,
    data: {
      transactionalId,
      producerId: String(producerId),
      producerEpoch,
      recordCount,
      partitions,
      ...(landmark === null ? {} : { topic: landmark.topic, partition: landmark.partition, offset: landmark.offset }),
      ...(kept === null ? {} : { keptName: kept.name, keptBytes: kept.byteLength }),
    },
  }
}

/** Null for what this version does not know. */
export function fromCommittable({ version, data }: Committable): PreparedTransaction | null {
  const { transactionalId, producerId, producerEpoch, recordCount, partitions } = data
  if (version !== 1 || typeof transactionalId !== 'string' || typeof producerId !== 'string') return null
  if (!/^\d+$/u.test(producerId) || typeof producerEpoch !== 'number') return null
  if (typeof recordCount !== 'number' || typeof partitions !== 'string') return null
  const { topic, partition, offset, keptName, keptBytes } = data
  const hasLandmark = typeof topic === 'string' && typeof partition === 'number' && typeof offset === 'number'
  const isKept = typeof keptName === 'string' && typeof keptBytes === 'number'
  return {
    transactionalId,
    producerId: BigInt(producerId),
    producerEpoch,
    recordCount,
    partitions,
    landmark: hasLandmark ? { topic, partition, offset } : null,
    kept: isKept ? { name: keptName, byteLength: keptBytes } : null,
  }
}

/** Partitions for people, neighbours drawn together: `orders[0-3,5] totals[1]`. */
export function describePartitions(partitions: Iterable<TopicPartition>): string {
  const topics = new Map<string, number[]>()
  for (const { topic, partition } of partitions) topics.set(topic, [...(topics.get(topic) ?? []), partition])
  return [...topics]
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .map(([topic, numbers]) => `${topic}[${ranges(numbers)}]`)
    .join(' ')
}

function ranges(numbers: readonly number[]): string {
  const parts: { first: number; last: number }[] = []
  for (const number of [...numbers].sort((left, right) => left - right)) {
    const previous = parts.at(-1)
    if (previous !== undefined && number === previous.last + 1) previous.last = number
    else parts.push({ first: number, last: number })
  }
  return parts.map(({ first, last }) => (first === last ? String(first) : `${first}-${last}`)).join(',')
}
