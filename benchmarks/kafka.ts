/**
 * How fast are records of 100 bytes read from Kafka, written to Kafka, and counted from Kafka to Kafka, exactly once with a checkpoint each second, with a broker on the same machine?
 * npm run bench:kafka [-- --rounds 3 --records 2000000 --keys 1000 --only reading|writing|counting --no-kafka-streams --no-flink-kafka --no-kafkajs]
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { startBroker } from '../test/kafka/broker.ts'
import { TopicFeeder } from '../test/kafka/topic-feeder.ts'
import { compare, type Subject } from './harness/compare.ts'
import { JavaPeer } from './harness/java-peer.ts'
import { measure } from './harness/measure.ts'
import { ROOT } from './harness/root.ts'
import { jobFile, numberArgument, runTidemark } from './harness/subjects.ts'
import { seeded } from './harness/words-file.ts'

const rounds = numberArgument('rounds', 3)
const records = numberArgument('records', 2_000_000)
const keys = numberArgument('keys', 1000)
const PARTITIONS = 2
const RECORDS_PER_APPEND = 100_000
const units = { count: records, name: 'records' }

const broker = await startBroker({ isMeasured: true })
const feeder = new TopicFeeder(broker.bootstrap)
let topics = 0

/** Whether `--only` names this part, or none. */
function isWanted(part: string): boolean {
  const index = process.argv.indexOf('--only')
  return index === -1 || process.argv[index + 1] === part
}

async function newTopic(): Promise<string> {
  const topic = `output-${++topics}`
  await feeder.createTopic(topic, PARTITIONS)
  return topic
}

function tidemark(
  name: string,
  job: string,
  parallelism: number,
  jobArguments: () => Promise<readonly string[]>,
): Subject {
  return {
    name,
    run: async () =>
      runTidemark({
        job: jobFile(job),
        parallelism,
        workers: parallelism,
        checkpointInterval: '1s',
        counted: records,
        jobArguments: ['--brokers', broker.bootstrap, ...(await jobArguments())],
      }),
  }
}

/** Null, said loudly, where it cannot be installed. */
async function kafkaJs(): Promise<((mode: string, topic: () => Promise<string>) => Subject) | null> {
  if (process.argv.includes('--no-kafkajs')) return null
  const folder = join(ROOT, 'node_modules/.cache/kafkajs-peer')
  const path = join(folder, 'node_modules/kafkajs')
  if (!existsSync(path)) {
    await mkdir(folder, { recursive: true })
    const install = ['install', '--silent', '--no-save', '--prefix', folder, 'kafkajs@2.2.4']
    const { status } = spawnSync('npm', install, { stdio: 'inherit' })
    if (status !== 0) {
      console.log('Without kafkajs: it could not be installed.')
      return null
    }
  }
  return (mode, topic) => ({
    name: 'kafkajs',
    async run() {
      const program = join(ROOT, 'benchmarks/peers/kafkajs.mjs')
      const argv = [process.execPath, program, path, mode, broker.bootstrap, await topic(), `${records}`]
      const { stdout, peakRssMegabytes } = await measure({ argv })
      return { ...(JSON.parse(stdout) as { seconds: number; cpuSeconds: number }), peakRssMegabytes }
    },
  })
}

try {
  await feeder.createTopic('input', PARTITIONS)
  const random = seeded(1)
  for (let fed = 0; fed < records; fed += RECORDS_PER_APPEND) {
    const batch = Array.from({ length: Math.min(RECORDS_PER_APPEND, records - fed) }, () => {
      const key = `key-${Math.floor(random() * keys)}`
      return { key, value: 'x'.repeat(100 - key.length) }
    })
    await feeder.append('input', batch)
  }
  const kafkajs = await kafkaJs()
  if (isWanted('reading'))
    await compare({
      title: `reading ${records / 1e6} M records of 100 bytes`,
      units,
      subjects: [
        tidemark('tidemark p=1', 'kafka-read', 1, async () => ['--topic', 'input']),
        tidemark('tidemark p=2', 'kafka-read', 2, async () => ['--topic', 'input']),
        ...(kafkajs === null ? [] : [kafkajs('read', async () => 'input')]),
      ],
      rounds,
    })
  const write = (delivery: string) =>
    tidemark(`tidemark p=1 ${delivery}`, 'kafka-write', 1, async () =>
      ['--topic', await newTopic(), '--delivery', delivery].concat(['--records', `${records}`]),
    )
  if (isWanted('writing'))
    await compare({
      title: `writing ${records / 1e6} M records of 100 bytes`,
      units,
      subjects: [
        write('exactly-once'),
        write('at-least-once'),
        ...(kafkajs === null ? [] : [kafkajs('write', newTopic)]),
      ],
      rounds,
    })
  const streams = new JavaPeer('kafka-streams', 'bench.StreamsPeer')
  const flink = new JavaPeer('flink-kafka', 'bench.KafkaPeer')
  const kafkaStreams = (store: 'rocksdb' | 'memory', commitIntervalMs: string): Subject => ({
    name: `Kafka Streams exactly_once_v2, 2 threads, ${store}, a commit each ${commitIntervalMs} ms`,
    async run() {
      const own = [
        '--application',
        `count-${++topics}`,
        '--records',
        `${records}`,
        '--commit-interval',
        commitIntervalMs,
        '--store',
        store,
      ]
      return streams.run(records, '--state', ...(await between()), ...own)
    },
  })
  const between = async () => ['--bootstrap', broker.bootstrap, '--input', 'input', '--output', await newTopic()]
  if (isWanted('counting'))
    await compare({
      title: `counting ${records / 1e6} M records by ${keys} keys, Kafka to Kafka, exactly once`,
      units,
      subjects: [
        tidemark('tidemark p=2', 'kafka-count', 2, async () => ['--input', 'input', '--output', await newTopic()]),
        ...(streams.isReady()
          ? // Its defaults are rocksdb and 100 ms.
            [
              kafkaStreams('rocksdb', '1000'),
              kafkaStreams('rocksdb', '100'),
              kafkaStreams('memory', '1000'),
              kafkaStreams('memory', '100'),
            ]
          : []),
        ...(flink.isReady()
          ? [
              {
                name: 'Flink p=2',
                run: async () => flink.run(records, '--checkpoints', ...(await between())),
              },
            ]
          : []),
      ],
      rounds,
    })
} finally {
  await feeder.close()
  await broker.stop()
}
