import { kafka, type KafkaCluster, text } from '@tidemark/kafka'
import { secret } from 'tidemark'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import type { KafkaClient } from '../../packages/kafka/src/client/contract.ts'
import { type Broker, type BrokerAddress, SASL_PASSWORD, SASL_USER, sharedBroker, startBroker } from './broker.ts'
import {
  begin,
  COMPRESSIONS,
  newTopic,
  openClient,
  openTransaction,
  produce,
  retrying,
  uniqueName,
} from './client-calls.ts'
import { describeWithBroker } from './describe-with-broker.ts'
import { committedValues } from './read-topic.ts'
import { type ReadingJob, SourceJobs } from './source-jobs.ts'

const jobs = new SourceJobs()

afterEach(() => jobs.remove())

describeWithBroker('a Kafka source', () => {
  let broker: BrokerAddress
  let client: KafkaClient
  let cluster: KafkaCluster
  beforeAll(async () => {
    broker = await sharedBroker()
    client = openClient(broker.bootstrap)
    cluster = kafka({ brokers: broker.bootstrap })
  })
  afterAll(() => client?.close())

  const stop = 'latest'
  const value = text()

  test('reads exactly the committed records: two transactions aborted by one producer in a fetch, one aborted that is longer than a fetch', async () => {
    const topic = await newTopic(client, 'transactions')
    const first = await begin(client, uniqueName('first'))
    let sequence = 0
    for (const [index, outcome] of (['abort', 'commit', 'abort', 'commit'] as const).entries()) {
      await retrying(() => client.addPartitions(first, [{ topic, partition: 0 }]))
      const values = [0, 1, 2].map((number) => `${outcome} ${index} ${number}`)
      await produce(client, topic, values, { transaction: first, baseSequence: sequence })
      sequence += values.length
      await client.endTransaction(first, outcome)
    }
    const long = await openTransaction(client, uniqueName('long'), topic, ['long 0'])
    for (let index = 1; index < 40; index++) {
      const values = Array.from({ length: 100 }, (_, number) => `long ${index} ${number} ${'x'.repeat(100)}`)
      await produce(client, topic, values, { transaction: long, baseSequence: (index - 1) * 100 + 1 })
      if (index % 10 === 0) await produce(client, topic, [`between ${index}`])
    }
    await retrying(() => client.endTransaction(long, 'abort'))
    await produce(client, topic, ['last'])
    // The end of a transaction is decided before its markers are everywhere.
    await retrying(() => client.initializeProducer(long.transactionalId, 60_000))
    const expected = await committedValues(broker, topic)
    expect(expected.at(-1)).toBe('last')
    for (const fetchAheadBytes of [1 << 25, 20_000]) {
      expect(await jobs.read(cluster.topic(topic, { value, stop, fetchAheadBytes }))).toEqual(expected)
    }
  })

  test('begins where it is told to', async () => {
    const topic = await newTopic(client, 'starts', 2)
    for (const partition of [0, 1]) {
      for (const number of [0, 1, 2]) {
        await produce(client, topic, [`${partition}@${number}`], { partition, timestampMs: 1000 + number })
      }
    }
    const group = uniqueName('group')
    await retrying(() => client.commitOffsets(group, [{ topic, partition: 1, offset: 2 }]))
    const read = async (start: Parameters<typeof cluster.topic>[1]): Promise<readonly string[]> =>
      [...(await jobs.read(cluster.topic(topic, { stop, ...start, value })))].sort()
    expect(await read({ start: 'earliest' })).toEqual(['0@0', '0@1', '0@2', '1@0', '1@1', '1@2'])
    expect(await read({ start: 'latest' })).toEqual([])
    expect(await read({ start: { timestamp: new Date(1002) } })).toEqual(['0@2', '1@2'])
    expect(await read({ start: { group, otherwise: 'latest' } })).toEqual(['1@2'])
    const offsets = [{ topic, partition: 0, offset: 1 }]
    expect(await read({ start: { offsets, otherwise: 'latest' } })).toEqual(['0@1', '0@2'])
    expect(await read({ stop: { timestamp: 1001 } })).toEqual(['0@0', '1@0'])
  })

  test('reads every compression, keys, headers and timestamps', async () => {
    const topic = await newTopic(client, 'compressed')
    for (const compression of COMPRESSIONS) {
      await produce(client, topic, [`${compression} ${'x'.repeat(1000)}`, compression], { compression, timestampMs: 5 })
    }
    const records = await jobs.read(cluster.records(topic, { value, stop }))
    expect(records.map(({ offset, timestamp, key }) => [offset, timestamp, key])).toEqual(
      Array.from({ length: 2 * COMPRESSIONS.length }, (_, offset) => [offset, 5, null]),
    )
    expect(records.map((record) => record.value)).toEqual(await committedValues(broker, topic))
  })

  test('finds new topics of a pattern and new partitions while it runs, commits offsets to a group, and goes on after a stop', async () => {
    const name = uniqueName('pattern')
    const source = cluster.topic(new RegExp(`${name}-.*`), {
      value,
      start: 'latest',
      discoveryInterval: '100ms',
      group: name,
    })
    const one = await newTopic(client, `${name}-one`)
    const folder = await jobs.folder()
    const first = jobs.start(source, folder)
    await checkpoints(first, 1)
    await produce(client, one, ['a'])
    const two = await newTopic(client, `${name}-two`, 2)
    await produce(client, two, ['b'])
    await produce(client, two, ['c'], { partition: 1 })
    await first.committed(3)
    await first.handle.stop()
    expect([...first.collector.records].sort()).toEqual(['a', 'b', 'c'])
    await produce(client, one, ['d'])
    const second = jobs.start(source, folder, { parallelism: 3 })
    await second.committed(1)
    expect(second.collector.records).toEqual(['d'])
    await second.handle.stop()
    const [informed] = await client.committedOffsets(name, [{ topic: one, partition: 0 }])
    expect(informed).toEqual({ topic: one, partition: 0, offset: 2 })
  })

  test('fails when its topic is deleted and made again, and never reads the new one from old offsets', async () => {
    const topic = await newTopic(client, 'deleted')
    await produce(client, topic, ['old'])
    const { handle, collector, committed } = jobs.start(cluster.topic(topic, { value }), await jobs.folder())
    const failure = expect(handle.result).rejects.toMatchObject({
      code: 'INPUT_LOST',
      message: expect.stringContaining(`topic ${topic} was deleted and made again`),
    })
    await committed(1)
    await client.deleteTopic(topic)
    await retrying(() => client.createTopic(topic, { partitions: 1 }))
    await retrying(() => produce(client, topic, ['new', 'new']))
    await failure
    expect(collector.records).toEqual(['old'])
  })

  test('fails when what it has to read was deleted meanwhile, or goes on at the beginning where that is asked for', async () => {
    const topic = await newTopic(client, 'retention')
    await produce(client, topic, ['a'])
    const folder = await jobs.folder()
    const first = jobs.start(cluster.topic(topic, { value }), folder)
    await first.committed(1)
    await first.handle.stop()
    for (const letter of ['b', 'c', 'd']) await produce(client, topic, [letter])
    await client.deleteRecords([{ topic, partition: 0, offset: 3 }])
    await expect(jobs.start(cluster.topic(topic, { value }), folder).handle.result).rejects.toMatchObject({
      code: 'INPUT_LOST',
      message: `${topic}[0]@1 is not there any more: the partition begins at 3 now, 2 offsets are gone`,
    })
    const last = jobs.start(cluster.topic(topic, { value, onOutOfRange: 'earliest' }), folder)
    await last.committed(1)
    expect(last.collector.records).toEqual(['d'])
    await last.handle.cancel()
  })

  test('says clearly that a topic does not exist, or that nobody listens at the address', async () => {
    const topic = uniqueName('missing')
    await expect(jobs.read(cluster.topic(topic, { stop }))).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringContaining(`topic ${topic} does not exist (brokers ${broker.bootstrap})`),
    })
    const nowhere = kafka({ brokers: '127.0.0.1:1' })
    await expect(jobs.read(nowhere.topic(topic, { stop }))).rejects.toMatchObject({
      code: 'SOURCE_FAILED',
      message: expect.stringMatching(/brokers 127\.0\.0\.1:1\): NETWORK: .*ECONNREFUSED/),
    })
  })
})

describeWithBroker('a Kafka source whose broker is killed', () => {
  let broker: Broker
  beforeAll(async () => {
    broker = await startBroker()
  })
  afterAll(() => broker?.stop())

  test('goes on where it was when the broker is there again, without a restart of the job', async () => {
    const client = openClient(broker.bootstrap)
    const topic = await newTopic(client, 'killed', 2)
    for (const partition of [0, 1]) await produce(client, topic, numbers(partition * 10_000), { partition })
    const source = kafka({ brokers: broker.bootstrap }).topic(topic, { value: text() })
    const job = jobs.start(source, await jobs.folder())
    await job.committed(1000)
    await broker.kill()
    await broker.restart()
    for (const partition of [0, 1]) {
      await retrying(() => produce(client, topic, numbers(partition * 10_000 + 500), { partition }))
    }
    await job.committed(2000)
    await client.close()
    const read = job.collector.records.map(Number)
    for (const partition of [0, 1]) {
      const expected = Array.from({ length: 1000 }, (_, index) => partition * 10_000 + index)
      expect(read.filter((number) => Math.floor(number / 10_000) === partition)).toEqual(expected)
    }
    expect(job.events.filter(({ kind }) => kind === 'attempt-failed')).toEqual([])
    await job.handle.cancel()
  })
})

describeWithBroker('a Kafka source of a broker with TLS and SCRAM', () => {
  let broker: Broker
  beforeAll(async () => {
    broker = await startBroker({ tls: true, sasl: true })
  })
  afterAll(() => broker?.stop())

  test('reads with the right password, and says what is wrong with another one, without showing it', async () => {
    const plain = openClient(broker.plainBootstrap)
    const topic = await newTopic(plain, 'secured')
    await produce(plain, topic, ['secret record'])
    await plain.close()
    const cluster = kafka({
      brokers: broker.bootstrap,
      tls: { ca: broker.keys!.ca },
      sasl: { mechanism: 'scram-sha-512', username: SASL_USER, password: secret('KAFKA_PASSWORD') },
    })
    const source = cluster.topic(topic, { value: text(), stop: 'latest' })
    expect(await jobs.read(source, { secrets: { KAFKA_PASSWORD: SASL_PASSWORD } })).toEqual(['secret record'])
    const refused = jobs.read(source, { secrets: { KAFKA_PASSWORD: 'not the password' } })
    await expect(refused).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.not.stringContaining('not the password'),
      action: expect.stringContaining('sasl'),
    })
    await expect(jobs.read(source, { secrets: {} })).rejects.toMatchObject({
      code: 'SECRET_MISSING',
      message: expect.stringContaining('KAFKA_PASSWORD'),
    })
  })
})

function numbers(from: number): readonly string[] {
  return Array.from({ length: 500 }, (_, index) => String(from + index))
}

function checkpoints<T>({ handle, events }: ReadingJob<T>, count: number): Promise<void> {
  return new Promise((resolve) => {
    const check = (): void => {
      if (events.filter(({ kind }) => kind === 'checkpoint-completed').length >= count) resolve()
    }
    handle.on(check)
    check()
  })
}
