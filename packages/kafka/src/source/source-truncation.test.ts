import { describe, expect, it } from 'vitest'
import type { PartitionSplit } from './partition-split.ts'
import { fixture, run, useCluster } from '../testing/source-fixture.ts'
import type { SourceKitCheckpoint } from '../testing/source-kit.ts'

useCluster()

function append(...values: readonly string[]): void {
  for (const value of values) fixture.cluster.append('orders', 0, [{ value }])
}

/** A replica that has only the records before this offset becomes the leader. */
function electUnclean(offset: number): void {
  fixture.cluster.log('orders', 0).truncate(offset)
  fixture.cluster.moveLeader('orders', 0, 2)
}

/** The checkpoint of a source that has read `a b c` of one leader, `d` of the next. */
async function readFour(): Promise<SourceKitCheckpoint> {
  append('a', 'b', 'c')
  fixture.cluster.moveLeader('orders', 0, 2)
  append('d')
  return (await run({})).snapshot()
}

const split = ({ splits }: SourceKitCheckpoint): PartitionSplit =>
  splits.find(({ id }) => id.startsWith('orders[0]')) as PartitionSplit

describe('a log that was cut off before the position, and has grown past it again', () => {
  it('is noticed after a restart, and told with what is gone', async () => {
    const restored = await readFour()
    expect(split(restored)).toMatchObject({ offset: 4, epoch: 1 })
    electUnclean(2)
    append('x', 'y', 'z')
    await expect(run({}, { restored })).rejects.toMatchObject({
      code: 'INPUT_LOST',
      message:
        'orders[0]@4: what was read from offset 2 on (leader epoch 1) was cut off, and may have been written anew',
      action: expect.stringContaining('onOutOfRange'),
    })
  })

  it('is noticed while it is read', async () => {
    append('a', 'b', 'c')
    const kit = await run({})
    electUnclean(1)
    append('x', 'y', 'z')
    await expect(kit.advance(1000)).rejects.toMatchObject({
      code: 'INPUT_LOST',
      message: expect.stringContaining('orders[0]@3: what was read from offset 1 on (leader epoch 0)'),
    })
    expect(kit.records).toEqual(['a', 'b', 'c'])
  })

  it.each(['earliest', 'latest'] as const)(
    'is read on from where it differs with onOutOfRange %s, also after another restart',
    async (onOutOfRange) => {
      const restored = await readFour()
      electUnclean(2)
      append('x', 'y', 'z')
      const kit = await run({ onOutOfRange }, { restored })
      await kit.advance(100)
      expect(kit.records).toEqual(['x', 'y', 'z'])
      expect(split(kit.snapshot())).toMatchObject({ offset: 5, epoch: 2 })
      const again = await run({}, { restored: kit.snapshot() })
      append('w')
      await again.settle()
      expect(again.records).toEqual(['w'])
    },
  )

  it('is noticed several elections later', async () => {
    const restored = await readFour()
    electUnclean(3)
    for (const value of ['x', 'y', 'z']) {
      append(value)
      fixture.cluster.moveLeader('orders', 0, 1)
    }
    await expect(run({}, { restored })).rejects.toMatchObject({ message: expect.stringContaining('from offset 3 on') })
  })

  it('is noticed where the new leader has no record of that epoch', async () => {
    const restored = await readFour()
    const position = { ...split(restored), epoch: 7 }
    await expect(run({}, { restored: { ...restored, splits: [position] } })).rejects.toMatchObject({
      message: 'orders[0]@4: the leader knows nothing of the records of leader epoch 7 that were read before',
    })
    const kit = await run({ onOutOfRange: 'earliest' }, { restored: { ...restored, splits: [position] } })
    expect(kit.records).toEqual(['a', 'b', 'c', 'd'])
  })
})

describe('a leader that moved without loss', () => {
  it('is read on, also where the last records of an epoch are gone by retention or compaction', async () => {
    const restored = await readFour()
    for (const broker of [1, 2]) fixture.cluster.moveLeader('orders', 0, broker)
    append('e')
    fixture.cluster.log('orders', 0).deleteBefore(4)
    const kit = await run({}, { restored })
    expect(kit.records).toEqual(['e'])
    fixture.cluster.moveLeader('orders', 0, 1)
    append('f')
    await kit.advance(1000)
    expect(kit.records).toEqual(['e', 'f'])
  })

  it('is asked once per election, and again where the answer is lost or another one leads by now', async () => {
    const restored = await readFour()
    let asked = 0
    const others = fixture.cluster.openClients
    fixture.cluster.faults = ({ operation, client }) => {
      if (operation !== 'epochEnds' || others.includes(client)) return null
      asked++
      if (asked === 1) return { kind: 'lost-response' }
      return asked === 2 ? { kind: 'refused', code: 'FENCED_LEADER_EPOCH' } : null
    }
    const kit = await run({}, { restored })
    await kit.advance(1000)
    append('e')
    await kit.advance(1000)
    append('f')
    await kit.advance(1000)
    expect([kit.records, asked]).toEqual([['e', 'f'], 3])
    fixture.cluster.moveLeader('orders', 0, 1)
    append('g')
    await kit.advance(1000)
    expect([kit.records, asked]).toEqual([['e', 'f', 'g'], 4])
  })

  it('is not asked by checkpoints that know of no epoch', async () => {
    const restored = await readFour()
    const { epoch: _epoch, ...older } = split(restored)
    fixture.cluster.faults = ({ operation }) =>
      operation === 'epochEnds' ? { kind: 'refused', code: 'TOPIC_AUTHORIZATION_FAILED' } : null
    append('e')
    const kit = await run({}, { restored: { ...restored, splits: [older] } })
    expect(kit.records).toEqual(['e'])
  })
})
