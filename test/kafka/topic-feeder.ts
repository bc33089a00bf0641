import type { BrokerId, KafkaClient, ListedTransaction } from '../../packages/kafka/src/client/contract.ts'
import { createBatchBuilder } from '../../packages/kafka/src/records/batch-builder.ts'
import { openClient, openTransactions } from './client-calls.ts'

const RECORDS_PER_BATCH = 1000
const OUTSIDE_OF_TRANSACTIONS = { producerId: -1n, producerEpoch: -1, baseSequence: -1, isTransactional: false }

export interface FedRecord {
  readonly key?: string
  readonly value: string
}

/** Fills topics with what a test or a demonstration wants to be read. */
export class TopicFeeder {
  private readonly client: KafkaClient
  /** How many records each topic got: the next goes to the partition after the last one's. */
  private readonly fed = new Map<string, number>()

  constructor(bootstrap: string) {
    this.client = openClient(bootstrap)
  }

  async createTopic(topic: string, partitions: number): Promise<void> {
    await this.client.createTopic(topic, { partitions })
    // A broker may answer before all of it knows the topic.
    while ((await this.client.topics([topic]))[0]?.partitions.every(({ leader }) => leader !== null) !== true);
  }

  /** Round robin over the partitions, one record each: so many records, so many in each partition. */
  async append(topic: string, records: readonly FedRecord[]): Promise<void> {
    const [metadata] = await this.client.topics([topic])
    const partitions = metadata!.partitions.toSorted((left, right) => left.partition - right.partition)
    const first = this.fed.get(topic) ?? 0
    this.fed.set(topic, first + records.length)
    for (const [index, { partition, leader }] of partitions.entries()) {
      const mine = records.filter((_, record) => (first + record) % partitions.length === index)
      for (let from = 0; from < mine.length; from += RECORDS_PER_BATCH) {
        await this.appendBatch(leader!, topic, partition, mine.slice(from, from + RECORDS_PER_BATCH))
      }
    }
  }

  /** Transactions that no process has ended. */
  openTransactions(): Promise<readonly ListedTransaction[]> {
    return openTransactions(this.client)
  }

  close(): Promise<void> {
    return this.client.close()
  }

  private async appendBatch(
    leader: BrokerId,
    topic: string,
    partition: number,
    records: readonly FedRecord[],
  ): Promise<void> {
    const builder = createBatchBuilder('none')
    for (const { key, value } of records) {
      builder.append(key === undefined ? null : Buffer.from(key), Buffer.from(value), null, Date.now())
    }
    const batch = builder.finish(OUTSIDE_OF_TRANSACTIONS)
    const request = { transactionalId: null, timeoutMs: 10_000, batches: [{ topic, partition, batch }] }
    for (;;) {
      const [answer] = await this.client.produce(leader, request)
      if (answer!.error === null) return
      // Refused, so not written: a broker that has just started may not lead its partitions yet.
      if (!answer!.error.isRetriable) throw answer!.error
      await this.client.topics([topic])
    }
  }
}
