import { type CheckpointId } from 'tidemark/connector'
import { expect, test } from 'vitest'
import { TransactionPool } from './transaction-pool.ts'

const checkpoint = (number: number) => number as CheckpointId

function pool() {
  const epochs = new Map<string, number>()
  return new TransactionPool({
    name: (slot) => `t${slot}`,
    initialize: async (transactionalId) => {
      const producerEpoch = (epochs.get(transactionalId) ?? -1) + 1
      epochs.set(transactionalId, producerEpoch)
      return { producerId: 1n, producerEpoch }
    },
  })
}

test('an id comes back only when a checkpoint whose barrier came after its confirmation is confirmed', async () => {
  const ids = pool()
  const first = await ids.take()
  ids.onBarrier(checkpoint(1))
  ids.onPrepared(checkpoint(1), first)
  // Checkpoint 2 is under way when 1 is confirmed: its manifest may hold the transaction still.
  ids.onBarrier(checkpoint(2))
  ids.onCommitted(checkpoint(1))
  ids.onCommitted(checkpoint(2))
  const taken = [await ids.take(), await ids.take(), await ids.take()].map(({ transactionalId }) => transactionalId)
  expect(taken).not.toContain(first.transactionalId)
  ids.onBarrier(checkpoint(3))
  ids.onCommitted(checkpoint(3))
  await ids.take()
  const again = await ids.take()
  expect(again).toEqual({ ...first, producerEpoch: first.producerEpoch + 1 })
})

test('a job that goes on for ever needs a handful of ids', async () => {
  const ids = pool()
  for (let number = 1; number <= 1000; number++) {
    const transaction = await ids.take()
    ids.onBarrier(checkpoint(number))
    ids.onPrepared(checkpoint(number), transaction)
    if (number > 2) ids.onCommitted(checkpoint(number - 2))
  }
  expect(ids.size).toBeLessThan(10)
})

test('no two transactions have the same id and epoch', async () => {
  const ids = pool()
  const seen = new Set<string>()
  for (let number = 1; number <= 200; number++) {
    const { transactionalId, producerEpoch } = await ids.take()
    expect(seen).not.toContain(`${transactionalId} ${producerEpoch}`)
    seen.add(`${transactionalId} ${producerEpoch}`)
    ids.onBarrier(checkpoint(number))
    ids.onPrepared(checkpoint(number), { transactionalId, producerId: 1n, producerEpoch })
    ids.onCommitted(checkpoint(number))
  }
})
