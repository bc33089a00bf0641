import type { Delivery } from 'tidemark/connector'
import { checkSinkContract, MemoryFileSystem } from 'tidemark/testing'
import { expect, test } from 'vitest'
import { settled, values } from '../testing/sink-kit.ts'
import { OPEN_STATES } from './abort-open.ts'
import { kafkaSink } from './kafka-sink.ts'
import { MemoryCluster } from '../testing/memory-cluster.ts'

test.each(['exactly-once', 'at-least-once'] as const)(
  'the sink keeps what every %s sink promises',
  async (delivery) => {
    const scenarios = await checkSinkContract<number>({
      environment: async () => {
        const cluster = new MemoryCluster({ brokers: 2 })
        cluster.createTopic('out', 3)
        return {
          create: () =>
            kafkaSink<number, Delivery>({ brokers: 'memory', open: () => cluster.client() }, 'out', { delivery }),
          files: new MemoryFileSystem(),
          committed: async () => {
            await settled(cluster)
            return values(cluster, 'out').map(Number)
          },
          leftovers: async () =>
            cluster.transactions.list('', OPEN_STATES).map(({ transactionalId }) => transactionalId),
        }
      },
      record: (index) => index,
    })
    expect(scenarios.length).toBeGreaterThan(0)
  },
)
