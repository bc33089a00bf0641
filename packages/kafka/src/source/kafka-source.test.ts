import { type EnumeratorContext, type Sink, SINK } from 'tidemark/connector'
import { MemoryFileSystem } from 'tidemark/testing'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Decoder } from '../codec.ts'
import { text } from '../codecs/text.ts'
import { kafkaThrough } from '../kafka.ts'
import type { BadRecord, TopicOptions, TopicSelection } from '../options.ts'
import { MemoryCluster } from '../testing/memory-cluster.ts'
import { encodePlainBatch, type PlainBatch } from '../testing/plain-batch.ts'
import { SourceKit, type SourceKitCheckpoint } from '../testing/source-kit.ts'
import { TurnClock } from '../testing/turn-clock.ts'

let cluster: MemoryCluster
let kits: { close(): Promise<void> }[]
let sequences: Map<bigint, number>
let stops: (() => void)[]

beforeEach(() => {
  cluster = new MemoryCluster({ brokers: 2 })
  cluster.createTopic('orders', 2)
  kits = []
  stops = []
  sequences = new Map()
})

afterEach(async () => {
  for (const stop of stops) stop()
  for (const kit of kits) await kit.close()
  expect(cluster.openClients).toEqual([])
})

describe('where a Kafka source begins', () => {
  beforeEach(() => {
    for (const partition of [0, 1]) {
      for (const index of [0, 1, 2]) {
        cluster.append('orders', partition, [{ value: `${partition}@${index}`, timestampMs: 1000 * index }])
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
    cluster.groups.set('old', new Map([['orders[0]', 2]]))
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
    for (const partition of [0, 1]) cluster.append('orders', partition, [{ value: `${partition} while down` }])
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
    for (const value of ['a', 'b', 'c']) cluster.append('orders', 0, [{ value }])
    const first = await run({ stop: 'latest' }, { isPaused: true })
    const checkpoint = first.snapshot()
    cluster.append('orders', 0, [{ value: 'later' }])
    cluster.addPartitions('orders', 1)
    cluster.append('orders', 2, [{ value: 'later' }])
    const second = await run({ stop: 'latest' }, { restored: checkpoint, parallelism: 2 })
    expect(second.records).toEqual(['a', 'b', 'c'])
    expect(second.isFinished).toBe(true)
  })

  it('is before given offsets; other partitions are not read', async () => {
    for (const partition of [0, 1])
      cluster.append('orders', partition, [{ value: 'a' }, { value: 'b' }, { value: 'c' }])
    const kit = await run({ stop: { offsets: [{ topic: 'orders', partition: 1, offset: 2 }] } })
    expect([kit.records, kit.isFinished]).toEqual([['a', 'b'], true])
  })

  it('is reached also where the snapshot was taken right before it', async () => {
    cluster.append('orders', 0, [{ value: 'a' }, { value: 'b' }])
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
    const log = cluster.log('orders', 0)
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
    const log = cluster.log('orders', 0)
    log.append(batch(1n, ['first']))
    cluster.append('orders', 0, [{ value: 'second' }])
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
    cluster.log('orders', 0).append(encodePlainBatch(gap))
    const kit = await run({})
    expect(kit.records).toEqual(['kept'])
    expect(kit.snapshot().splits.find(({ id }) => id.startsWith('orders[0]'))).toMatchObject({ offset: 10 })
  })

  it('are seen whatever becomes of them by a source that asks for it', async () => {
    const log = cluster.log('orders', 0)
    log.append(batch(1n, ['aborted']))
    log.writeMarker(1n, 0, 'abort', 0)
    log.append(batch(1n, ['open']))
    expect((await run({ isolation: 'uncommitted' })).records).toEqual(['aborted', 'open'])
  })
})

describe('new partitions and topics', () => {
  it('are found while the job runs, read from their first record, and given to the reader that has the fewest', async () => {
    const kit = await run({ start: 'latest', discoveryInterval: '10s' }, { parallelism: 3 })
    cluster.addPartitions('orders', 2)
    for (const partition of [2, 3]) cluster.append('orders', partition, [{ value: `${partition}@0` }])
    await kit.advance(10_000)
    expect(kit.records.sort()).toEqual(['2@0', '3@0'])
    expect([0, 1, 2].map((subtask) => kit.splitsOf(subtask).map(({ id }) => id.slice(0, 9)))).toEqual([
      ['orders[0]', 'orders[3]'],
      ['orders[1]'],
      ['orders[2]'],
    ])
  })

  it('are found by a job that starts again, which does not read the others twice', async () => {
    cluster.append('orders', 0, [{ value: 'old' }])
    const first = await run({ start: 'latest' })
    const checkpoint = first.snapshot()
    cluster.addPartitions('orders', 1)
    cluster.append('orders', 2, [{ value: 'new' }])
    const second = await run({ start: 'latest' }, { restored: checkpoint, parallelism: 2 })
    expect(second.records).toEqual(['new'])
  })

  it('by a pattern: whole names, no internal topics, those that come later, too', async () => {
    for (const name of ['orders-2', 'old-orders', '__orders']) {
      cluster.createTopic(name, 1)
      cluster.append(name, 0, [{ value: name }])
    }
    const kit = await run({ discoveryInterval: '10s' }, {}, /(__)?orders.*/g)
    expect(kit.records).toEqual(['orders-2'])
    cluster.createTopic('orders-3', 1)
    cluster.append('orders-3', 0, [{ value: 'orders-3' }])
    await kit.advance(10_000)
    expect(kit.records).toEqual(['orders-2', 'orders-3'])
  })

  it('are looked for again when that failed, which people are told', async () => {
    const kit = await run({ discoveryInterval: '10s' })
    cluster.addPartitions('orders', 1)
    cluster.append('orders', 2, [{ value: 'new' }])
    cluster.inject('topics', { kind: 'lost-request' })
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
    cluster.createTopic('returns', 1)
    const first = await run({}, {}, ['orders', 'returns'])
    const second = await run({}, { restored: first.snapshot() }, 'orders')
    cluster.append('returns', 0, [{ value: 'returned' }])
    await second.settle()
    expect(second.records).toEqual([])
    expect(second.warnings).toEqual([expect.stringContaining('topic returns is no longer selected')])
    expect(second.snapshot().splits.map(({ topic }) => topic)).toEqual(['orders', 'orders'])
  })
})

describe('a topic that was deleted', () => {
  beforeEach(() => void cluster.append('orders', 0, [{ value: 'a' }, { value: 'b' }, { value: 'c' }]))

  it.each([false, true])('fails the source (made again: %s)', async (isMadeAgain) => {
    const kit = await run({})
    cluster.deleteTopic('orders')
    if (isMadeAgain) {
      cluster.createTopic('orders', 2)
      cluster.append('orders', 0, [{ value: 'new' }, { value: 'new' }, { value: 'new' }, { value: 'new' }])
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
    cluster.deleteTopic('orders')
    cluster.createTopic('orders', 2)
    await expect(run({}, { restored })).rejects.toMatchObject({ code: 'INPUT_LOST' })
  })

  it('ends its partitions where that is allowed; one made again is a new one', async () => {
    const kit = await run({ onDeletedTopic: 'end', discoveryInterval: '10s' })
    cluster.deleteTopic('orders')
    await kit.advance(10_000)
    expect(kit.snapshot().splits).toEqual([])
    cluster.createTopic('orders', 1)
    cluster.append('orders', 0, [{ value: 'new' }])
    await kit.advance(10_000)
    expect(kit.records).toEqual(['a', 'b', 'c', 'new'])
  })
})

describe('a position that is not there any more', () => {
  let restored: SourceKitCheckpoint

  beforeEach(async () => {
    cluster.append('orders', 0, [{ value: 'a' }])
    restored = (await run({})).snapshot()
    for (const value of ['b', 'c', 'd']) cluster.append('orders', 0, [{ value }])
    cluster.log('orders', 0).deleteBefore(3)
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
    cluster.append('orders', 0, [{ value: 'e' }])
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
      cluster.createTopic('ahead', 1)
      cluster.append('ahead', 0, [{ value: 'a' }, { value: 'b' }])
      const held: (() => void)[] = []
      let fetches = 0
      cluster.faults = ({ operation }) => {
        if (operation !== 'fetch' || fetches++ !== 1) return null
        return { kind: 'held', until: new Promise<void>((resolve) => void held.push(resolve)) }
      }
      const kit = await run({ onOutOfRange }, { isPaused: true }, 'ahead')
      kit.poll(0, 1)
      const log = cluster.log('ahead', 0)
      if (what.startsWith('the log')) {
        log.truncate(0)
        cluster.append('ahead', 0, [{ value: 'x' }])
      } else {
        for (const value of ['c', 'd']) cluster.append('ahead', 0, [{ value }])
        log.deleteBefore(3)
      }
      held[0]!()
      await kit.settle()
      expect(kit.snapshot().splits).toMatchObject([{ offset: 1 }])
      cluster.append('ahead', 0, [{ value: 'e' }])
      kit.isPaused = false
      await kit.settle()
      expect(kit.records).toEqual(expected)
    },
  )

  it('behind the end fails the source, too', async () => {
    const split = { ...restored.splits.find(({ id }) => id.startsWith('orders[0]'))!, offset: 100 }
    await expect(run({}, { restored: { ...restored, splits: [split] } })).rejects.toMatchObject({
      code: 'INPUT_LOST',
      message: expect.stringContaining('orders[0]@100 is behind the end'),
    })
  })
})

describe('records that cannot be decoded', () => {
  beforeEach(() => {
    const bad = new Uint8Array([0xff])
    cluster.append('orders', 0, [
      { value: 'a' },
      { value: bad, key: 'k', headers: [{ name: 'h', value: new Uint8Array([1]) }], timestampMs: 7 },
      { value: 'c' },
    ])
  })

  it('fail the source, which names where they are', async () => {
    await expect(run({})).rejects.toMatchObject({
      code: 'CORRUPT_DATA',
      message: expect.stringMatching(/^orders\[0\]@1 cannot be decoded: /),
      context: { position: 'orders[0]@1' },
    })
  })

  it('are left out, or go where a sink says', async () => {
    const sink: Sink<BadRecord> = { [SINK]: {}, kind: 'nowhere', delivery: 'at-least-once', createWriter: unused }
    for (const onBadRecord of ['skip', sink] as const) {
      const kit = await run({ onBadRecord, value: text() })
      expect(kit.records).toEqual(['a', 'c'])
      expect(kit.rejected).toEqual([
        {
          source: 'source',
          topic: 'orders',
          partition: 0,
          offset: 1,
          timestamp: 7,
          key: new TextEncoder().encode('k'),
          value: new Uint8Array([0xff]),
          headers: [{ name: 'h', value: new Uint8Array([1]) }],
          error: expect.any(String),
        },
      ])
    }
    expect(sourceOf('orders', { onBadRecord: sink }).deadLetters).toBe(sink)
  })
})

describe('what a Kafka source tells', () => {
  it('are whole records where they are asked for, with event times and positions', async () => {
    const headers = [{ name: 'h', value: null }]
    cluster.append('orders', 1, [
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
    cluster.append('orders', 0, [{ value: 'a' }, { value: 'b' }])
    const kit = await run({ group: 'watchers' })
    kit.snapshot()
    kit.notifyComplete()
    await kit.settle()
    expect([...cluster.groups.get('watchers')!]).toEqual([
      ['orders[0]', 2],
      ['orders[1]', 0],
    ])
    cluster.append('orders', 0, [{ value: 'c' }])
    await kit.settle()
    cluster.inject('commitOffsets', { kind: 'refused', code: 'GROUP_AUTHORIZATION_FAILED' }, 2)
    for (let checkpoint = 0; checkpoint < 2; checkpoint++) {
      kit.snapshot()
      kit.notifyComplete()
      await kit.settle()
    }
    expect(kit.warnings).toEqual([expect.stringContaining('could not be committed to group watchers')])
    kit.snapshot()
    kit.notifyComplete()
    await kit.settle()
    expect(cluster.groups.get('watchers')!.get('orders[0]')).toBe(3)
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

describe('a cluster in trouble', () => {
  it('is waited for: leaders move, brokers stop and start', async () => {
    const kit = await run({})
    cluster.moveLeader('orders', 0, 2)
    cluster.append('orders', 0, [{ value: 'after the move' }])
    await kit.advance(1000)
    cluster.stopBroker(2)
    cluster.append('orders', 0, [{ value: 'after the stop' }])
    await kit.advance(1000)
    cluster.stopBroker(1)
    await kit.advance(60_000)
    cluster.startBroker(1)
    cluster.append('orders', 0, [{ value: 'after the start' }])
    await kit.advance(5000)
    expect(kit.records).toEqual(['after the move', 'after the stop', 'after the start'])
  })

  it('fails the source when a partition stays without a leader for too long', async () => {
    const kit = await run({ unavailableTimeout: '1m' })
    cluster.moveLeader('orders', 1, null)
    await kit.advance(50_000)
    await expect(kit.advance(20_000)).rejects.toMatchObject({
      code: 'SOURCE_FAILED',
      message: expect.stringMatching(/^source source cannot read orders\[1\] for \d+ s \(brokers memory:9092\): /),
    })
  })

  it('fails the start when no broker answers, or none will ever', async () => {
    cluster.faults = () => ({ kind: 'lost-request' })
    await expect(run({}, { clock: slowly(1000) })).rejects.toMatchObject({
      code: 'SOURCE_FAILED',
      message: expect.stringMatching(/cannot find its partitions \(brokers memory:9092\): NETWORK/),
    })
    cluster.faults = ({ operation }) => (operation === 'topics' ? { kind: 'refused', code: 'AUTHENTICATION' } : null)
    await expect(run({})).rejects.toMatchObject({ code: 'INVALID_OPTION', action: expect.stringContaining('sasl') })
  })

  it('fails at once a source that has lost the right to read', async () => {
    const kit = await run({})
    const partitions = [{ topic: 'orders', partition: 0 }]
    cluster.inject('fetch', { kind: 'refused', code: 'TOPIC_AUTHORIZATION_FAILED', partitions }, 5)
    await expect(kit.advance(1000)).rejects.toMatchObject({
      code: 'SOURCE_FAILED',
      action: expect.stringContaining('right'),
    })
  })

  it('that sends damaged batches fails the source, which names the place', async () => {
    cluster.append('orders', 0, [{ value: 'good' }])
    const damaged = batch(-1n, ['bad'])
    cluster.log('orders', 0).append(damaged)
    cluster.log('orders', 0).damage(1)
    const kit = run({})
    await expect(kit).rejects.toMatchObject({
      code: 'CORRUPT_DATA',
      message: expect.stringMatching(/^orders\[0\]@1: .*checksum/),
    })
  })
})

describe('fetching ahead', () => {
  it('stops when as many bytes wait as may, and goes on when they are worked off', async () => {
    cluster.createTopic('many', 4)
    for (let index = 0; index < 400; index++) cluster.append('many', index % 4, [{ value: 'x'.repeat(100) }])
    const fetchAheadBytes = 4000
    const kit = await run({ fetchAheadBytes }, { isPaused: true }, 'many')
    await kit.settle(200)
    // Without a turn of the event loop in between nothing new is fetched.
    let fetchedBytes = 0
    for (let count = kit.poll(0, 1000); count > 0; count = kit.poll(0, 1000)) fetchedBytes += count * 170
    // At most one batch per leader more than may be.
    expect(fetchedBytes).toBeGreaterThan(0)
    expect(fetchedBytes).toBeLessThanOrEqual(fetchAheadBytes + 2 * 170)
    kit.isPaused = false
    await kit.settle(600)
    expect(kit.records).toHaveLength(400)
  })

  it('starves no partition', async () => {
    cluster.createTopic('uneven', 3)
    for (let index = 0; index < 300; index++) cluster.append('uneven', 0, [{ value: `0 ${'x'.repeat(100)}` }])
    for (const partition of [1, 2])
      for (let i = 0; i < 10; i++) cluster.append('uneven', partition, [{ value: `${partition}` }])
    const kit = await run({ fetchAheadBytes: 1000 }, {}, 'uneven')
    while (kit.records.length < 60) await kit.settle(1)
    expect(kit.records.filter((value) => value.length === 1).length).toBeGreaterThanOrEqual(20)
  })
})

describe('a codec that prepares', () => {
  it('is waited for before any record of a batch is decoded; aborted ones are not prepared', async () => {
    const log = cluster.log('orders', 0)
    log.append(batch(1n, ['aborted']))
    log.writeMarker(1n, 0, 'abort', 0)
    cluster.append('orders', 0, [{ value: 'a' }, { value: 'b' }])
    const prepared: string[] = []
    const releases: (() => void)[] = []
    const decoder = preparing((value) => {
      prepared.push(value)
      return value === 'b' ? new Promise<void>((resolve) => void releases.push(resolve)) : undefined
    })
    const kit = await run({ value: decoder })
    expect([prepared, kit.records]).toEqual([['a', 'b'], []])
    releases[0]!()
    await kit.settle()
    expect(kit.records).toEqual(['a', 'b'])
  })

  it('fails the source when that fails', async () => {
    cluster.append('orders', 0, [{ value: 'a' }])
    const decoder = preparing(() => Promise.reject(new Error('no schema')))
    await expect(run({ value: decoder, onBadRecord: 'skip' })).rejects.toThrow('no schema')
  })
})

interface RunOptions {
  readonly restored?: SourceKitCheckpoint
  readonly parallelism?: number
  readonly isPaused?: boolean
  readonly clock?: SourceKit<string>['clock']
}

async function run(
  options: TopicOptions<string>,
  { isPaused = false, ...rest }: RunOptions = {},
  topics: TopicSelection = 'orders',
): Promise<SourceKit<string>> {
  return started(SourceKit.start({ source: sourceOf(topics, options), isPaused, ...rest }))
}

/** Closes the kit at the end of the test, also where its start fails. */
async function started<T>(starting: Promise<SourceKit<T>>): Promise<SourceKit<T>> {
  const kit = await starting
  kits.push(kit)
  return kit
}

function sourceOf(topics: TopicSelection, options: TopicOptions<string>) {
  return kafkaOf().topic(topics, { value: text(), ...options })
}

function kafkaOf() {
  return kafkaThrough({ brokers: 'memory:9092' }, () => cluster.client())
}

/** A clock that passes by itself, so that what waits for it gets on. */
function slowly(stepMs = 100): TurnClock {
  const clock = new TurnClock()
  const timer = setInterval(() => clock.advance(stepMs), 1)
  stops.push(() => clearInterval(timer))
  return clock
}

function enumeratorContext(assign: EnumeratorContext['assign']): EnumeratorContext {
  return {
    job: 'job',
    operator: 'source' as EnumeratorContext['operator'],
    parallelism: 1,
    restored: undefined,
    clock: new TurnClock(),
    files: new MemoryFileSystem(),
    secret: (name) => name,
    warn: () => {},
    assign,
    noMoreSplits: () => {},
    fail: (error) => expect.fail(String(error)),
  }
}

function preparing(prepare: (value: string) => Promise<void> | undefined): Decoder<string> {
  return { kind: 'preparing', createDecoding: () => ({ prepare: (bytes) => prepare(textOf(bytes)), decode: textOf }) }
}

function textOf(bytes: Uint8Array | null): string {
  return new TextDecoder().decode(bytes ?? undefined)
}

function batch(producerId: bigint, values: readonly string[]): Uint8Array {
  const sequence = sequences.get(producerId) ?? 0
  sequences.set(producerId, sequence + values.length)
  return encodePlainBatch(plainBatch(producerId, values, sequence))
}

function plainBatch(producerId: bigint, values: readonly string[], baseSequence: number): PlainBatch {
  return {
    producerId,
    producerEpoch: producerId < 0n ? -1 : 0,
    baseSequence: producerId < 0n ? -1 : baseSequence,
    isTransactional: producerId >= 0n,
    isControl: false,
    lastOffsetDelta: values.length - 1,
    records: values.map((value, offsetDelta) => ({
      key: null,
      value: new TextEncoder().encode(value),
      headers: [],
      timestampMs: 0,
      offsetDelta,
    })),
  }
}

function unused(): never {
  throw new Error('nothing is written here')
}
