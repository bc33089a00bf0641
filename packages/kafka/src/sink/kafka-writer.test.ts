import { describe, expect, test } from 'vitest'
import { isTidemarkError, type TidemarkError } from 'tidemark/connector'
import { text } from '../codecs/text.ts'
import { MemoryCluster } from '../testing/memory-cluster.ts'
import { committerOf, during, memoryConnection, settled, values, WriterRun } from '../testing/sink-kit.ts'
import type { KafkaSinkOptions } from '../options.ts'
import { kafkaSink } from './kafka-sink.ts'
import { partitionOfKey } from './murmur2.ts'

interface Order {
  readonly id: number
  readonly shop?: string | null
  readonly size?: number
}

function cluster(partitions = 3, config: Readonly<Record<string, string>> = {}): MemoryCluster {
  const made = new MemoryCluster({ brokers: 2 })
  made.createTopic('out', partitions, config)
  return made
}

async function open(
  to: MemoryCluster,
  options: KafkaSinkOptions<Order> = {},
  topic: string | ((order: Order) => string) = 'out',
) {
  const sink = kafkaSink<Order, 'at-least-once'>(memoryConnection(to), topic, { ...options, delivery: 'at-least-once' })
  return new WriterRun(to, sink).open()
}

async function failureOf(run: WriterRun<Order>, to: MemoryCluster, records: readonly Order[]): Promise<TidemarkError> {
  await run.write(records)
  await run.prepare(1).catch(() => [])
  await during(to, run.writer.close?.())
  const [error] = run.failures
  expect(isTidemarkError(error)).toBe(true)
  return error as TidemarkError
}

describe('what a record becomes', () => {
  test('key, value, headers, timestamp and partition are those that the options say', async () => {
    const to = cluster()
    const run = await open(to, {
      key: ({ shop }) => shop ?? null,
      value: ({ id }) => ({ order: id }),
      headers: ({ id }) => ({ trace: `t${id}` }),
      timestamp: ({ id }) => id * 1000,
      partition: ({ id }, partitions) => id % partitions,
    })
    await run.write([{ id: 4, shop: 'a' }])
    await run.prepare(1)
    const [record] = to.committed('out')
    expect(record).toMatchObject({ partition: 1, timestampMs: 4000 })
    expect(Buffer.from(record!.key!).toString()).toBe('a')
    expect(Buffer.from(record!.value!).toString()).toBe('{"order":4}')
    expect(record!.headers.map(({ name, value }) => [name, Buffer.from(value!).toString()])).toEqual([['trace', 't4']])
  })

  test('what value picks is encoded by the codec, but for bytes and tombstones', async () => {
    const to = cluster(1)
    const picks = ['text', Buffer.from([1, 2]), null]
    const run = await open(to, { value: ({ id }) => picks[id], codec: text() })
    await run.write([{ id: 0 }, { id: 1 }, { id: 2 }])
    await run.prepare(1)
    expect(to.committed('out').map(({ value }) => (value === null ? null : Buffer.from(value)))).toEqual([
      Buffer.from('text'),
      Buffer.from([1, 2]),
      null,
    ])
    expect(() => kafkaSink(memoryConnection(to), 'out', { value: text(), codec: text() })).toThrow(/both codecs/)
  })

  test('without options it is JSON with its event time, and keys go where Kafka puts them', async () => {
    const to = cluster(7)
    const run = await open(to, { key: ({ shop }) => shop ?? null })
    const shops = Array.from({ length: 50 }, (_, index) => `shop-${index}`)
    await run.write(
      shops.map((shop, id) => ({ id, shop })),
      shops.map((_, index) => 1000 + index),
    )
    await run.prepare(1)
    const records = to.committed('out')
    expect(records).toHaveLength(50)
    for (const { key, partition } of records) expect(partition).toBe(partitionOfKey(key!, 7))
    const [first] = records.filter(({ key }) => Buffer.from(key!).toString() === 'shop-3')
    expect(first).toMatchObject({ timestampMs: 1003 })
    expect(Buffer.from(first!.value!).toString()).toBe('{"id":3,"shop":"shop-3"}')
  })

  test('null that value picks is a tombstone, bytes stay as they are', async () => {
    const to = cluster(1)
    const run = await open(to, { value: ({ id }) => (id === 0 ? null : Buffer.from([1, 2])) })
    await run.write([{ id: 0 }, { id: 1 }])
    await run.prepare(1)
    expect(to.committed('out').map(({ value }) => value && [...value])).toEqual([null, [1, 2]])
  })

  test('records without key stay on one partition for a batch, then go to the next', async () => {
    const to = cluster(3)
    const run = await open(to, { batchBytes: 200 })
    await run.write(Array.from({ length: 60 }, (_, id) => ({ id })))
    await run.prepare(1)
    const counts = [0, 1, 2].map(
      (partition) => to.committed('out').filter((record) => record.partition === partition).length,
    )
    expect(Math.min(...counts)).toBeGreaterThan(10)
    expect(to.log('out', 0).all().length).toBe(counts[0])
  })

  test('a partition out of range, a key that is none and a value without JSON are refused with what to do', async () => {
    const run = await open(cluster(), { partition: () => 3 })
    expect(() => run.writer.write([{ id: 1 }], 0, 1, null)).toThrow(
      'partition gave 3 for topic out, which has 3 partitions',
    )
    const other = await open(cluster(), { key: () => 7 as never })
    expect(() => other.writer.write([{ id: 1 }], 0, 1, null)).toThrow('the key of a record is 7')
    const third = await open(cluster(), { value: () => undefined })
    expect(() => third.writer.write([{ id: 1 }], 0, 1, null)).toThrow('undefined')
  })
})

describe('topics', () => {
  test('a function chooses the topic of each record', async () => {
    const to = cluster(1)
    to.createTopic('other', 2)
    const run = await open(to, {}, ({ id }) => (id % 2 === 0 ? 'out' : 'other'))
    await run.write([{ id: 0 }, { id: 1 }, { id: 2 }])
    await run.prepare(1)
    expect([values(to, 'out').length, values(to, 'other').length]).toEqual([2, 1])
  })

  test('a topic that does not exist is an error that names it, at the start or when it is chosen', async () => {
    const to = cluster()
    await expect(open(to, {}, 'missing')).rejects.toThrow('topic missing of sink sink does not exist')
    const run = await open(to, {}, () => 'missing')
    const error = await failureOf(run, to, [{ id: 1 }])
    expect(error.message).toContain('topic missing of sink sink, which was chosen for a record, does not exist')
  })

  test('partitions that are added are written to', async () => {
    const to = cluster(1)
    const run = await open(to, { partition: ({ id }, partitions) => id % partitions })
    await run.write([{ id: 1 }])
    to.addPartitions('out', 1)
    to.advance(300_000)
    await run.prepare(1)
    await run.write([{ id: 1 }])
    await run.prepare(2)
    expect(to.committed('out').map(({ partition }) => partition)).toEqual([0, 1])
  })
})

describe('sending', () => {
  test('takes no more records than the buffer holds, and wakes when there is room', async () => {
    const to = cluster(1)
    let release: (() => void) | null = null
    const until = new Promise<void>((resolve) => void (release = resolve))
    to.inject('produce', { kind: 'held', until })
    const run = await open(to, { bufferBytes: 1000, batchBytes: 100 })
    const records = Array.from({ length: 200 }, (_, id) => ({ id }))
    const taken = run.writer.write(records, 0, records.length, null)
    expect(taken).toBeGreaterThan(10)
    expect(taken).toBeLessThan(150)
    expect(run.writer.write(records, taken, records.length, null)).toBe(taken)
    release!()
    await run.write(records.slice(taken))
    await run.prepare(1)
    expect(values(to, 'out')).toEqual(records.map((record) => JSON.stringify(record)))
  })

  test('an answer that is lost does not write a batch twice', async () => {
    const to = cluster(1)
    to.inject('produce', { kind: 'lost-response' }, 3)
    const run = await open(to)
    await run.write([{ id: 1 }, { id: 2 }])
    await run.prepare(1)
    expect(values(to, 'out')).toHaveLength(2)
  })

  test('a leader that says it has a batch already has acknowledged it', async () => {
    const to = cluster(1)
    to.inject('produce', { kind: 'lost-response' })
    to.inject('produce', {
      kind: 'refused',
      code: 'DUPLICATE_SEQUENCE_NUMBER',
      partitions: [{ topic: 'out', partition: 0 }],
    })
    const run = await open(to)
    await run.write([{ id: 1 }])
    await run.prepare(1)
    expect([run.failures, values(to, 'out').length]).toEqual([[], 1])
  })

  test('keeps the order of a partition over lost requests, refusals and moving leaders', async () => {
    const to = cluster(1)
    let calls = 0
    to.faults = ({ operation }) => {
      if (operation !== 'produce') return null
      calls++
      if (calls % 5 === 0) to.moveLeader('out', 0, (calls % 2) + 1)
      if (calls % 3 === 0) return { kind: calls % 2 === 0 ? 'lost-request' : 'lost-response' }
      return calls % 7 === 0
        ? { kind: 'refused', code: 'NOT_LEADER_OR_FOLLOWER', partitions: [{ topic: 'out', partition: 0 }] }
        : null
    }
    const run = await open(to, { batchBytes: 100, bufferBytes: 400 })
    const records = Array.from({ length: 300 }, (_, id) => ({ id }))
    await run.write(records)
    await run.prepare(1)
    expect(values(to, 'out')).toEqual(records.map((record) => JSON.stringify(record)))
    expect(calls).toBeGreaterThan(20)
  })

  test('a batch that a broker finds too large is shared out until it fits', async () => {
    const to = cluster(1, { 'max.message.bytes': '300' })
    const run = await open(to, { batchBytes: 5000 })
    const records = Array.from({ length: 100 }, (_, id) => ({ id }))
    await run.write(records)
    await run.prepare(1)
    expect(values(to, 'out')).toEqual(records.map((record) => JSON.stringify(record)))
  })

  test('a record that a broker finds too large is named with its size, topic and what to do', async () => {
    const to = cluster(1, { 'max.message.bytes': '300' })
    const run = await open(to, { value: ({ size = 0 }) => 'x'.repeat(size) })
    const error = await failureOf(run, to, [{ id: 1 }, { id: 2, size: 1000 }])
    expect(error.code).toBe('SINK_FAILED')
    expect(error.message).toMatch(/sink sink: a record of \d{4} bytes .* topic out .*300/)
    expect(error.action).toContain('max.message.bytes')
  })

  test('gives up after deliveryTimeout, and says for which partition', async () => {
    const to = cluster(1)
    const run = await open(to, { deliveryTimeout: '10s' })
    to.stopBroker(1)
    to.stopBroker(2)
    const began = to.clock.monotonic()
    const error = await failureOf(run, to, [{ id: 1 }])
    expect(error.message).toContain('sink sink could not')
    expect(to.clock.monotonic() - began).toBeLessThan(60_000)
  })

  test('a fatal answer fails at once', async () => {
    const to = cluster(1)
    const run = await open(to)
    to.inject('produce', {
      kind: 'refused',
      code: 'TOPIC_AUTHORIZATION_FAILED',
      partitions: [{ topic: 'out', partition: 0 }],
    })
    const error = await failureOf(run, to, [{ id: 1 }])
    expect(error.message).toContain('could not write to out[0]')
    expect(error.action).toContain('rights')
  })

  test('an encoder that has to prepare delays the record and those behind it, in order', async () => {
    const to = cluster(1)
    const ready = new Set<number>()
    const run = await open(to, {
      value: {
        kind: 'slow',
        createEncoding: () => ({
          prepare: (order) => {
            const { id } = order as Order
            if (ready.has(id) || id % 2 === 0) return undefined
            return Promise.resolve().then(() => void ready.add(id))
          },
          encode: (order) => Buffer.from(String((order as Order).id)),
        }),
      },
    })
    await run.write([0, 1, 2, 3, 4].map((id) => ({ id })))
    await run.prepare(1)
    expect(values(to, 'out')).toEqual(['0', '1', '2', '3', '4'])
  })
})

describe('transactions', () => {
  test('an id that the coordinator has forgotten before its first record is initialized again', async () => {
    const to = cluster(1)
    const sink = kafkaSink<Order>(memoryConnection(to), 'out')
    const run = await new WriterRun(to, sink).open()
    await during(to, new Promise<void>((resolve) => void to.clock.schedule(50, resolve)))
    for (const { transactionalId } of to.transactions.list('', ['Empty'])) to.transactions.forget(transactionalId)
    await run.write([{ id: 1 }])
    const { committer } = committerOf(to, sink)
    const results = await during(to, committer.commit(await run.prepare(1)))
    await settled(to)
    expect([results.map(({ kind }) => kind), values(to, 'out')]).toEqual([['committed'], ['{"id":1}']])
  })

  test('one that a broker times out under the writer fails the attempt with what to do', async () => {
    const to = cluster(1)
    const run = await new WriterRun(to, kafkaSink<Order>(memoryConnection(to), 'out')).open()
    await run.write([{ id: 1 }])
    await during(to, new Promise<void>((resolve) => void to.clock.schedule(50, resolve)))
    to.advance(16 * 60_000)
    const error = await failureOf(run, to, [{ id: 2 }])
    expect(error.code).toBe('SINK_FAILED')
    expect(error.action).toContain('transactionTimeout')
  })

  test('what is open when the writer closes is aborted, what is prepared is not', async () => {
    const to = cluster(1)
    const sink = kafkaSink<Order>(memoryConnection(to), 'out')
    const run = await new WriterRun(to, sink).open()
    await run.write([{ id: 1 }])
    const prepared = await run.prepare(1)
    await run.write([{ id: 2 }])
    await during(to, new Promise<void>((resolve) => void to.clock.schedule(50, resolve)))
    await during(to, run.writer.close?.())
    await settled(to)
    expect(to.transactions.list('', ['Ongoing'])).toHaveLength(1)
    const { committer } = committerOf(to, sink)
    await during(to, committer.commit(prepared))
    await settled(to)
    expect(values(to, 'out')).toEqual(['{"id":1}'])
    expect(to.log('out', 0).lastStableOffset).toBe(to.log('out', 0).highWatermark)
  })

  test('use a handful of ids in turn, each time with another epoch and sequences from the start', async () => {
    const to = cluster(1)
    const sink = kafkaSink<Order>(memoryConnection(to), 'out')
    const run = await new WriterRun(to, sink).open()
    const { committer } = committerOf(to, sink)
    for (let checkpoint = 1; checkpoint <= 20; checkpoint++) {
      await run.write([{ id: checkpoint }])
      const prepared = await run.prepare(checkpoint)
      await during(to, committer.commit(prepared))
      run.writer.notifyCommitted?.(checkpoint as never)
    }
    await settled(to)
    expect(run.failures).toEqual([])
    expect(values(to, 'out')).toHaveLength(20)
    const transactions = to.transactions.list('', [])
    expect(transactions.length).toBeLessThan(8)
    expect(
      Math.max(...transactions.map(({ transactionalId }) => to.transactions.describe(transactionalId)!.producerEpoch)),
    ).toBeGreaterThan(1)
  })

  test('a barrier does not wait for brokers: records of the next transaction are taken at once', async () => {
    const to = cluster(1)
    const run = await new WriterRun(to, kafkaSink<Order>(memoryConnection(to), 'out')).open()
    await run.write([{ id: 1 }])
    const prepared = run.writer.prepareCommit(1 as never)
    expect(run.writer.write([{ id: 2 }], 0, 1, null)).toBe(1)
    const again = run.writer.prepareCommit(2 as never)
    expect((await during(to, prepared)).length + (await during(to, again)).length).toBe(2)
    await during(to, run.writer.close?.())
  })
})
