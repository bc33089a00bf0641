import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { kafka, type KafkaSinkOptions } from '@tidemark/kafka'
import { defineJob, generate, run } from 'tidemark'
import type { Committable } from 'tidemark/connector'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { KafkaClient } from '../../packages/kafka/src/client/contract.ts'
import { fromCommittable } from '../../packages/kafka/src/sink/committable.ts'
import { runKafkaTool } from '../../packages/kafka/src/tools/kafka-tool.ts'
import { systemClock } from '../../packages/tidemark/src/runtime/job/system-clock.ts'
import { type Broker, startBroker } from './broker.ts'
import { COMPRESSIONS, newTopic, openClient, openTransactions, uniqueName } from './client-calls.ts'
import { describeWithBroker } from './describe-with-broker.ts'
import { committedValues, readCommitted } from './read-topic.ts'
import { SinkProcess } from './sink-process.ts'

const PARTITIONS = 3
const numbers = (from: number, count: number) => Array.from({ length: count }, (_, index) => from + index)

describeWithBroker('the sink against a broker', () => {
  let broker: Broker
  let client: KafkaClient
  const folders: string[] = []

  beforeAll(async () => {
    broker = await startBroker({ config: { 'transaction.abort.timed.out.transaction.cleanup.interval.ms': '500' } })
    client = openClient(broker.bootstrap)
  })
  afterAll(async () => {
    await client?.close()
    await broker?.stop()
    for (const folder of folders) await rm(folder, { recursive: true, force: true })
  })

  const folder = async () => {
    const made = await mkdtemp(join(tmpdir(), 'tidemark-kafka-sink-'))
    folders.push(made)
    return made
  }
  const sinkTo = (topic: string, options: KafkaSinkOptions<number> = {}) =>
    kafka({ brokers: broker.bootstrap }).sink<number>(topic, { ...options, delivery: 'exactly-once' })
  const committed = async (topic: string, prefix: string) => {
    await openTransactions(client, prefix)
    return (await committedValues(broker, topic)).map(Number).sort((left, right) => left - right)
  }

  test('keeps every record of complete checkpoints once over rescaling with transactions pending and others left open', async () => {
    const topic = await newTopic(client, 'rescale', PARTITIONS)
    const job = uniqueName('rescale')
    let pending: readonly Committable[] = []
    let next = 0
    const abandoned: SinkProcess<number>[] = []
    for (const [index, parallelism] of [1, 2, 3, 5, 6, 2, 1, 3, 1].entries()) {
      const process = new SinkProcess(sinkTo(topic), { job, epoch: index + 1, parallelism })
      const results = await process.start(pending)
      for (const { kind } of results) expect(kind).toBe('committed')
      expect(await openTransactions(client, `${job}/`)).toEqual([])
      await process.write(numbers(next, 30))
      pending = await process.prepare()
      expect(pending).toHaveLength(parallelism)
      next += 30
      // Of no checkpoint: pre-committed, and open.
      await process.write(numbers(-1000, 20))
      await process.prepare()
      await process.write(numbers(-2000, 20))
      await delay(30)
      process.abandon()
      abandoned.push(process)
    }
    const last = new SinkProcess(sinkTo(topic), { job, epoch: 99, parallelism: 1 })
    await last.start(pending)
    await last.close()
    for (const process of abandoned) await process.close()
    expect(await committed(topic, `${job}/`)).toEqual(numbers(0, next))
    expect(await openTransactions(client, `${job}/`)).toEqual([])
  })

  test('commits again without harm: in the same process, another one, after its id was used again, and never what was aborted', async () => {
    const topic = await newTopic(client, 'again', PARTITIONS)
    const job = uniqueName('again')
    const first = new SinkProcess(sinkTo(topic), { job, epoch: 1, parallelism: 1 })
    await first.start([])
    await first.write([1, 2, 3])
    const prepared = await first.prepare()
    const kinds = async (process: SinkProcess<number>) =>
      (await process.committer.commit(prepared)).map(({ kind }) => kind)
    expect(await kinds(first)).toEqual(['committed'])
    expect(await kinds(first)).toEqual(['already-committed'])
    const second = new SinkProcess(sinkTo(topic), { job, epoch: 2, parallelism: 1 })
    expect(await kinds(second)).toEqual(['already-committed'])
    const { transactionalId } = fromCommittable(prepared[0]!)!
    await openTransactions(client, `${job}/`)
    await client.initializeProducer(transactionalId, 60_000)
    expect(await kinds(second)).toEqual(['already-committed'])
    await first.write([4])
    const lost = await first.prepare()
    await second.committer.abortOthers()
    const [result] = await second.committer.commit(lost)
    expect(result).toMatchObject({ kind: 'lost', error: { code: 'COMMIT_LOST' } })
    expect(await committed(topic, `${job}/`)).toEqual([1, 2, 3])
    await first.close()
    await second.close()
  })

  test('writes again what the broker has timed out, once, where records are kept; else it is lost by name', async () => {
    const topic = await newTopic(client, 'kept', PARTITIONS)
    const keepUntilCommitted = await folder()
    for (const options of [{ keepUntilCommitted }, {}]) {
      const job = uniqueName('kept')
      const sink = () =>
        sinkTo(topic, { ...options, transactionTimeout: '3s', partition: (record, count) => record % count })
      const first = new SinkProcess(sink(), { job, epoch: 1, parallelism: 2 })
      await first.start([])
      await first.write(numbers(0, 1000))
      const prepared = await first.prepare()
      first.abandon()
      while ((await openTransactions(client, `${job}/`)).length > 0) await delay(100)
      const second = new SinkProcess(sink(), { job, epoch: 2, parallelism: 1 })
      const results = await second.start(prepared)
      const isKept = 'keepUntilCommitted' in options
      expect(results.map(({ kind }) => kind)).toEqual(isKept ? ['committed', 'committed'] : ['lost', 'lost'])
      const again = await second.committer.commit(prepared)
      expect(again.map(({ kind }) => kind)).toEqual(
        isKept ? ['already-committed', 'already-committed'] : ['lost', 'lost'],
      )
      await first.close()
      await second.close()
    }
    expect(await committed(topic, 'kept')).toEqual(numbers(0, 1000))
  })

  test('survives kills of the broker while it writes, in order per partition, with every compression', async () => {
    for (const compression of COMPRESSIONS) {
      const topic = await newTopic(client, compression, PARTITIONS)
      const job = uniqueName('kill')
      const process = new SinkProcess(sinkTo(topic, { compression, batchBytes: 2000 }), {
        job,
        epoch: 1,
        parallelism: 1,
      })
      await process.start([])
      let restart: Promise<void> | null = null
      for (let round = 0; round < 6; round++) {
        await process.write(numbers(round * 2000, 2000))
        if (round === 2 && compression === 'none') restart = broker.restart()
        const prepared = await process.prepare()
        for (let results = await process.committer.commit(prepared); results.some(({ kind }) => kind === 'retry');) {
          await delay(100)
          results = await process.committer.commit(prepared)
          for (const { kind } of results) expect(kind).not.toBe('lost')
        }
        process.notifyCommitted()
      }
      await restart
      await process.close()
      await openTransactions(client, `${job}/`)
      const records = await readCommitted(broker, topic)
      expect(records).toHaveLength(12_000)
      for (let partition = 0; partition < PARTITIONS; partition++) {
        const values = records
          .filter((record) => record.partition === partition)
          .map(({ value }) => Number(value!.toString()))
        expect(values).toEqual([...values].sort((left, right) => left - right))
      }
    }
  })

  test('a job with concurrent checkpoints, failures and restarts in one process writes every record once', async () => {
    const topic = await newTopic(client, 'job', PARTITIONS)
    const name = uniqueName('job')
    const failing = new Set([700, 1700, 2700])
    const job = defineJob(name, (build) => {
      build
        .source('numbers', generate({ create: (index) => index, count: 3000, rate: 3000 }))
        .map((number) => {
          if (failing.delete(number)) throw new Error('as planned')
          return number
        })
        .to('out', sinkTo(topic))
    })
    const checkpoints = {
      checkpointInterval: '50ms',
      maxConcurrentCheckpoints: 2,
      checkpointDir: await folder(),
    } as const
    const restartStrategy = { kind: 'fixed-delay', attempts: 20, delay: '10ms' } as const
    await run(job, { parallelism: 2, ...checkpoints, restartStrategy }).result
    expect(failing.size).toBe(0)
    expect(await committed(topic, `${name}/`)).toEqual(numbers(0, 3000))
    expect(await openTransactions(client, `${name}/`)).toEqual([])
  })

  test('the tool lists and commits what a job has left', async () => {
    const topic = await newTopic(client, 'tool', PARTITIONS)
    const job = uniqueName('tool')
    const process = new SinkProcess(sinkTo(topic), { job, epoch: 1, parallelism: 1 })
    await process.start([])
    await process.write([1, 2])
    const [committable] = await process.prepare()
    process.abandon()
    let out = ''
    const call = (action: string, ...more: readonly string[]) =>
      runKafkaTool({
        argv: ['transactions', action, '--bootstrap', broker.bootstrap, '--job', job, ...more],
        environment: {},
        clock: systemClock,
        write: (text) => void (out += text),
        writeError: (text) => void (out += text),
        readHeld: async () => [{ checkpoint: 1, committable: committable! }],
      })
    expect([await call('list'), out]).toEqual([0, expect.stringMatching(/Ongoing, open for .*held by checkpoint 1/)])
    expect(await call('abort', '--all')).toBe(3)
    expect(await call('commit', '--all')).toBe(0)
    expect(await committed(topic, `${job}/`)).toEqual([1, 2])
    await process.close()
  })
})
