import { beforeEach, describe, expect, it } from 'vitest'
import { text } from '../codecs/text.ts'
import type { TopicOptions } from '../options.ts'
import { encodePlainBatch } from '../testing/plain-batch.ts'
import {
  batch,
  enumeratorContext,
  fixture,
  kafkaOf,
  plainBatch,
  run,
  sourceOf,
  started,
  useCluster,
} from '../testing/source-fixture.ts'
import { SourceKit, type SourceKitCheckpoint } from '../testing/source-kit.ts'

useCluster()

describe('where a Kafka source begins', () => {
  beforeEach(() => {
    for (const partition of [0, 1]) {
      for (const index of [0, 1, 2]) {
        fixture.cluster.append('orders', partition, [{ value: `${partition}@${index}`, timestampMs: 1000 * index }])
      }
    }
  })

  it.each<[string, TopicOptions<string>['start'], readonly string[]]>([
    ['earliest', 'earliest', ['0@0', '0@1', '0@2', '1@0', '1@1', '1@2']],
    ['latest', 'latest', []],
    ['a time', { timestamp: new Date(1500) }, ['0@2', '1@2']],
    ['a time after the newest record', { timestamp: 5000 }, []],
    ['given offsets', { offsets: [{ topic: 'orders', partition: 1, offset: 1 }], otherwise: 'latest' }, ['1@1', '1@2']],
    ['offsets of a group', { group: 'old', otherwise: 'earliest' }, ['0@2', '1@0', '1@1', '1@2']],
  ])('is %s', async (_, start, expected) => {
    fixture.cluster.groups.set('old', new Map([['orders[0]', 2]]))
    const kit = await run({ start: start! })
    expect(kit.records.sort()).toEqual(expected)
  })

  it('is an error for partitions without an offset, unless it says what else', async () => {
    await expect(run({ start: { group: 'none' } })).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      message: 'group none has committed no offset for orders[0], orders[1]',
    })
  })

  it('is decided once: what comes after the first checkpoint is read by a job that starts again, also where there was nothing yet', async () => {
    const first = await run({ start: 'latest' })
    const checkpoint = first.snapshot()
    for (const partition of [0, 1]) fixture.cluster.append('orders', partition, [{ value: `${partition} while down` }])
    const second = await run({ start: 'latest' }, { restored: checkpoint })
    expect(second.records.sort()).toEqual(['0 while down', '1 while down'])
  })

  it('is within the enumerator while no reader has taken it', async () => {
    const source = sourceOf('orders', {})
    const assigned: unknown[] = []
    const context = enumeratorContext((_, splits) => void assigned.push(...splits))
    const enumerator = source.createEnumerator(context)
    await enumerator.start!()
    const state = enumerator.snapshot(1 as never)
    expect(assigned).toEqual([])
    await enumerator.close!()
    const kit = await run({}, { restored: { enumerator: state, splits: [] } })
    expect(kit.records).toHaveLength(6)
  })
})

describe('where a bounded Kafka source ends', () => {
  it('is what was there when it first started, also after a restart', async () => {
    for (const value of ['a', 'b', 'c']) fixture.cluster.append('orders', 0, [{ value }])
    const first = await run({ stop: 'latest' }, { isPaused: true })
    const checkpoint = first.snapshot()
    fixture.cluster.append('orders', 0, [{ value: 'later' }])
    fixture.cluster.addPartitions('orders', 1)
    fixture.cluster.append('orders', 2, [{ value: 'later' }])
    const second = await run({ stop: 'latest' }, { restored: checkpoint, parallelism: 2 })
    expect(second.records).toEqual(['a', 'b', 'c'])
    expect(second.isFinished).toBe(true)
  })

  it('is before given offsets; other partitions are not read', async () => {
    for (const partition of [0, 1])
      fixture.cluster.append('orders', partition, [{ value: 'a' }, { value: 'b' }, { value: 'c' }])
    const kit = await run({ stop: { offsets: [{ topic: 'orders', partition: 1, offset: 2 }] } })
    expect([kit.records, kit.isFinished]).toEqual([['a', 'b'], true])
  })

  it('is reached also where the snapshot was taken right before it', async () => {
    fixture.cluster.append('orders', 0, [{ value: 'a' }, { value: 'b' }])
    const options = { stop: { offsets: [{ topic: 'orders', partition: 0, offset: 1 }] } }
    const kit = await run(options, { isPaused: true })
    expect(kit.poll(0, 1)).toBe(1)
    const restored = await run(options, { restored: kit.snapshot() })
    expect([restored.records, restored.isFinished]).toEqual([[], true])
  })

  it('is at once where there is nothing to read', async () => {
    expect((await run({ stop: 'latest' }, { parallelism: 3 })).isFinished).toBe(true)
  })
})

describe('transactions', () => {
  it('are left out when aborted: two of one producer in a fetch, and one longer than a fetch', async () => {
    const log = fixture.cluster.log('orders', 0)
    const write = (producerId: bigint, values: readonly string[]): void => void log.append(batch(producerId, values))
    write(1n, ['aborted 1'])
    log.writeMarker(1n, 0, 'abort', 0)
    write(2n, ['committed 1'])
    write(1n, ['aborted 2'])
    log.writeMarker(1n, 0, 'abort', 0)
    write(1n, ['committed 2'])
    log.writeMarker(1n, 0, 'commit', 0)
    log.writeMarker(2n, 0, 'commit', 0)
    for (let index = 0; index < 50; index++) write(3n, ['x'.repeat(100)])
    write(2n, ['committed 3'])
    log.writeMarker(2n, 0, 'commit', 0)
    log.writeMarker(3n, 0, 'abort', 0)
    write(3n, ['committed 4'])
    log.writeMarker(3n, 0, 'commit', 0)
    for (const fetchAheadBytes of [500, 1 << 25]) {
      const kit = await run({ stop: 'latest', fetchAheadBytes })
      await kit.settle(300)
      expect([kit.records, kit.isFinished]).toEqual([
        ['committed 1', 'committed 2', 'committed 3', 'committed 4'],
        true,
      ])
    }
  })

  it('that are open hold back what is behind them, and come when they are committed', async () => {
    const log = fixture.cluster.log('orders', 0)
    log.append(batch(1n, ['first']))
    fixture.cluster.append('orders', 0, [{ value: 'second' }])
    const kit = await run({})
    expect(kit.records).toEqual([])
    log.writeMarker(1n, 0, 'commit', 0)
    await kit.settle()
    expect(kit.records).toEqual(['first', 'second'])
    // Behind the marker, too.
    expect(kit.snapshot().splits.find(({ id }) => id.startsWith('orders[0]'))).toMatchObject({ offset: 3 })
  })

  it('and what compaction took away are behind the position of a snapshot where nothing follows', async () => {
    const gap = { ...plainBatch(-1n, ['kept'], 0), lastOffsetDelta: 9 }
    fixture.cluster.log('orders', 0).append(encodePlainBatch(gap))
    const kit = await run({})
    expect(kit.records).toEqual(['kept'])
    expect(kit.snapshot().splits.find(({ id }) => id.startsWith('orders[0]'))).toMatchObject({ offset: 10 })
  })

  it('are seen whatever becomes of them by a source that asks for it', async () => {
    const log = fixture.cluster.log('orders', 0)
    log.append(batch(1n, ['aborted']))
    log.writeMarker(1n, 0, 'abort', 0)
    log.append(batch(1n, ['open']))
    expect((await run({ isolation: 'uncommitted' })).records).toEqual(['aborted', 'open'])
  })
})

describe('a position that is not there any more', () => {
  let restored: SourceKitCheckpoint

  beforeEach(async () => {
    fixture.cluster.append('orders', 0, [{ value: 'a' }])
    restored = (await run({})).snapshot()
    for (const value of ['b', 'c', 'd']) fixture.cluster.append('orders', 0, [{ value }])
    fixture.cluster.log('orders', 0).deleteBefore(3)
  })

  it('fails the source, which says what is gone', async () => {
    await expect(run({}, { restored })).rejects.toMatchObject({
      code: 'INPUT_LOST',
      message: 'orders[0]@1 is not there any more: the partition begins at 3 now, 2 offsets are gone',
    })
  })

  it.each([
    ['earliest', ['d', 'e']],
    ['latest', ['e']],
  ] as const)('is replaced by %s where that is asked for', async (onOutOfRange, expected) => {
    const kit = await run({ onOutOfRange }, { restored })
    const after = kit.snapshot()
    fixture.cluster.append('orders', 0, [{ value: 'e' }])
    await kit.settle()
    expect(kit.records).toEqual(expected)
    // Decided once, too.
    const again = await run({ onOutOfRange }, { restored: after })
    expect(again.records).toEqual(['e'])
  })

  it.each([
    ['the beginning of the log has passed it', 'earliest', ['a', 'b', 'd', 'e']],
    ['the beginning of the log has passed it', 'latest', ['a', 'b', 'e']],
    ['the log was cut off before it', 'earliest', ['a', 'b', 'x', 'e']],
  ] as const)(
    'is that of the next fetch where %s: what was fetched comes first (%s)',
    async (what, onOutOfRange, expected) => {
      fixture.cluster.createTopic('ahead', 1)
      fixture.cluster.append('ahead', 0, [{ value: 'a' }, { value: 'b' }])
      const held: (() => void)[] = []
      let fetches = 0
      fixture.cluster.faults = ({ operation }) => {
        if (operation !== 'fetch' || fetches++ !== 1) return null
        return { kind: 'held', until: new Promise<void>((resolve) => void held.push(resolve)) }
      }
      const kit = await run({ onOutOfRange }, { isPaused: true }, 'ahead')
      kit.poll(0, 1)
      const log = fixture.cluster.log('ahead', 0)
      if (what.startsWith('the log')) {
        log.truncate(0)
        fixture.cluster.append('ahead', 0, [{ value: 'x' }])
      } else {
        for (const value of ['c', 'd']) fixture.cluster.append('ahead', 0, [{ value }])
        log.deleteBefore(3)
      }
      held[0]!()
      await kit.settle()
      expect(kit.snapshot().splits).toMatchObject([{ offset: 1 }])
      fixture.cluster.append('ahead', 0, [{ value: 'e' }])
      kit.isPaused = false
      await kit.settle()
      expect(kit.records).toEqual(expected)
    },
  )

  it('is no matter where the broker that says so is wrong', async () => {
    const kit = await run({})
    const partitions = [{ topic: 'orders', partition: 1 }]
    fixture.cluster.inject('fetch', { kind: 'refused', code: 'OFFSET_OUT_OF_RANGE', partitions }, 3)
    await kit.advance(1000)
    fixture.cluster.append('orders', 1, [{ value: 'right' }])
    await kit.advance(1000)
    expect(kit.records).toEqual(['d', 'right'])
  })

  it('behind the end fails the source, too', async () => {
    const split = { ...restored.splits.find(({ id }) => id.startsWith('orders[0]'))!, offset: 100, epoch: -1 }
    await expect(run({}, { restored: { ...restored, splits: [split] } })).rejects.toMatchObject({
      code: 'INPUT_LOST',
      message: expect.stringContaining('orders[0]@100 is behind the end'),
    })
  })
})

describe('what a Kafka source tells', () => {
  it('are whole records where they are asked for, with event times and positions', async () => {
    const headers = [{ name: 'h', value: null }]
    fixture.cluster.append('orders', 1, [
      { value: 'v', key: 'k', headers, timestampMs: 5 },
      { value: 'w', timestampMs: 6 },
    ])
    const source = kafkaOf().records('orders', { value: text() })
    const kit = await started(SourceKit.start({ source }))
    expect(kit.records).toEqual([
      { topic: 'orders', partition: 1, offset: 0, timestamp: 5, key: 'k', value: 'v', headers },
      { topic: 'orders', partition: 1, offset: 1, timestamp: 6, key: null, value: 'w', headers: [] },
    ])
    expect(kit.timestamps).toEqual([5, 6])
    const paused = await run({}, { isPaused: true })
    paused.poll(0, 2)
    expect(paused.describePosition(0, 1)).toBe('orders[1]@1')
  })

  it('are offsets for a group after each checkpoint, and failures of it only as a warning', async () => {
    fixture.cluster.append('orders', 0, [{ value: 'a' }, { value: 'b' }])
    const kit = await run({ group: 'watchers' })
    kit.snapshot()
    kit.notifyComplete()
    await kit.settle()
    expect([...fixture.cluster.groups.get('watchers')!]).toEqual([
      ['orders[0]', 2],
      ['orders[1]', 0],
    ])
    fixture.cluster.append('orders', 0, [{ value: 'c' }])
    await kit.settle()
    fixture.cluster.inject('commitOffsets', { kind: 'refused', code: 'GROUP_AUTHORIZATION_FAILED' }, 2)
    for (let checkpoint = 0; checkpoint < 2; checkpoint++) {
      kit.snapshot()
      kit.notifyComplete()
      await kit.settle()
    }
    expect(kit.warnings).toEqual([expect.stringContaining('could not be committed to group watchers')])
    kit.snapshot()
    kit.notifyComplete()
    await kit.settle()
    expect(fixture.cluster.groups.get('watchers')!.get('orders[0]')).toBe(3)
    fixture.cluster.append('orders', 1, [{ value: 'last' }])
    await kit.settle()
    kit.snapshot()
    kit.notifyComplete()
    await kit.close()
    expect(fixture.cluster.groups.get('watchers')!.get('orders[1]')).toBe(1)
  })

  it('is no secret in the plan', () => {
    const options = { start: { timestamp: 0 }, stop: 'latest', group: 'g' } as const
    expect(sourceOf('orders', options)).toMatchObject({
      isBounded: true,
      describe: {
        brokers: 'memory:9092',
        topics: 'orders',
        start: '1970-01-01T00:00:00.000Z',
        stop: 'latest',
        isolation: 'committed',
        group: 'g',
        value: 'text',
      },
    })
  })
})
