import type { KafkaClient, TransactionDescription } from '../client/contract.ts'
import { BATCH } from '../records/batch-layout.ts'
import type { PreparedTransaction } from './committable.ts'
import { isRetriable } from './sink-errors.ts'
import type { Landmark } from './write-span.ts'

/**
 * What became of a prepared transaction.
 * - `open`: it can be committed. `committed`: it is, or the decision is durable. `pending`: not known yet, ask again.
 * - `aborted`: certainly; nothing of it is or will be visible. `unknown`: neither coordinator nor log can tell any more.
 * - `expired`: its records, visible or not, are so old that the topic has deleted them.
 */
export type TransactionOutcome = 'open' | 'committed' | 'pending' | 'aborted' | 'unknown' | 'expired'

/** Asks the coordinator, and where that has forgotten a transaction (its id was used again, or has expired) the log itself. */
export class OutcomeFinder {
  private readonly client: KafkaClient
  private fetching: Promise<unknown> = Promise.resolve()

  constructor(client: KafkaClient) {
    this.client = client
  }

  async find(transaction: PreparedTransaction): Promise<TransactionOutcome> {
    const description = await this.client.describeTransaction(transaction.transactionalId)
    const outcome = outcomeOf(description, transaction)
    if (outcome !== null) return outcome
    // A client fetches from a broker once at a time.
    const asked = this.fetching.then(() => askLog(this.client, transaction))
    this.fetching = asked.catch(() => undefined)
    return asked
  }
}

/** Null: the coordinator no longer knows. */
function outcomeOf(
  description: TransactionDescription | null,
  transaction: PreparedTransaction,
): TransactionOutcome | null {
  if (description === null) return null
  const { producerId, producerEpoch } = transaction
  if (description.producerId !== producerId || description.producerEpoch !== producerEpoch) return null
  switch (description.state) {
    case 'Ongoing':
      return 'open'
    case 'PrepareCommit':
    case 'CompleteCommit':
      return 'committed'
    case 'PrepareAbort':
    case 'CompleteAbort':
    case 'PrepareEpochFence':
      return 'aborted'
    case 'Empty':
    case 'Dead':
      return null
  }
}

/**
 * A transaction has one fate on all partitions. A reader that honours commits is told which transactions were aborted: at a record of this one it tells whether this one was. The
 * answer is good once the last stable offset has passed the record.
 */
async function askLog(client: KafkaClient, transaction: PreparedTransaction): Promise<TransactionOutcome> {
  const { landmark, producerId, producerEpoch } = transaction
  if (landmark === null) return 'unknown'
  const fetched = await fetchAt(client, landmark)
  if (fetched === 'deleted') return 'expired'
  if (fetched === null) return 'pending'
  if (fetched === 'gone') return 'unknown'
  const { abortedTransactions, records, lastStableOffset } = fetched
  if (lastStableOffset <= landmark.offset) return 'pending'
  const view = new DataView(records.buffer, records.byteOffset, records.byteLength)
  if (records.length < BATCH.records || view.getBigInt64(BATCH.baseOffset) !== BigInt(landmark.offset)) return 'unknown'
  if (view.getBigInt64(BATCH.producerId) !== producerId || view.getInt16(BATCH.producerEpoch) !== producerEpoch) {
    return 'unknown'
  }
  const isAborted = abortedTransactions.some(
    (aborted) => aborted.producerId === producerId && aborted.firstOffset <= landmark.offset,
  )
  return isAborted ? 'aborted' : 'committed'
}

async function fetchAt(client: KafkaClient, { topic, partition, offset }: Landmark) {
  const [metadata] = await client.topics([topic])
  if (metadata === undefined) return 'gone'
  const where = metadata.partitions.find((candidate) => candidate.partition === partition)
  if (where === undefined) return 'gone'
  if (where.leader === null) return null
  const [earliest] = await client.offsets([{ topic, partition, at: 'earliest' }], 'uncommitted')
  if (earliest === undefined || earliest.error !== null) return null
  if (earliest.offset > offset) return 'deleted'
  const [stable] = await client.offsets([{ topic, partition, at: 'latest' }], 'committed')
  // A fetch behind the last stable offset would wait for nothing.
  if (stable === undefined || stable.error !== null || stable.offset <= offset) return null
  const { leader, leaderEpoch } = where
  const [fetched] = await client.fetch(leader, {
    isolation: 'committed',
    maxWaitMs: 500,
    maxBytes: 1024,
    partitions: [{ topic, partition, topicId: metadata.id, leaderEpoch, offset, maxBytes: 1024 }],
  })
  if (fetched === undefined) return null
  if (fetched.error === null) return fetched
  return fetched.error.code === 'OFFSET_OUT_OF_RANGE' ? 'gone' : isRetriable(fetched.error) ? null : 'gone'
}
