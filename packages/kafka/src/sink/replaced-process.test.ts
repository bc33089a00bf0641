import type { Epoch, RunId } from 'tidemark/connector'
import { describe, expect, test } from 'vitest'
import type { KafkaSinkOptions } from '../options.ts'
import { MemoryCluster } from '../testing/memory-cluster.ts'
import { committerOf, during, memoryConnection, settled, values, WriterRun } from '../testing/sink-kit.ts'
import { OPEN_STATES } from './abort-open.ts'
import { fromCommittable } from './committable.ts'
import { kafkaSink } from './kafka-sink.ts'

function cluster(): MemoryCluster {
  const made = new MemoryCluster({ brokers: 2 })
  made.createTopic('out', 1)
  return made
}

function sinkTo(to: MemoryCluster, options: KafkaSinkOptions<number> = {}) {
  return kafkaSink<number>(memoryConnection(to), 'out', { ...options, delivery: 'exactly-once' })
}

/** Recovers as a process of this epoch, without anything to commit. */
async function takeOver(to: MemoryCluster, epoch: number, run = 'run'): Promise<void> {
  const { committer } = committerOf(to, sinkTo(to), { epoch: epoch as Epoch, run: run as RunId })
  await during(to, committer.abortOthers())
  await settled(to)
}

function open(to: MemoryCluster): readonly string[] {
  return to.transactions.list('', OPEN_STATES).map(({ transactionalId }) => transactionalId)
}

describe('a process that was paused while another one took its place', () => {
  test.each([
    ['which had a transaction open', [1]],
    ['which had none open', []],
  ])('%s begins no other one', async (_what, before) => {
    const to = cluster()
    const paused = await new WriterRun(to, sinkTo(to)).open()
    await paused.write(before)
    await takeOver(to, 2)
    expect(open(to)).toEqual([])
    await paused.write([2])
    const prepared = paused.prepare(1).catch(() => [])
    await during(to, prepared)
    expect(open(to)).toEqual([])
    expect(paused.failures).toMatchObject([{ code: 'SINK_FAILED' }])
    expect(values(to, 'out')).toEqual([])
    await during(to, paused.writer.close?.())
  })

  test('aborts nothing of its successor, and is told that it was replaced', async () => {
    const to = cluster()
    const { committer: paused } = committerOf(to, sinkTo(to))
    await takeOver(to, 2)
    const identity = {
      transactionalId: 'job/sink~run-2-1-0-0',
      ...to.transactions.initializeProducer('job/sink~run-2-1-0-0', 60_000),
    }
    to.transactions.addPartitions(identity, [{ topic: 'out', partition: 0 }])
    await expect(during(to, paused.abortOthers())).rejects.toMatchObject({
      code: 'FENCED',
      message: expect.stringContaining('job/sink~run-2-1-0-0 was begun by epoch 2'),
    })
    expect(open(to)).toEqual([identity.transactionalId])
  })

  test('is shut out by the first process of another run, too', async () => {
    const to = cluster()
    const paused = await new WriterRun(to, sinkTo(to)).open()
    await takeOver(to, 1, 'later')
    await paused.write([1])
    await during(
      to,
      paused.prepare(1).catch(() => []),
    )
    expect(paused.failures).toHaveLength(1)
    await during(to, paused.writer.close?.())
  })
})

describe('whoever takes over', () => {
  test('leaves ids alone whose transactions the restored checkpoint holds: the coordinator still knows what became of them', async () => {
    const to = cluster()
    const run = await new WriterRun(to, sinkTo(to)).open()
    await run.write([1])
    const committables = await run.prepare(1)
    const { transactionalId, producerEpoch } = fromCommittable(committables[0]!)!
    const { committer } = committerOf(to, sinkTo(to), { epoch: 2 as Epoch })
    await during(to, committer.commit(committables))
    await settled(to)
    await during(to, committer.abortOthers())
    expect(to.transactions.describe(transactionalId)).toMatchObject({ state: 'CompleteCommit', producerEpoch })
    await during(to, run.writer.close?.())
  })

  test('shuts out only the newest of those before it, and once: the others were shut out by that one', async () => {
    const to = cluster()
    for (const name of ['1-1-0-0', '3-1-0-0', '3-2-1-0', '4-1-0-0', '9-1-0-0']) {
      to.transactions.initializeProducer(`job/sink~run-${name}`, 60_000)
    }
    to.transactions.initializeProducer('job/sink~other-3-1-0-0', 60_000)
    to.transactions.initializeProducer('job/sinks~run-3-1-0-0', 60_000)
    const { committer } = committerOf(to, sinkTo(to), { epoch: 4 as Epoch })
    await during(to, committer.abortOthers())
    await during(to, committer.abortOthers())
    const epochs = to.transactions
      .list('', [])
      .map(({ transactionalId }) => [transactionalId, to.transactions.describe(transactionalId)!.producerEpoch])
    expect(Object.fromEntries(epochs)).toEqual({
      'job/sink~run-1-1-0-0': 0,
      'job/sink~run-3-1-0-0': 1,
      'job/sink~run-3-2-1-0': 1,
      'job/sink~run-4-1-0-0': 0,
      'job/sink~run-9-1-0-0': 0,
      'job/sink~other-3-1-0-0': 0,
      'job/sinks~run-3-1-0-0': 0,
    })
  })
})
