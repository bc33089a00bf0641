import { kafka, text } from '@tidemark/kafka'
import { type Collector, collect, defineJob, type JobEvent, type JobHandle, run } from 'tidemark'
import type { Committable } from 'tidemark/connector'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import type { KafkaClient } from '../../packages/kafka/src/client/contract.ts'
import { type BrokerCluster, type PartitionState, startCluster } from './broker-cluster.ts'
import { newTopic, openClient, produce, openTransactions, retrying, uniqueName } from './client-calls.ts'
import { describeWithBroker } from './describe-with-broker.ts'
import { committedValues, readCommitted } from './read-topic.ts'
import { commitAll, SinkProcess } from './sink-process.ts'
import { SourceJobs } from './source-jobs.ts'

const TIMEOUT_MS = 300_000
const PARTITIONS = 6
const WORDS = 50
/** Where the one coordinator of all transactions keeps what it knows. */
const COORDINATION = '__transaction_state'
const numbers = (from: number, count: number) => Array.from({ length: count }, (_, index) => from + index)

describeWithBroker('a cluster of three brokers that lose and get back their places', () => {
  let cluster: BrokerCluster
  let client: KafkaClient
  const jobs = new SourceJobs()

  beforeAll(async () => {
    cluster = await startCluster(3)
    client = openClient(cluster.bootstrap)
    // It is made when somebody asks for a coordinator.
    await retrying(() => client.initializeProducer(uniqueName('first'), 10_000), TIMEOUT_MS)
  }, TIMEOUT_MS)
  afterEach(() => jobs.remove())
  afterAll(async () => {
    await client?.close()
    await cluster?.stop()
  }, TIMEOUT_MS)

  test(
    'job and transactions go on exactly, without a restart, while one of them after the other is killed and leads again after its return',
    async () => {
      const [words, counts, others] = [
        await newTopic(client, 'words', PARTITIONS),
        await newTopic(client, 'counts', PARTITIONS),
        await newTopic(client, 'others', PARTITIONS),
      ]
      const topics = [words, counts, others, COORDINATION]
      const inOrder = async () => {
        for (const topic of topics) await cluster.until(topic, isInOrder)
      }
      await inOrder()
      const job = startCounting(cluster, words, counts, await jobs.folder())
      const feeder = await Feeder.start(cluster, words)
      // The coordinator of all transactions, then one that is only a leader.
      const [coordination] = await cluster.partitions(COORDINATION)
      let written = 0
      for (const victim of coordination!.replicas.slice(0, 2)) {
        await job.completed(2)
        const prefix = uniqueName('others')
        const begin = (name: string, epoch: number, committables: readonly Committable[] = []) =>
          startSink(cluster, others, `${prefix}-${name}`, epoch, committables)
        const next = () => numbers((written += 40) - 40, 40)
        const amidst = await begin('amidst', 1)
        const prepared = await begin('prepared', 1)
        const dying = await begin('dying', 1)
        await amidst.write(next())
        await prepared.write(next())
        await dying.write(next())
        const [before, left] = await Promise.all([prepared.prepare(), dying.prepare()])
        // Of no checkpoint.
        await dying.write(numbers(-40, 40))

        await cluster.broker(victim).kill()
        // Before anybody has taken its place.
        const writing = amidst.write(next()).then(() => amidst.prepare())
        const committing = commitAll(prepared.committer, before)
        dying.abandon()
        const after = await begin('dying', 2, left)
        await committing
        await commitAll(amidst.committer, await writing)
        for (const topic of topics) await cluster.until(topic, ({ leader }) => leader !== victim)
        await job.completed(2)
        await feeder.fedMore(1000)

        await cluster.broker(victim).restart()
        await inOrder()
        for (const process of [amidst, prepared, after]) expect(process.failures).toEqual([])
        for (const process of [amidst, prepared, dying, after]) await process.close()
      }
      const fed = await feeder.stop()
      while (job.collector.records.length < fed) await job.completed(1)
      await job.handle.stop()
      expect(job.events.filter(({ kind }) => kind === 'attempt-failed')).toEqual([])

      expect(await openTransactions(client)).toEqual([])
      const found = new Map<string, number[]>()
      for (const { key, value } of await readCommitted(cluster, counts)) {
        const values = found.get(String(key))
        if (values === undefined) found.set(String(key), [Number(String(value))])
        else values.push(Number(String(value)))
      }
      expect(found.size).toBe(WORDS)
      for (const [word, values] of found) expect(values, word).toEqual(numbers(1, fed / WORDS))
      const values = (await committedValues(cluster, others)).map(Number)
      expect(values.toSorted((left, right) => left - right)).toEqual(numbers(0, written))
    },
    TIMEOUT_MS,
  )

  test(
    'elect a leader that lacks records: the source notices that what it has read is gone, though there are more records again',
    async () => {
      const topic = uniqueName('unclean')
      const config = { 'unclean.leader.election.enable': 'true', 'min.insync.replicas': '1' }
      await client.createTopic(topic, { partitions: PARTITIONS, replicas: 2, config })
      const inOrder = () => Promise.all([topic, COORDINATION].map((each) => cluster.until(each, isInOrder)))
      const [{ partition, replicas }] = (await cluster.until(topic, isInOrder)) as [PartitionState]
      const [leader, follower] = replicas as [number, number]
      const append = (values: readonly string[]) => retrying(() => produce(client, topic, values, { partition }))
      const source = (options: { readonly onOutOfRange?: 'earliest' }) =>
        kafka({ brokers: cluster.bootstrap }).topic(topic, { value: text(), ...options })
      const folder = await jobs.folder()
      await append(['kept'])
      const job = jobs.start(source({}), folder)
      await job.committed(1)
      await cluster.broker(follower).kill()
      await cluster.until(topic, ({ inSync }) => !inSync.includes(follower))
      await append(['lost 1', 'lost 2'])
      await job.committed(3)
      await job.handle.stop()
      // No majority of controllers is left until the one that lacks the records is back.
      await cluster.broker(leader).kill()
      await cluster.broker(follower).restart()
      await cluster.until(topic, (each) => each.partition !== partition || each.leader === follower)
      await append(['new 1', 'new 2', 'new 3'])
      await expect(jobs.start(source({}), folder).handle.result).rejects.toMatchObject({
        code: 'INPUT_LOST',
        message: expect.stringContaining(`${topic}[${partition}]@3: what was read from offset 1 on`),
      })
      const again = jobs.start(source({ onOutOfRange: 'earliest' }), folder)
      await again.committed(3)
      expect(again.collector.records).toEqual(['new 1', 'new 2', 'new 3'])
      await again.handle.stop()
      await cluster.broker(leader).restart()
      await inOrder()
    },
    TIMEOUT_MS,
  )
})

/** All replicas are in sync, and the first of each leads. */
function isInOrder({ leader, replicas, inSync }: PartitionState): boolean {
  return leader === replicas[0] && inSync.length === replicas.length
}

/** Writes words, each as often as the others, a transaction after the other. */
class Feeder {
  private readonly sink: SinkProcess<number>
  private fed = 0
  private isOver = false
  private readonly feeding: Promise<void>

  static async start(cluster: BrokerCluster, topic: string): Promise<Feeder> {
    return new Feeder(await startSink(cluster, topic, uniqueName('feeder'), 1))
  }

  private constructor(sink: SinkProcess<number>) {
    this.sink = sink
    this.feeding = this.feed()
  }

  async fedMore(count: number): Promise<void> {
    const enough = this.fed + count
    while (this.fed < enough) await Promise.race([this.feeding, new Promise((resolve) => void setImmediate(resolve))])
  }

  /** How many it has written. */
  async stop(): Promise<number> {
    this.isOver = true
    await this.feeding
    await this.sink.close()
    return this.fed
  }

  private async feed(): Promise<void> {
    while (!this.isOver) {
      await this.sink.write(Array.from({ length: 500 }, (_, index) => index % WORDS))
      await commitAll(this.sink.committer, await this.sink.prepare())
      this.sink.notifyCommitted()
      this.fed += 500
    }
  }
}

async function startSink(
  cluster: BrokerCluster,
  topic: string,
  transactionalIdPrefix: string,
  epoch: number,
  committables: readonly Committable[] = [],
): Promise<SinkProcess<number>> {
  const sink = kafka({ brokers: cluster.bootstrap }).sink<number>(topic, {
    transactionalIdPrefix,
    delivery: 'exactly-once',
    key: String,
  })
  const process = new SinkProcess(sink, { job: transactionalIdPrefix, epoch, parallelism: 2 })
  await process.start(committables)
  return process
}

interface CountingJob {
  readonly handle: JobHandle
  readonly collector: Collector<readonly [string, number]>
  readonly events: readonly JobEvent[]
  /** Waits for so many more checkpoints. */
  readonly completed: (count: number) => Promise<void>
}

function startCounting(cluster: BrokerCluster, words: string, counts: string, checkpointDir: string): CountingJob {
  const collector = collect<readonly [string, number]>()
  const connection = kafka({ brokers: cluster.bootstrap })
  const job = defineJob(uniqueName('counting'), (build) => {
    const counted = build
      .source('words', connection.topic(words, { value: text() }))
      .keyBy((word) => word)
      .runningCount('counts')
    counted.to('out', connection.sink(counts, { key: ([word]) => word, value: ([, count]) => count }))
    counted.to('seen', collector)
  })
  const handle = run(job, { checkpointDir, checkpointInterval: '200ms', parallelism: 2, restartStrategy: 'none' })
  const events: JobEvent[] = []
  handle.on((event) => void events.push(event))
  const completed = (count: number): Promise<void> =>
    new Promise((resolve, reject) => {
      let rest = count
      handle.on(({ kind }) => {
        if (kind === 'checkpoint-completed' && --rest === 0) resolve()
      })
      handle.result.then(() => reject(new Error('the job has ended')), reject)
    })
  return { handle, collector, events, completed }
}
