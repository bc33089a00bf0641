import { describe, expect, it } from 'vitest'
import type { KafkaClient, ProducedPartition, TransactionIdentity } from '../client/contract.ts'
import { MemoryCluster } from './memory-cluster.ts'
import { decodePlainBatch, encodePlainBatch } from './plain-batch.ts'

const TOPIC = 'orders'

describe('transactions of the in-memory cluster answer as brokers were measured to', () => {
  it('commits once, whoever says so and however often, and refuses the opposite', async () => {
    const { cluster, client, transaction } = await openTransaction()
    await write(client, transaction, 0, ['a', 'b'])
    expect(values(cluster)).toEqual([])
    const other = cluster.client()
    await other.endTransaction(transaction, 'commit')
    await untilComplete(other, transaction)
    expect(values(cluster)).toEqual(['a', 'b'])
    await client.endTransaction(transaction, 'commit')
    expect(values(cluster)).toEqual(['a', 'b'])
    await expectCode(client.endTransaction(transaction, 'abort'), 'INVALID_TXN_STATE')
  })

  it('aborts once, and refuses a commit after it', async () => {
    const { cluster, client, transaction } = await openTransaction()
    await write(client, transaction, 0, ['a'])
    await client.endTransaction(transaction, 'abort')
    await untilComplete(client, transaction)
    await client.endTransaction(transaction, 'abort')
    await expectCode(client.endTransaction(transaction, 'commit'), 'INVALID_TXN_STATE')
    expect(values(cluster)).toEqual([])
  })

  it('fences the producer of a transaction that timed out', async () => {
    const { cluster, client, transaction } = await openTransaction()
    await write(client, transaction, 0, ['a'])
    cluster.advance(60_000)
    await expectCode(client.endTransaction(transaction, 'commit'), 'PRODUCER_FENCED')
    await untilComplete(client, transaction)
    expect(cluster.log(TOPIC, 0).lastStableOffset).toBe(2)
  })

  it('fences and aborts when the id is initialized again, and leaves the new producer untouched by the old one', async () => {
    const { cluster, client, transaction } = await openTransaction()
    await write(client, transaction, 0, ['a'])
    await expectCode(client.initializeProducer(transaction.transactionalId, 60_000), 'CONCURRENT_TRANSACTIONS')
    await untilComplete(client, transaction)
    const next = await client.initializeProducer(transaction.transactionalId, 60_000)
    await expectCode(client.endTransaction(transaction, 'commit'), 'PRODUCER_FENCED')
    const again = { ...next, transactionalId: transaction.transactionalId }
    await client.addPartitions(again, [{ topic: TOPIC, partition: 0 }])
    await write(client, again, 0, ['b'])
    expect((await write(client, transaction, 1, ['late']))[0]!.error?.code).toBe('INVALID_PRODUCER_EPOCH')
    await expectCode(client.endTransaction(transaction, 'commit'), 'PRODUCER_FENCED')
    await client.endTransaction(again, 'commit')
    await untilComplete(client, again)
    expect(values(cluster)).toEqual(['b'])
  })

  it('knows nothing of unknown ids, nor of ends of transactions that never began', async () => {
    const { client, transaction } = await openTransaction()
    const unknown = { ...transaction, transactionalId: 'unknown' }
    await expectCode(client.endTransaction(unknown, 'commit'), 'INVALID_PRODUCER_ID_MAPPING')
    const identity = await client.initializeProducer('empty', 60_000)
    await expectCode(client.endTransaction({ ...identity, transactionalId: 'empty' }, 'commit'), 'INVALID_TXN_STATE')
    await expectCode(client.initializeProducer('long', 900_001), 'INVALID_TRANSACTION_TIMEOUT')
  })

  it('commits a second transaction early where an id is reused without initializing it: the trap of this protocol', async () => {
    const { cluster, client, transaction } = await openTransaction()
    await write(client, transaction, 0, ['a'])
    await client.endTransaction(transaction, 'commit')
    await untilComplete(client, transaction)
    await client.addPartitions(transaction, [{ topic: TOPIC, partition: 0 }])
    await write(client, transaction, 1, ['b'])
    await client.endTransaction(transaction, 'commit')
    await untilComplete(client, transaction)
    expect(values(cluster)).toEqual(['a', 'b'])
  })
})

describe('logs of the in-memory cluster', () => {
  it('append a batch once that comes twice, and refuse gaps', async () => {
    const { cluster, client, transaction } = await openTransaction()
    const [first] = await write(client, transaction, 0, ['a', 'b'])
    const [again] = await write(client, transaction, 0, ['a', 'b'])
    expect(again).toEqual(first)
    expect((await write(client, transaction, 3, ['d']))[0]!.error?.code).toBe('OUT_OF_ORDER_SEQUENCE_NUMBER')
    expect(cluster.log(TOPIC, 0).highWatermark).toBe(2)
  })

  it('hide what is behind an open transaction, and name the aborted ones', async () => {
    const { cluster, client, transaction } = await openTransaction()
    cluster.append(TOPIC, 0, [{ value: 'before' }])
    await write(client, transaction, 0, ['a'])
    cluster.append(TOPIC, 0, [{ value: 'behind' }])
    const fetched = await fetch(cluster, client, 0, 1 << 20)
    expect(fetched.lastStableOffset).toBe(1)
    expect(decodePlainBatch(fetched.records).map(text)).toEqual(['before'])
    await client.endTransaction(transaction, 'abort')
    await untilComplete(client, transaction)
    const after = await fetch(cluster, client, 1, 1 << 20)
    expect(after.abortedTransactions).toEqual([{ producerId: transaction.producerId, firstOffset: 1 }])
    expect(values(cluster)).toEqual(['before', 'behind'])
  })

  it('give the first batch whole and cut the last one', async () => {
    const cluster = new MemoryCluster()
    cluster.createTopic(TOPIC, 1)
    for (const value of ['first', 'second']) cluster.append(TOPIC, 0, [{ value }])
    const whole = await fetch(cluster, cluster.client(), 0, 1 << 20)
    const one = await fetch(cluster, cluster.client(), 0, 1)
    expect(decodePlainBatch(one.records).map(text)).toEqual(['first'])
    const cut = await fetch(cluster, cluster.client(), 0, one.records.length + 10)
    expect(cut.records).toEqual(whole.records.subarray(0, one.records.length + 10))
  })
})

describe('faults of the in-memory cluster', () => {
  it('lose a request before its effect and a response after it', async () => {
    const { cluster, client } = await openTransaction()
    cluster.inject('createTopic', { kind: 'lost-request' })
    await expectCode(client.createTopic('other', { partitions: 1 }), 'NETWORK')
    expect(cluster.topics.has('other')).toBe(false)
    cluster.inject('createTopic', { kind: 'lost-response' })
    await expectCode(client.createTopic('other', { partitions: 1 }), 'NETWORK')
    expect(cluster.topics.has('other')).toBe(true)
  })

  it('keep a dead process from hearing anything, though its requests may still arrive', async () => {
    const cluster = new MemoryCluster()
    for (const underWay of ['arrive', 'lost'] as const) {
      const client = cluster.client()
      const settled: string[] = []
      client.createTopic(underWay, { partitions: 1 }).then(
        () => settled.push('answered'),
        () => settled.push('failed'),
      )
      cluster.kill(client, underWay)
      await cluster.client().topics(null)
      expect([cluster.topics.has(underWay), settled]).toEqual([underWay === 'arrive', []])
    }
  })

  it('break connections to a stopped broker, whose partitions another one leads', async () => {
    const cluster = new MemoryCluster({ brokers: 2 })
    cluster.createTopic(TOPIC, 2)
    const client = cluster.client()
    const request = fetchRequest(cluster, 0, 0, 1000)
    const waiting = client.fetch(1, request)
    cluster.stopBroker(1)
    await expectCode(waiting, 'NETWORK')
    const [topic] = await client.topics([TOPIC])
    expect(topic!.partitions.map(({ leader }) => leader)).toEqual([2, 2])
    const [stale] = await client.fetch(2, request)
    expect(stale!.error?.code).toBe('FENCED_LEADER_EPOCH')
  })
})

async function openTransaction() {
  const cluster = new MemoryCluster()
  cluster.createTopic(TOPIC, 1)
  const client = cluster.client()
  const transactionalId = 'transaction'
  const transaction = { transactionalId, ...(await client.initializeProducer(transactionalId, 60_000)) }
  await client.addPartitions(transaction, [{ topic: TOPIC, partition: 0 }])
  return { cluster, client, transaction }
}

function write(
  client: KafkaClient,
  { transactionalId, producerId, producerEpoch }: TransactionIdentity,
  baseSequence: number,
  texts: readonly string[],
): Promise<readonly ProducedPartition[]> {
  const batch = encodePlainBatch({
    producerId,
    producerEpoch,
    baseSequence,
    isTransactional: true,
    isControl: false,
    lastOffsetDelta: texts.length - 1,
    records: texts.map((value, offsetDelta) => ({
      key: null,
      value: new TextEncoder().encode(value),
      headers: [],
      timestampMs: 0,
      offsetDelta,
    })),
  })
  return client.produce(1, { transactionalId, timeoutMs: 1000, batches: [{ topic: TOPIC, partition: 0, batch }] })
}

function fetchRequest(cluster: MemoryCluster, partition: number, offset: number, maxBytes: number) {
  const { id: topicId } = cluster.topic(TOPIC)
  const { leaderEpoch } = cluster.log(TOPIC, partition)
  const partitions = [{ topic: TOPIC, topicId, partition, leaderEpoch, offset, maxBytes }]
  return { isolation: 'committed', maxWaitMs: 100, maxBytes, partitions } as const
}

async function fetch(cluster: MemoryCluster, client: KafkaClient, offset: number, maxBytes: number) {
  return (await client.fetch(1, fetchRequest(cluster, 0, offset, maxBytes)))[0]!
}

async function untilComplete(client: KafkaClient, { transactionalId }: TransactionIdentity): Promise<void> {
  for (let turns = 0; turns < 10; turns++) {
    const description = await client.describeTransaction(transactionalId)
    if (description?.state.startsWith('Complete') === true) return
  }
  throw new Error('the markers were never written')
}

async function expectCode(call: Promise<unknown>, code: string): Promise<void> {
  await expect(call).rejects.toMatchObject({ name: 'KafkaError', code })
}

function values(cluster: MemoryCluster): readonly string[] {
  return cluster.committed(TOPIC).map(text)
}

function text({ value }: { readonly value: Uint8Array | null }): string {
  return new TextDecoder().decode(value ?? new Uint8Array())
}
