import { beforeEach, describe, expect, it } from 'vitest'
import { fixture, run, slowly, useCluster } from '../testing/source-fixture.ts'

useCluster()

describe('new partitions and topics', () => {
  it('are found while the job runs, read from their first record, and given to the reader that has the fewest', async () => {
    const kit = await run({ start: 'latest', discoveryInterval: '10s' }, { parallelism: 3 })
    fixture.cluster.addPartitions('orders', 2)
    for (const partition of [2, 3]) fixture.cluster.append('orders', partition, [{ value: `${partition}@0` }])
    await kit.advance(10_000)
    expect(kit.records.sort()).toEqual(['2@0', '3@0'])
    expect([0, 1, 2].map((subtask) => kit.splitsOf(subtask).map(({ id }) => id.slice(0, 9)))).toEqual([
      ['orders[0]', 'orders[3]'],
      ['orders[1]'],
      ['orders[2]'],
    ])
  })

  it('are found by a job that starts again, which does not read the others twice', async () => {
    fixture.cluster.append('orders', 0, [{ value: 'old' }])
    const first = await run({ start: 'latest' })
    const checkpoint = first.snapshot()
    fixture.cluster.addPartitions('orders', 1)
    fixture.cluster.append('orders', 2, [{ value: 'new' }])
    const second = await run({ start: 'latest' }, { restored: checkpoint, parallelism: 2 })
    expect(second.records).toEqual(['new'])
  })

  it('by a pattern: whole names, no internal topics, those that come later, too', async () => {
    for (const name of ['orders-2', 'old-orders', '__orders']) {
      fixture.cluster.createTopic(name, 1)
      fixture.cluster.append(name, 0, [{ value: name }])
    }
    const kit = await run({ discoveryInterval: '10s' }, {}, /(__)?orders.*/g)
    expect(kit.records).toEqual(['orders-2'])
    fixture.cluster.createTopic('orders-3', 1)
    fixture.cluster.append('orders-3', 0, [{ value: 'orders-3' }])
    await kit.advance(10_000)
    expect(kit.records).toEqual(['orders-2', 'orders-3'])
  })

  it('are looked for again when that failed, which people are told', async () => {
    const kit = await run({ discoveryInterval: '10s' })
    fixture.cluster.addPartitions('orders', 1)
    fixture.cluster.append('orders', 2, [{ value: 'new' }])
    fixture.cluster.inject('topics', { kind: 'lost-request' })
    await kit.advance(10_000)
    expect(kit.records).toEqual([])
    expect(kit.warnings).toEqual([expect.stringContaining('looking for new partitions failed')])
    await kit.advance(10_000)
    expect(kit.records).toEqual(['new'])
  })

  it('are waited for where a pattern matches nothing yet, but not by a source that ends', async () => {
    const clock = slowly()
    const kit = await run({ discoveryInterval: '10s' }, { clock }, /payments/)
    expect(kit.warnings).toEqual([expect.stringContaining('no topic matches yet')])
    await expect(run({ stop: 'latest' }, { clock: slowly() }, /payments/)).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringContaining('no topic matches /^(?:payments)$/'),
    })
  })

  it('that do not exist are an error by their names', async () => {
    await expect(run({}, { clock: slowly() }, ['orders', 'payments'])).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      message: 'source source: topic payments does not exist (brokers memory:9092)',
    })
  })

  it('no longer selected are forgotten, aloud', async () => {
    fixture.cluster.createTopic('returns', 1)
    const first = await run({}, {}, ['orders', 'returns'])
    const second = await run({}, { restored: first.snapshot() }, 'orders')
    fixture.cluster.append('returns', 0, [{ value: 'returned' }])
    await second.settle()
    expect(second.records).toEqual([])
    expect(second.warnings).toEqual([expect.stringContaining('topic returns is no longer selected')])
    expect(second.snapshot().splits.map(({ topic }) => topic)).toEqual(['orders', 'orders'])
  })
})

describe('a topic that was deleted', () => {
  beforeEach(() => void fixture.cluster.append('orders', 0, [{ value: 'a' }, { value: 'b' }, { value: 'c' }]))

  it.each([false, true])('fails the source (made again: %s)', async (isMadeAgain) => {
    const kit = await run({})
    fixture.cluster.deleteTopic('orders')
    if (isMadeAgain) {
      fixture.cluster.createTopic('orders', 2)
      fixture.cluster.append('orders', 0, [{ value: 'new' }, { value: 'new' }, { value: 'new' }, { value: 'new' }])
    }
    await expect(kit.advance(10_000)).rejects.toMatchObject({
      code: 'INPUT_LOST',
      message: isMadeAgain ? expect.stringContaining('made again') : 'topic orders was deleted',
    })
    expect(kit.records).toEqual(['a', 'b', 'c'])
  })

  it('fails a job that starts again on its old positions', async () => {
    const kit = await run({})
    const restored = kit.snapshot()
    fixture.cluster.deleteTopic('orders')
    fixture.cluster.createTopic('orders', 2)
    await expect(run({}, { restored })).rejects.toMatchObject({ code: 'INPUT_LOST' })
  })

  it('ends its partitions where that is allowed; one made again is a new one', async () => {
    const kit = await run({ onDeletedTopic: 'end', discoveryInterval: '10s' })
    fixture.cluster.deleteTopic('orders')
    await kit.advance(10_000)
    expect(kit.snapshot().splits).toEqual([])
    fixture.cluster.createTopic('orders', 1)
    fixture.cluster.append('orders', 0, [{ value: 'new' }])
    await kit.advance(10_000)
    expect(kit.records).toEqual(['a', 'b', 'c', 'new'])
  })
})
