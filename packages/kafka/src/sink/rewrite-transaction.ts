import type { Clock, FileSystem } from 'tidemark/connector'
import { TidemarkError } from 'tidemark/connector'
import type { KafkaClient, TopicPartition, TransactionIdentity } from '../client/contract.ts'
import { kafkaError } from '../client/kafka-error.ts'
import { retrying } from '../source/retrying.ts'
import type { PreparedTransaction } from './committable.ts'
import { type KeptBatch, readKept, restampBatch } from './kept-records.ts'
import { parseTransactionName, formatTransactionName } from './transaction-name.ts'

const ACKNOWLEDGE_TIMEOUT_MS = 20_000

export interface RewriteOptions {
  readonly client: KafkaClient
  readonly clock: Clock
  readonly files: FileSystem
  readonly directory: string
  readonly transactionTimeoutMs: number
  readonly deliveryTimeoutMs: number
}

/** The id under which a lost transaction is written again: always the same one, so that whoever tries again finds what came of it before. */
export function rewriteIdOf({ transactionalId, producerEpoch }: TransactionIdentity): string {
  const name = parseTransactionName(transactionalId)
  return name === null
    ? `${transactionalId}~r${producerEpoch}`
    : formatTransactionName({ ...name, rewriteOf: producerEpoch })
}

/**
 * Writes a lost transaction again from what was kept, once: all of it in one transaction whose id follows from the lost one's. Its state says how far an earlier try came: committed, then
 * nothing is left to do; anything else is aborted by initializing the id, which also shuts out who might still be at it.
 */
export async function rewriteTransaction(
  options: RewriteOptions,
  lost: PreparedTransaction,
): Promise<'rewritten' | 'already-rewritten'> {
  const { client } = options
  const transactionalId = rewriteIdOf(lost)
  const before = await again(options, () => client.describeTransaction(transactionalId))
  if (before?.state === 'CompleteCommit' || before?.state === 'PrepareCommit') return 'already-rewritten'
  const producer = await again(options, () => client.initializeProducer(transactionalId, options.transactionTimeoutMs))
  const writer = new RewriteWriter(options, { transactionalId, ...producer })
  let recordCount = 0
  for await (const batch of readKept(options.files, options.directory, lost.kept!))
    recordCount += await writer.write(batch)
  if (recordCount !== lost.recordCount) {
    throw new TidemarkError(
      'CORRUPT_DATA',
      `${options.directory}/${lost.kept!.name} holds ${recordCount} records, not the ${lost.recordCount} that were written`,
      {
        action: 'Bring the file back from a copy; without it the records of this transaction are lost.',
      },
    )
  }
  await again(options, () => client.endTransaction({ transactionalId, ...producer }, 'commit'))
  return 'rewritten'
}

/** Appends batches one after the other, each partition's sequence from 0. */
class RewriteWriter {
  private readonly options: RewriteOptions
  private readonly identity: TransactionIdentity
  private readonly sequences = new Map<string, number>()

  constructor(options: RewriteOptions, identity: TransactionIdentity) {
    this.options = options
    this.identity = identity
  }

  async write({ topic, partition, batch }: KeptBatch): Promise<number> {
    const { client } = this.options
    const { transactionalId, producerId, producerEpoch } = this.identity
    const key = `${topic}[${partition}]`
    const baseSequence = this.sequences.get(key) ?? 0
    if (baseSequence === 0) await again(this.options, () => client.addPartitions(this.identity, [{ topic, partition }]))
    const recordCount = restampBatch(batch, { producerId, producerEpoch, baseSequence })
    await again(this.options, async () => {
      const leader = await this.leaderOf({ topic, partition })
      const batches = [{ topic, partition, batch }]
      const [answer] = await client.produce(leader, { transactionalId, timeoutMs: ACKNOWLEDGE_TIMEOUT_MS, batches })
      const error = answer === undefined ? null : answer.error
      if (error !== null && error.code !== 'DUPLICATE_SEQUENCE_NUMBER') throw error
    })
    this.sequences.set(key, baseSequence + recordCount)
    return recordCount
  }

  private async leaderOf({ topic, partition }: TopicPartition): Promise<number> {
    const [metadata] = await this.options.client.topics([topic])
    const leader = metadata?.partitions.find((candidate) => candidate.partition === partition)?.leader ?? null
    if (leader !== null) return leader
    throw kafkaError('LEADER_NOT_AVAILABLE', `${topic}[${partition}] has no leader`)
  }
}

function again<R>({ clock, deliveryTimeoutMs }: RewriteOptions, ask: () => Promise<R>): Promise<R> {
  return retrying(clock, deliveryTimeoutMs, () => true, ask)
}
