import type { Delivery } from 'tidemark/connector'
import { checkSinkContract, MemoryFileSystem } from 'tidemark/testing'
import { expect, test } from 'vitest'
import { settled, values } from '../testing/sink-kit.ts'
import { OPEN_STATES } from './abort-open.ts'
import { kafkaSink } from './kafka-sink.ts'
import { MemoryCluster } from '../testing/memory-cluster.ts'
import type { Fault } from '../testing/memory-faults.ts'

const SCENARIOS = { 'exactly-once': 15, 'at-least-once': 6 }

test.each(['exactly-once', 'at-least-once'] as const)(
  'the sink keeps what every %s sink promises',
  async (delivery) => {
    const scenarios = await checkSinkContract<number>({
      environment: async () => {
        const cluster = new MemoryCluster({ brokers: 2 })
        cluster.createTopic('out', 1)
        const connection = { brokers: 'memory', open: () => cluster.client() }
        return {
          create: () =>
            kafkaSink<number, Delivery>(connection, 'out', { delivery, bufferBytes: 2000, batchBytes: 500 }),
          files: new MemoryFileSystem(),
          committed: async () => {
            await settled(cluster)
            return values(cluster, 'out').map(Number)
          },
          leftovers: async () =>
            cluster.transactions.list('', OPEN_STATES).map(({ transactionalId }) => transactionalId),
          disturb: (how) => {
            let end: (() => void) | null = null
            const until = new Promise<void>((resolve) => void (end = resolve))
            const faults: Readonly<Record<typeof how, Fault>> = {
              stalls: { kind: 'held', until },
              fails: { kind: 'lost-request' },
              'loses-answers': { kind: 'lost-response' },
            }
            cluster.faults = () => faults[how]
            return () => {
              cluster.faults = () => null
              end!()
            }
          },
          held: () => cluster.openClients,
        }
      },
      record: (index) => index,
      keepsOrder: true,
      mostWaiting: 500,
    })
    expect(scenarios.length).toBeGreaterThanOrEqual(SCENARIOS[delivery])
  },
)
