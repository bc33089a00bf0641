import { afterAll, beforeAll, expect, test } from 'vitest'
import type { KafkaClient } from '../../packages/kafka/src/client/contract.ts'
import { createBatchBuilder } from '../../packages/kafka/src/records/batch-builder.ts'
import { type BrokerAddress, sharedBroker } from './broker.ts'
import {
  codeOf,
  COMPRESSIONS,
  fetchOnce,
  newTopic,
  openClient,
  openTransaction,
  produce,
  retrying,
  uniqueName,
  valuesOf,
} from './client-calls.ts'
import { describeWithBroker } from './describe-with-broker.ts'
import { readCommitted } from './read-topic.ts'

describeWithBroker('the client', () => {
  let broker: BrokerAddress
  let client: KafkaClient
  beforeAll(async () => {
    broker = await sharedBroker()
    client = openClient(broker.bootstrap)
  })
  afterAll(() => client?.close())

  test('knows topics, their ids, partitions and leaders, and leaves out those that do not exist', async () => {
    const topic = await newTopic(client, 'known', 3)
    const [found, ...rest] = await client.topics([topic, uniqueName('unknown')])
    expect(rest).toEqual([])
    expect(found).toMatchObject({ name: topic, isInternal: false })
    expect(found!.id).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
    expect(found!.partitions).toEqual([0, 1, 2].map((partition) => ({ partition, leader: 1, leaderEpoch: 0 })))
    expect((await client.topics(null)).map(({ name }) => name)).toContain(topic)
    expect(await codeOf(client.createTopic(topic, { partitions: 1 }))).toBe('TOPIC_ALREADY_EXISTS')
    expect(await codeOf(client.topics(['no name/of a topic']))).toBe('INVALID_TOPIC_EXCEPTION')
  })

  test('gives a topic that is made again under its name another id', async () => {
    const topic = await newTopic(client, 'again')
    const [before] = await client.topics([topic])
    await client.deleteTopic(topic)
    await retrying(() => client.createTopic(topic, { partitions: 1 }))
    const [after] = await client.topics([topic])
    expect(after!.id).not.toBe(before!.id)
  })

  test('fetches what it produced, and says where a partition begins and ends', async () => {
    const topic = await newTopic(client, 'fetched')
    expect(await produce(client, topic, ['a', 'b'])).toEqual({ topic, partition: 0, error: null, baseOffset: 0 })
    expect(await produce(client, topic, ['c'])).toMatchObject({ baseOffset: 2 })
    const fetched = await fetchOnce(client, topic)
    expect(valuesOf(fetched.records)).toEqual(['a', 'b', 'c'])
    expect({ ...fetched, records: null }).toEqual({
      records: null,
      topic,
      partition: 0,
      error: null,
      highWatermark: 3,
      lastStableOffset: 3,
      logStartOffset: 0,
      abortedTransactions: [],
    })
    expect(valuesOf((await fetchOnce(client, topic, { offset: 3 })).records)).toEqual([])
    expect((await fetchOnce(client, topic, { offset: 4 })).error?.code).toBe('OFFSET_OUT_OF_RANGE')
    await client.deleteRecords([{ topic, partition: 0, offset: 2 }])
    expect((await fetchOnce(client, topic, { offset: 1 })).error?.code).toBe('OFFSET_OUT_OF_RANGE')
    expect((await fetchOnce(client, topic, { offset: 2 })).logStartOffset).toBe(2)
  })

  test('answers other calls while a fetch waits for records, and the fetch as soon as there are some', async () => {
    const topic = await newTopic(client, 'long-poll')
    const [found] = await client.topics([topic])
    let hasEnded = false
    const fetch = fetchOnce(client, topic, { maxWaitMs: 20_000 }).finally(() => (hasEnded = true))
    await client.offsets([{ topic, partition: 0, at: 'latest' }], 'committed')
    expect([found!.name, hasEnded]).toEqual([topic, false])
    await produce(client, topic, ['late'])
    expect(valuesOf((await fetch).records)).toEqual(['late'])
  })

  test.each(COMPRESSIONS)("writes batches that Kafka's own consumer reads: %s", async (compression) => {
    const topic = await newTopic(client, `java-${compression}`)
    const builder = createBatchBuilder(compression)
    const headers = [
      { name: 'größe', value: Buffer.from([0, 255]) },
      { name: 'null', value: null },
    ]
    const many = Array.from({ length: 5000 }, (_, index) => ({
      key: index % 3 === 0 ? null : Buffer.from(`key ${index % 10}`),
      value: index % 7 === 0 ? null : Buffer.from(`value ${index} `.repeat(index % 11)),
      headers: index % 5 === 0 ? headers : [],
      timestampMs: 1_700_000_000_000 + ((index * 7919) % 1000) - 500,
    }))
    for (const each of many) builder.append(each.key, each.value, each.headers, each.timestampMs)
    const batch = builder.finish({ producerId: -1n, producerEpoch: -1, baseSequence: -1, isTransactional: false })
    const request = { transactionalId: null, timeoutMs: 10_000, batches: [{ topic, partition: 0, batch }] }
    expect((await client.produce(1, request))[0]!.error).toBeNull()
    expect(await readCommitted(broker, topic)).toEqual(
      many.map(({ key, value, timestampMs, ...rest }, offset) => ({
        partition: 0,
        offset,
        timestamp: timestampMs,
        key,
        value,
        headers: rest.headers.map(({ name, value: content }) => [name, content]),
      })),
    )
  })

  test('finds offsets by position and time, the same partition more than once', async () => {
    const topic = await newTopic(client, 'offsets', 2)
    for (const timestampMs of [1000, 2000, 3000]) await produce(client, topic, ['x'], { timestampMs })
    await client.deleteRecords([{ topic, partition: 0, offset: 1 }])
    const at = ['earliest', 'latest', { timestampMs: 1 }, { timestampMs: 2001 }, { timestampMs: 9000 }] as const
    const answers = await client.offsets(
      [
        ...at.map((each) => ({ topic, partition: 0, at: each })),
        { topic, partition: 1, at: { timestampMs: 0 } },
        { topic, partition: 9, at: 'latest' },
        { topic: 'nowhere', partition: 0, at: 'latest' },
      ],
      'committed',
    )
    expect(answers.map(({ offset, error }) => error?.code ?? offset)).toEqual([
      1,
      3,
      1,
      2,
      3,
      0,
      'UNKNOWN_TOPIC_OR_PARTITION',
      'UNKNOWN_TOPIC_OR_PARTITION',
    ])
    expect(answers.map(({ partition }) => partition)).toEqual([0, 0, 0, 0, 0, 1, 9, 0])
  })

  test('ends at the last stable offset, or behind it, as it is asked', async () => {
    const topic = await newTopic(client, 'stable')
    await produce(client, topic, ['before'])
    const transaction = await openTransaction(client, uniqueName('open'), topic, ['pending'])
    const end = async (isolation: 'committed' | 'uncommitted') =>
      (await client.offsets([{ topic, partition: 0, at: 'latest' }], isolation))[0]!.offset
    expect([await end('committed'), await end('uncommitted')]).toEqual([1, 2])
    const fetched = await fetchOnce(client, topic, { isolation: 'committed' })
    expect([valuesOf(fetched.records), fetched.lastStableOffset, fetched.highWatermark]).toEqual([['before'], 1, 2])
    await retrying(() => client.endTransaction(transaction, 'abort'))
    // The answer comes before the markers are everywhere.
    let after = fetched
    while (after.lastStableOffset === 1) {
      after = await fetchOnce(client, topic, { isolation: 'committed', offset: 1, maxWaitMs: 1000 })
    }
    expect(after.abortedTransactions).toEqual([{ producerId: transaction.producerId, firstOffset: 1 }])
  })

  test('reads and commits offsets of a group without being its member', async () => {
    const topic = await newTopic(client, 'group', 2)
    const group = uniqueName('monitoring')
    const partitions = [0, 1].map((partition) => ({ topic, partition }))
    expect(await retrying(() => client.committedOffsets(group, partitions))).toEqual([])
    await retrying(() => client.commitOffsets(group, [{ topic, partition: 1, offset: 42 }]))
    expect(await client.committedOffsets(group, partitions)).toEqual([{ topic, partition: 1, offset: 42 }])
  })

  test("knows a broker's settings, and of unknown ones nothing", async () => {
    expect(await client.brokerConfig('transaction.max.timeout.ms')).toBe('900000')
    expect(await client.brokerConfig('no.such.setting')).toBeNull()
  })

  test('says why a batch is refused', async () => {
    const topic = await newTopic(client, 'refused')
    const builder = createBatchBuilder('none')
    builder.append(null, Buffer.from('x'), null, 1)
    const batch = Buffer.from(
      builder.finish({ producerId: -1n, producerEpoch: -1, baseSequence: -1, isTransactional: false }),
    )
    batch[batch.length - 1] = batch[batch.length - 1]! ^ 1
    const request = { transactionalId: null, timeoutMs: 10_000, batches: [{ topic, partition: 0, batch }] }
    const [refused] = await client.produce(1, request)
    expect(refused!.error).toMatchObject({ name: 'KafkaError', code: 'CORRUPT_MESSAGE', isRetriable: true })
    const [elsewhere] = await client.produce(1, { ...request, batches: [{ topic: 'nowhere', partition: 0, batch }] })
    expect(elsewhere!.error?.code).toBe('UNKNOWN_TOPIC_OR_PARTITION')
    expect(await codeOf(client.produce(77, request))).toBe('LEADER_NOT_AVAILABLE')
  })

  test('rejects what is under way and all that comes after when it is closed', async () => {
    const own = openClient(broker.bootstrap)
    const topic = await newTopic(own, 'closed')
    const [found] = await own.topics([topic])
    const partition = { topic, topicId: found!.id, partition: 0, leaderEpoch: 0, offset: 0, maxBytes: 1000 }
    const request = { isolation: 'committed', maxWaitMs: 30_000, maxBytes: 1000, partitions: [partition] } as const
    const fetch = codeOf(own.fetch(1, request))
    const other = codeOf(own.topics(null))
    await own.close()
    expect([await fetch, await other, await codeOf(own.topics(null))]).toEqual(['CLOSED', 'CLOSED', 'CLOSED'])
  })
})
