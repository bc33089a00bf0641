import type { ProducerIdentity, TopicPartition, TransactionIdentity } from '../contract.ts'
import { type Api, byTopic, readTopics } from './api.ts'

/** The version from which on they may be asked for by age. */
const LIST_BY_DURATION = 1

export const INIT_PRODUCER_ID: Api<
  { readonly transactionalId: string | null; readonly timeoutMs: number },
  ProducerIdentity & { readonly error: number }
> = {
  name: 'InitProducerId',
  key: 22,
  minVersion: 4,
  maxVersion: 4,
  write(writer, { transactionalId, timeoutMs }) {
    // Whoever had the id before is fenced.
    writer.string(transactionalId).int32(timeoutMs).int64(-1).int16(-1).end()
  },
  read(reader) {
    reader.int32()
    return { error: reader.int16(), producerId: reader.bigint(), producerEpoch: reader.int16() }
  },
}

export const ADD_PARTITIONS_TO_TXN: Api<
  { readonly transaction: TransactionIdentity; readonly partitions: readonly TopicPartition[] },
  readonly (TopicPartition & { readonly error: number })[]
> = {
  name: 'AddPartitionsToTxn',
  key: 24,
  minVersion: 3,
  maxVersion: 3,
  write(writer, { transaction, partitions }) {
    writer.string(transaction.transactionalId).int64(transaction.producerId).int16(transaction.producerEpoch)
    writer.array(byTopic(partitions), ([topic, ofTopic]) => {
      writer
        .string(topic)
        .array(ofTopic, ({ partition }) => writer.int32(partition))
        .end()
    })
    writer.end()
  },
  read(reader) {
    reader.int32()
    return readTopics(reader, (topic) => ({ topic, partition: reader.int32(), error: reader.int16() }))
  },
}

/** The answer's error code. */
export const END_TXN: Api<{ readonly transaction: TransactionIdentity; readonly isCommit: boolean }, number> = {
  name: 'EndTxn',
  key: 26,
  minVersion: 3,
  maxVersion: 4,
  write(writer, { transaction, isCommit }) {
    writer.string(transaction.transactionalId).int64(transaction.producerId).int16(transaction.producerEpoch)
    writer.boolean(isCommit).end()
  },
  read(reader) {
    reader.int32()
    return reader.int16()
  },
}

export interface DescribedTransaction extends TransactionIdentity {
  readonly error: number
  readonly state: string
  readonly timeoutMs: number
  readonly startedAtMs: number
  readonly partitions: readonly TopicPartition[]
}

export const DESCRIBE_TRANSACTIONS: Api<string, readonly DescribedTransaction[]> = {
  name: 'DescribeTransactions',
  key: 65,
  minVersion: 0,
  maxVersion: 0,
  write(writer, transactionalId) {
    writer.array([transactionalId], (each) => writer.string(each)).end()
  },
  read(reader) {
    reader.int32()
    return reader.array(() => {
      const head = {
        error: reader.int16(),
        transactionalId: reader.string(),
        state: reader.string(),
        timeoutMs: reader.int32(),
        startedAtMs: reader.int64(),
        producerId: reader.bigint(),
        producerEpoch: reader.int16(),
      }
      const partitions = reader.array(() => {
        const topic = reader.string()
        const ofTopic = reader.array(() => ({ topic, partition: reader.int32() }))
        reader.end()
        return ofTopic
      })
      reader.end()
      return { ...head, partitions: partitions.flat() }
    })
  },
}

export interface ListTransactionsResponse {
  readonly error: number
  readonly transactions: readonly {
    readonly transactionalId: string
    readonly producerId: bigint
    readonly state: string
  }[]
}

export const LIST_TRANSACTIONS: Api<readonly string[], ListTransactionsResponse> = {
  name: 'ListTransactions',
  key: 66,
  minVersion: 0,
  maxVersion: 1,
  write(writer, states, version) {
    writer.array(states, (state) => writer.string(state)).array([], () => {})
    if (version >= LIST_BY_DURATION) writer.int64(-1)
    writer.end()
  },
  read(reader) {
    reader.int32()
    const error = reader.int16()
    // States that the broker does not know: nothing of it can be in them.
    reader.array(() => reader.string())
    const transactions = reader.array(() => {
      const transaction = { transactionalId: reader.string(), producerId: reader.bigint(), state: reader.string() }
      reader.end()
      return transaction
    })
    return { error, transactions }
  },
}
