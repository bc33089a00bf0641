import fc from 'fast-check'
import type { Source } from 'tidemark/connector'
import { checkSourceContract, MemoryFileSystem, SeededRandom } from 'tidemark/testing'
import { describe, expect, it } from 'vitest'
import type { TopicPartition } from '../client/contract.ts'
import { text } from '../codecs/text.ts'
import type { TopicOptions } from '../options.ts'
import { createRecordCursor } from '../records/record-cursor.ts'
import { MemoryCluster } from '../testing/memory-cluster.ts'
import type { Call, Fault } from '../testing/memory-faults.ts'
import { committedValues, fillLog } from '../testing/random-logs.ts'
import { kafkaSource } from './kafka-source.ts'
import { sourceSettings } from './source-settings.ts'

const TOPICS = ['orders', 'returns']

describe('a bounded Kafka source over random logs', () => {
  it('emits exactly the committed records, each partition in its order, from every position, whatever goes wrong on the way', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), async (seed) => {
        const random = new SeededRandom(seed)
        const cluster = randomCluster(random)
        const expected = committedValues(cluster, TOPICS)
        makeTrouble(cluster, random)
        const options = { stop: 'latest', fetchAheadBytes: random.integer(1, 6000) } as const
        const records = await checkSourceContract({
          create: () => textSource(cluster, options),
          files: new MemoryFileSystem(),
          random,
          positions: 5,
        })
        expect([...records].sort()).toEqual([...expected].sort())
        expect(byPartition(records)).toEqual(byPartition(expected))
        expect(cluster.openClients).toEqual([])
      }),
      { numRuns: 60 },
    )
  })
})

function randomCluster(random: SeededRandom): MemoryCluster {
  const cluster = new MemoryCluster({ brokers: random.integer(1, 3) })
  for (const topic of TOPICS) {
    cluster.createTopic(topic, random.integer(1, 4))
    for (const [partition, log] of cluster.topic(topic).partitions.entries()) {
      fillLog(random, log, `${topic}[${partition}]`, random.integer(0, 25))
    }
  }
  return cluster
}

/** Leaders move and requests fail, in waves of fewer requests than a start tries again before it gives up. */
function makeTrouble(cluster: MemoryCluster, random: SeededRandom): void {
  cluster.faults = ({ operation, number, arguments: args }: Call): Fault | null => {
    if (number % 20 > 7) return null
    if (random.chance(0.1)) moveLeader(cluster, random)
    if (random.chance(0.05)) return { kind: 'lost-request' }
    if (random.chance(0.05)) return { kind: 'lost-response' }
    if (operation === 'offsets' && random.chance(0.3)) {
      const [requests] = args as readonly [readonly TopicPartition[]]
      return { kind: 'refused', code: 'NOT_LEADER_OR_FOLLOWER', partitions: [random.pick(requests)] }
    }
    if (operation !== 'fetch' || !random.chance(0.1)) return null
    const [request] = args as readonly [{ readonly partitions: readonly TopicPartition[] }]
    const codes = ['NOT_LEADER_OR_FOLLOWER', 'UNKNOWN_TOPIC_ID', 'UNKNOWN_LEADER_EPOCH', 'KAFKA_STORAGE_ERROR'] as const
    return { kind: 'refused', code: random.pick(codes), partitions: [random.pick(request.partitions)] }
  }
}

function moveLeader(cluster: MemoryCluster, random: SeededRandom): void {
  const topic = random.pick(TOPICS)
  const partition = random.integer(0, cluster.topic(topic).partitions.length - 1)
  cluster.moveLeader(topic, partition, random.pick([...cluster.brokers]))
}

function textSource(cluster: MemoryCluster, options: TopicOptions<string>): Source<string> {
  return kafkaSource({
    settings: sourceSettings(TOPICS, options, 'topic'),
    connection: { brokers: 'memory', open: () => cluster.client() },
    format: { value: text(), key: null },
    createCursor: createRecordCursor,
  })
}

function byPartition(values: readonly string[]): Readonly<Record<string, readonly string[]>> {
  const partitions: Record<string, string[]> = {}
  for (const value of values) (partitions[value.slice(0, value.indexOf('@'))] ??= []).push(value)
  return partitions
}
