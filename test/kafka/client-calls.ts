import { randomUUID } from 'node:crypto'
import * as zlib from 'node:zlib'
import type {
  ClientSettings,
  FetchedPartition,
  Isolation,
  KafkaClient,
  ListedTransaction,
  ProducedPartition,
  TransactionIdentity,
} from '../../packages/kafka/src/client/contract.ts'
import { isKafkaError } from '../../packages/kafka/src/client/kafka-error.ts'
import { openKafkaClient } from '../../packages/kafka/src/client/kafka-client.ts'
import { createBatchBuilder } from '../../packages/kafka/src/records/batch-builder.ts'
import type { Compression } from '../../packages/kafka/src/records/contract.ts'
import { createRecordCursor } from '../../packages/kafka/src/records/record-cursor.ts'
import { OPEN_STATES } from '../../packages/kafka/src/sink/abort-open.ts'

/** All that this Node can write and read: zstd from Node 22.15 on. */
export const COMPRESSIONS: readonly Compression[] = [
  'none',
  'gzip',
  'snappy',
  'lz4',
  ...('zstdCompressSync' in zlib ? ['zstd' as const] : []),
]

/** What tests do with a client, in one line each. */

export function settingsFor(bootstrap: string, overrides: Partial<ClientSettings> = {}): ClientSettings {
  return {
    brokers: bootstrap.split(',').map((address) => {
      const [host, port] = address.split(':')
      return { host: host!, port: Number(port) }
    }),
    clientId: 'test',
    requestTimeoutMs: 30_000,
    connectTimeoutMs: 10_000,
    tls: null,
    sasl: null,
    ...overrides,
  }
}

export function openClient(bootstrap: string, overrides: Partial<ClientSettings> = {}): KafkaClient {
  return openKafkaClient(settingsFor(bootstrap, overrides))
}

export function uniqueName(text: string): string {
  return `${text}-${randomUUID().slice(0, 8)}`
}

export async function newTopic(client: KafkaClient, text: string, partitions = 1): Promise<string> {
  const topic = uniqueName(text)
  await client.createTopic(topic, { partitions })
  return topic
}

/** One batch to a partition, outside of transactions or, with an identity, in one; partitions have to be added before. */
export async function produce(
  client: KafkaClient,
  topic: string,
  values: readonly string[],
  options: {
    readonly partition?: number
    readonly transaction?: TransactionIdentity
    readonly baseSequence?: number
    readonly compression?: Compression
    readonly timestampMs?: number
  } = {},
): Promise<ProducedPartition> {
  const { transaction, partition = 0 } = options
  const builder = createBatchBuilder(options.compression ?? 'none')
  for (const value of values) {
    builder.append(null, Buffer.from(value), null, options.timestampMs ?? 1_700_000_000_000)
  }
  const batch = builder.finish({
    producerId: transaction?.producerId ?? -1n,
    producerEpoch: transaction?.producerEpoch ?? -1,
    baseSequence: transaction === undefined ? -1 : (options.baseSequence ?? 0),
    isTransactional: transaction !== undefined,
  })
  const [found] = await client.topics([topic])
  const leader = found!.partitions.find((each) => each.partition === partition)!.leader!
  const request = {
    transactionalId: transaction?.transactionalId ?? null,
    timeoutMs: 10_000,
    batches: [{ topic, partition, batch }],
  }
  const [produced] = await client.produce(leader, request)
  if (produced!.error !== null) throw produced!.error
  return produced!
}

export async function begin(
  client: KafkaClient,
  transactionalId: string,
  timeoutMs = 60_000,
): Promise<TransactionIdentity> {
  return { transactionalId, ...(await retrying(() => client.initializeProducer(transactionalId, timeoutMs))) }
}

/** A transaction with one batch in partition 0 of the topic, not ended. */
export async function openTransaction(
  client: KafkaClient,
  transactionalId: string,
  topic: string,
  values: readonly string[],
  timeoutMs = 60_000,
): Promise<TransactionIdentity> {
  const transaction = await begin(client, transactionalId, timeoutMs)
  await retrying(() => client.addPartitions(transaction, [{ topic, partition: 0 }]))
  await produce(client, topic, values, { transaction })
  return transaction
}

export async function fetchOnce(
  client: KafkaClient,
  topic: string,
  options: { readonly offset?: number; readonly isolation?: Isolation; readonly maxWaitMs?: number } = {},
): Promise<FetchedPartition> {
  const [found] = await client.topics([topic])
  const { leader, leaderEpoch } = found!.partitions[0]!
  const [fetched] = await client.fetch(leader!, {
    isolation: options.isolation ?? 'uncommitted',
    maxWaitMs: options.maxWaitMs ?? 100,
    maxBytes: 1 << 24,
    partitions: [
      { topic, topicId: found!.id, partition: 0, leaderEpoch, offset: options.offset ?? 0, maxBytes: 1 << 22 },
    ],
  })
  return fetched!
}

/**
 * Transactions that nobody has ended. Brokers answer to the end of one before its markers are everywhere, and until then readers see neither it nor what is behind it:
 * waits until there is none in between.
 */
export async function openTransactions(client: KafkaClient, prefix = ''): Promise<readonly ListedTransaction[]> {
  return retrying(async () => {
    const open = await client.listTransactions(prefix, OPEN_STATES)
    if (!open.every(({ state }) => state === 'Ongoing')) throw NOT_YET
    return open
  })
}

/** For `retrying`: not yet what is waited for. */
export const NOT_YET = Object.assign(new Error('what was waited for has not come'), {
  name: 'KafkaError',
  code: 'PENDING',
  isRetriable: true,
})

/** Texts of all records, those of aborted transactions among them. */
export function valuesOf(records: Uint8Array): readonly string[] {
  const cursor = createRecordCursor()
  const values: string[] = []
  cursor.load(records)
  while (cursor.nextBatch()) while (cursor.nextRecord()) values.push(String(cursor.value))
  return values
}

/** The code that a call rejects with. */
export async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call
  } catch (error) {
    if (isKafkaError(error)) return error.code
    throw error
  }
  return 'none'
}

/** As callers do: again while the answer says that it may succeed later. */
export async function retrying<T>(call: () => Promise<T>, timeoutMs = 120_000): Promise<T> {
  const deadline = Date.now() + timeoutMs
  for (;;) {
    try {
      return await call()
    } catch (error) {
      if (!isKafkaError(error) || !error.isRetriable || Date.now() > deadline) throw error
      await new Promise((resolve) => void setTimeout(resolve, 20))
    }
  }
}
