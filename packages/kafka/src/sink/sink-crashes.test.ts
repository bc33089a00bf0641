import fc from 'fast-check'
import { type Delivery, isTidemarkError } from 'tidemark/connector'
import { MemoryFileSystem, SeededRandom } from 'tidemark/testing'
import { describe, expect, test } from 'vitest'
import { MemoryCluster } from '../testing/memory-cluster.ts'
import type { FailureCode } from '../testing/memory-failure.ts'
import type { Call, Fault } from '../testing/memory-faults.ts'
import { AttemptFailed, Killed, SinkEngine } from '../testing/sink-engine.ts'
import { settled, values } from '../testing/sink-kit.ts'
import { OPEN_STATES } from './abort-open.ts'
import { kafkaSink } from './kafka-sink.ts'

const PARTITIONS = 3
const TRANSIENT: readonly FailureCode[] = [
  'NOT_LEADER_OR_FOLLOWER',
  'COORDINATOR_LOAD_IN_PROGRESS',
  'NOT_COORDINATOR',
  'CONCURRENT_TRANSACTIONS',
  'TIMEOUT',
  'LEADER_NOT_AVAILABLE',
  'NOT_ENOUGH_REPLICAS',
]

/** A job's life with whatever can happen to it, from one number. */
class RandomLife {
  readonly cluster = new MemoryCluster({ brokers: 2 })
  readonly engine: SinkEngine
  restarts = 0
  private readonly random: SeededRandom
  private readonly isKept: boolean
  private callsUntilKill: number
  private isCalm = false

  constructor(seed: number, delivery: 'exactly-once' | 'at-least-once', isKept = false) {
    this.random = new SeededRandom(seed)
    this.isKept = isKept
    const { random, cluster } = this
    cluster.createTopic('out', PARTITIONS)
    this.callsUntilKill = random.integer(1, 60)
    cluster.faults = (call) => this.fault(call)
    const files = new MemoryFileSystem()
    this.engine = new SinkEngine({
      cluster,
      files,
      random,
      createSink: (connection) =>
        kafkaSink<number, Delivery>(connection, 'out', {
          delivery,
          // A few records fill a batch, a few batches the buffer.
          batchBytes: 90,
          bufferBytes: 400,
          ...(isKept ? { keepUntilCommitted: 'kept' } : {}),
        }),
    })
  }

  async live(steps: number): Promise<void> {
    await this.surviving(() => this.start())
    for (let step = 0; step < steps; step++) await this.surviving(() => this.step())
    this.isCalm = true
    await this.surviving(() => this.engine.finish())
    await settled(this.cluster)
  }

  private async step(): Promise<void> {
    const { random, engine, cluster } = this
    await engine.write(random.integer(0, 20))
    const kind = random.integer(0, 9)
    if (kind <= 4) {
      await engine.barrier().complete()
      if (random.chance(0.7)) await engine.commit()
    } else if (kind <= 6) {
      // Two checkpoints under way; the first may come to nothing, and leaves its transactions to the second.
      const first = engine.barrier()
      await engine.write(random.integer(0, 10))
      const second = engine.barrier()
      if (random.chance(0.5)) await first.complete()
      await second.complete()
      await engine.commit()
    } else if (kind === 7) await engine.startAttempt()
    else if (kind === 8) cluster.moveLeader('out', random.integer(0, PARTITIONS - 1), random.integer(1, 2))
    else await this.restart()
  }

  private async start(): Promise<void> {
    // Down for longer than brokers keep a transaction open.
    if (this.isKept && this.random.chance(0.5)) this.cluster.advance(16 * 60_000)
    await this.engine.startProcess(this.random.integer(1, 3))
  }

  private async restart(): Promise<void> {
    this.restarts++
    this.engine.kill(this.random.chance(0.5) ? 'arrive' : 'lost')
    await this.start()
  }

  /** What a supervisor does: begin again, in the process or with another one, until the step has come to its end. */
  private async surviving(act: () => Promise<void>): Promise<void> {
    let next = act
    for (let tries = 0; tries < 50; tries++) {
      try {
        await next()
        return
      } catch (error) {
        if (error instanceof Killed) {
          this.restarts++
          this.callsUntilKill = this.random.integer(1, 300)
          next = () => this.start()
        } else if (error instanceof AttemptFailed) next = () => this.engine.startAttempt()
        else if (isTidemarkError(error) && error.isRetryable) next = () => this.restart()
        else throw error
        if (this.isCalm) {
          const begin = next
          next = async () => {
            await begin()
            await this.engine.finish()
          }
        }
      }
    }
    throw new Error('the job does not get up any more')
  }

  private fault(_call: Call): Fault | null {
    const { random } = this
    if (this.isCalm) return null
    if (--this.callsUntilKill === 0) {
      this.engine.kill(random.chance(0.5) ? 'arrive' : 'lost')
      return null
    }
    if (!random.chance(0.12)) return null
    const kind = random.integer(0, 2)
    if (kind === 0) return { kind: 'lost-request' }
    if (kind === 1) return { kind: 'lost-response' }
    return { kind: 'refused', code: TRANSIENT[random.integer(0, TRANSIENT.length - 1)]! }
  }
}

describe('whatever happens to brokers, connections, attempts and processes', () => {
  test(
    'a reader that honours commits sees every record exactly once, and no transaction stays open',
    { timeout: 300_000 },
    async () => {
      await fc.assert(
        fc.asyncProperty(fc.integer(), async (seed) => {
          const life = new RandomLife(seed, 'exactly-once')
          await life.live(15)
          expect(numbers(life)).toEqual(Array.from({ length: life.engine.position }, (_, index) => index))
          expect(life.cluster.transactions.list('', OPEN_STATES)).toEqual([])
          expect(life.cluster.openClients).toEqual([])
        }),
        { numRuns: Number(process.env['KAFKA_SINK_RUNS'] ?? 60) },
      )
    },
  )

  test(
    'a job that keeps its records until they are committed survives also transactions that brokers time out',
    { timeout: 300_000 },
    async () => {
      await fc.assert(
        fc.asyncProperty(fc.integer(), async (seed) => {
          const life = new RandomLife(seed, 'exactly-once', true)
          await life.live(15)
          expect(numbers(life)).toEqual(Array.from({ length: life.engine.position }, (_, index) => index))
          expect(life.cluster.transactions.list('', OPEN_STATES)).toEqual([])
        }),
        { numRuns: Number(process.env['KAFKA_SINK_RUNS'] ?? 60) },
      )
    },
  )

  test('at least once loses nothing', { timeout: 300_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), async (seed) => {
        const life = new RandomLife(seed, 'at-least-once')
        await life.live(15)
        // More than that may be there: of times before a restart.
        const found = [...new Set(numbers(life))].filter((number) => number < life.engine.position)
        expect(found).toEqual(Array.from({ length: life.engine.position }, (_, index) => index))
      }),
      { numRuns: Number(process.env['KAFKA_SINK_RUNS'] ?? 40) },
    )
  })
})

function numbers({ cluster }: RandomLife): readonly number[] {
  return values(cluster, 'out')
    .map(Number)
    .sort((left, right) => left - right)
}
