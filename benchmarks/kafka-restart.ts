/**
 * How long is a job silent whose process is killed? It counts records of a topic into another one, exactly once, with a checkpoint each second; it is killed with SIGKILL while records keep coming, and
 * started again at once by the same command. From the kill to the first record that the new process takes in, and to the first count of a record of after the kill that a reader
 * that honours commits sees. Beside it, once, Kafka Streams.
 * npm run bench:kafka-restart [-- --kills 5 --no-kafka-streams --trace]
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { createRecordCursor } from '../packages/kafka/src/records/record-cursor.ts'
import { startBroker } from '../test/kafka/broker.ts'
import { openClient } from '../test/kafka/client-calls.ts'
import { TopicFeeder } from '../test/kafka/topic-feeder.ts'
import { JavaPeer } from './harness/java-peer.ts'
import { median } from './harness/statistics.ts'
import { ROOT } from './harness/root.ts'
import { jobFile, numberArgument } from './harness/subjects.ts'
import { seeded } from './harness/words-file.ts'

const kills = numberArgument('kills', 5)
const PARTITIONS = 2
const KEYS = 1000
const RECORDS_PER_APPEND = 100
const APPEND_EVERY_MS = 10
const POLL_MS = 5
const random = seeded(1)

const broker = await startBroker({ isMeasured: true })
const feeder = new TopicFeeder(broker.bootstrap)
const folder = await mkdtemp(join(tmpdir(), 'bench-restart-'))
const firstRecords = join(folder, 'first-records')
/** Ends what goes on beside the jobs. */
const over = new AbortController()

async function feed(): Promise<void> {
  while (!over.signal.aborted) {
    const records = Array.from({ length: RECORDS_PER_APPEND }, () => {
      const key = `key-${Math.floor(random() * KEYS)}`
      return { key, value: 'x'.repeat(100 - key.length) }
    })
    await feeder.append('input', records)
    await delay(APPEND_EVERY_MS)
  }
}

/** Follows what a topic shows to readers that honour commits, and tells when it first showed something newer than a time. */
class Watcher {
  private readonly client = openClient(broker.bootstrap)
  private newestMs = 0
  private readonly topic: string

  constructor(topic: string) {
    this.topic = topic
  }

  async run(): Promise<void> {
    const [found] = await this.client.topics([this.topic])
    const offsets = new Map<number, number>(found!.partitions.map(({ partition }) => [partition, 0]))
    const cursor = createRecordCursor()
    while (!over.signal.aborted) {
      const { leader } = found!.partitions[0]!
      const fetched = await this.client.fetch(leader!, {
        isolation: 'committed',
        maxWaitMs: 100,
        maxBytes: 1 << 24,
        partitions: found!.partitions.map(({ partition, leaderEpoch }) => {
          const place = { topic: this.topic, topicId: found!.id, partition, leaderEpoch }
          return { ...place, offset: offsets.get(partition)!, maxBytes: 1 << 23 }
        }),
      })
      for (const { partition, records, abortedTransactions } of fetched) {
        cursor.load(records)
        while (cursor.nextBatch()) {
          const { producerId, lastOffset, control, maxTimestampMs } = cursor.batch
          offsets.set(partition, lastOffset + 1)
          // Of a producer that was killed; what it had committed was seen before.
          if (abortedTransactions.some((aborted) => aborted.producerId === producerId)) continue
          if (control === null) this.newestMs = Math.max(this.newestMs, maxTimestampMs)
        }
      }
    }
    await this.client.close()
  }

  async sees(timeMs: number): Promise<number> {
    while (this.newestMs <= timeMs) await delay(POLL_MS)
    return Date.now()
  }
}

/** A process that lives until it is killed; its lines of output as they come. */
class Victim {
  private readonly child: ChildProcess
  private readonly lines: string[] = []
  private readonly exited: Promise<void>
  private rest = ''

  constructor(argv: readonly string[], env: Readonly<Record<string, string>> = {}) {
    const [command = '', ...args] = argv
    this.child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'inherit'] })
    this.child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      const lines = (this.rest + text).split('\n')
      this.rest = lines.pop()!
      this.lines.push(...lines)
      if (process.argv.includes('--trace')) for (const line of lines) console.log(Date.now(), line.slice(0, 200))
    })
    this.exited = new Promise((resolve) => void this.child.on('exit', () => resolve()))
  }

  async told(text: string, count: number): Promise<void> {
    while (this.lines.filter((line) => line.includes(text)).length < count) {
      if (this.child.exitCode !== null) throw new Error(`it ended by itself:\n${this.lines.join('\n')}`)
      await delay(POLL_MS)
    }
  }

  /** The time of the kill. */
  async kill(): Promise<number> {
    const killedAt = Date.now()
    this.child.kill('SIGKILL')
    await this.exited
    return killedAt
  }

  /** The time that the first line of this form tells. */
  async first(): Promise<number> {
    await this.told('"first":', 1)
    return (JSON.parse(this.lines.find((line) => line.includes('"first":'))!) as { first: number }).first
  }
}

async function firstRecordAt(): Promise<number> {
  for (;;) {
    const times = (await readFile(firstRecords, 'utf8')).split('\n').filter(Boolean).map(Number)
    if (times.length > 0) return Math.min(...times)
    await delay(POLL_MS)
  }
}

function startTidemark(): Victim {
  const options = ['--parallelism', '2', '--workers', '2', '--checkpoint-interval', '1s', '--checkpoint-dir']
  const own = ['--brokers', broker.bootstrap, '--output', 'output', '--unbounded']
  const command = [process.execPath, join(ROOT, 'packages/tidemark/bin/tidemark.js'), 'run', jobFile('kafka-count')]
  return new Victim([...command, ...options, join(folder, 'checkpoints'), '--json', '--', ...own], {
    STOPWATCH_FIRST_RECORDS: firstRecords,
  })
}

async function measureTidemark(): Promise<void> {
  const watcher = new Watcher('output')
  const watching = watcher.run()
  await writeFile(firstRecords, '')
  let victim = startTidemark()
  const silences: number[] = []
  const invisibles: number[] = []
  for (let kill = 0; kill < kills; kill++) {
    await victim.told('checkpoint-completed', 2)
    await delay(random() * 1000)
    await writeFile(firstRecords, '')
    const killedAt = await victim.kill()
    victim = startTidemark()
    silences.push((await firstRecordAt()) - killedAt)
    invisibles.push((await watcher.sees(killedAt)) - killedAt)
    console.log(
      `kill ${kill + 1}: first record after ${silences.at(-1)} ms, first committed after ${invisibles.at(-1)} ms`,
    )
  }
  await victim.kill()
  console.log(`tidemark p=2: first record ${described(silences)}, first committed ${described(invisibles)}`)
  over.abort()
  await watching
}

function described(times: readonly number[]): string {
  return `${median(times).toFixed(0)} ms [${Math.min(...times)} … ${Math.max(...times)}]`
}

async function measureStreams(): Promise<void> {
  const peer = new JavaPeer('kafka-streams', 'bench.StreamsPeer')
  if (!peer.isReady()) return
  const start = () => {
    const topics = ['--bootstrap', broker.bootstrap, '--input', 'input', '--output', 'streams-output']
    const own = ['--application', 'restart', '--records', '1000000000', '--state', join(folder, 'streams')]
    return new Victim([...peer.command(), ...topics, ...own])
  }
  let victim = start()
  await victim.first()
  // Some commits, one a second.
  await delay(4000)
  const killedAt = await victim.kill()
  victim = start()
  console.log(
    `Kafka Streams exactly_once_v2, 2 threads: first record ${(await victim.first()) - killedAt} ms (one kill)`,
  )
  await victim.kill()
}

try {
  for (const topic of ['input', 'output', 'streams-output']) await feeder.createTopic(topic, PARTITIONS)
  const feeding = feed()
  await measureStreams()
  await measureTidemark()
  await feeding
} finally {
  over.abort()
  await feeder.close()
  await broker.stop()
  await rm(folder, { recursive: true, force: true })
}
