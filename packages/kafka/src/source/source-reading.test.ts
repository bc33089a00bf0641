import { type Sink, SINK } from 'tidemark/connector'
import { beforeEach, describe, expect, it } from 'vitest'
import { text } from '../codecs/text.ts'
import type { BadRecord } from '../options.ts'
import { batch, fixture, preparing, run, slowly, sourceOf, unused, useCluster } from '../testing/source-fixture.ts'

useCluster()

describe('records that cannot be decoded', () => {
  beforeEach(() => {
    const bad = new Uint8Array([0xff])
    fixture.cluster.append('orders', 0, [
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

describe('a cluster in trouble', () => {
  it('is waited for: leaders move, brokers stop and start', async () => {
    const kit = await run({})
    fixture.cluster.moveLeader('orders', 0, 2)
    fixture.cluster.append('orders', 0, [{ value: 'after the move' }])
    await kit.advance(1000)
    fixture.cluster.stopBroker(2)
    fixture.cluster.append('orders', 0, [{ value: 'after the stop' }])
    await kit.advance(1000)
    fixture.cluster.stopBroker(1)
    await kit.advance(60_000)
    fixture.cluster.startBroker(1)
    fixture.cluster.append('orders', 0, [{ value: 'after the start' }])
    await kit.advance(5000)
    expect(kit.records).toEqual(['after the move', 'after the stop', 'after the start'])
  })

  it('fails the source when a partition stays without a leader for too long', async () => {
    const kit = await run({ unavailableTimeout: '1m' })
    fixture.cluster.moveLeader('orders', 1, null)
    await kit.advance(50_000)
    await expect(kit.advance(20_000)).rejects.toMatchObject({
      code: 'SOURCE_FAILED',
      message: expect.stringMatching(/^source source cannot read orders\[1\] for \d+ s \(brokers memory:9092\): /),
    })
  })

  it('fails the start when no broker answers, or none will ever', async () => {
    fixture.cluster.faults = () => ({ kind: 'lost-request' })
    await expect(run({}, { clock: slowly(1000) })).rejects.toMatchObject({
      code: 'SOURCE_FAILED',
      message: expect.stringMatching(/cannot find its partitions \(brokers memory:9092\): NETWORK/),
    })
    fixture.cluster.faults = ({ operation }) =>
      operation === 'topics' ? { kind: 'refused', code: 'AUTHENTICATION' } : null
    await expect(run({})).rejects.toMatchObject({ code: 'INVALID_OPTION', action: expect.stringContaining('sasl') })
  })

  it('fails at once a source that has lost the right to read', async () => {
    const kit = await run({})
    const partitions = [{ topic: 'orders', partition: 0 }]
    fixture.cluster.inject('fetch', { kind: 'refused', code: 'TOPIC_AUTHORIZATION_FAILED', partitions }, 5)
    await expect(kit.advance(1000)).rejects.toMatchObject({
      code: 'SOURCE_FAILED',
      action: expect.stringContaining('right'),
    })
  })

  it('that sends damaged batches fails the source, which names the place', async () => {
    fixture.cluster.append('orders', 0, [{ value: 'good' }])
    const damaged = batch(-1n, ['bad'])
    fixture.cluster.log('orders', 0).append(damaged)
    fixture.cluster.log('orders', 0).damage(1)
    const kit = run({})
    await expect(kit).rejects.toMatchObject({
      code: 'CORRUPT_DATA',
      message: expect.stringMatching(/^orders\[0\]@1: .*checksum/),
    })
  })
})

describe('fetching ahead', () => {
  it('stops when as many bytes wait as may, and goes on when they are worked off', async () => {
    fixture.cluster.createTopic('many', 4)
    for (let index = 0; index < 400; index++) fixture.cluster.append('many', index % 4, [{ value: 'x'.repeat(100) }])
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
    fixture.cluster.createTopic('uneven', 3)
    for (let index = 0; index < 300; index++) fixture.cluster.append('uneven', 0, [{ value: `0 ${'x'.repeat(100)}` }])
    for (const partition of [1, 2])
      for (let i = 0; i < 10; i++) fixture.cluster.append('uneven', partition, [{ value: `${partition}` }])
    const kit = await run({ fetchAheadBytes: 1000 }, {}, 'uneven')
    while (kit.records.length < 60) await kit.settle(1)
    expect(kit.records.filter((value) => value.length === 1).length).toBeGreaterThanOrEqual(20)
  })
})

describe('a codec that prepares', () => {
  it('is waited for before any record of a batch is decoded; aborted ones are not prepared', async () => {
    const log = fixture.cluster.log('orders', 0)
    log.append(batch(1n, ['aborted']))
    log.writeMarker(1n, 0, 'abort', 0)
    fixture.cluster.append('orders', 0, [{ value: 'a' }, { value: 'b' }])
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
    fixture.cluster.append('orders', 0, [{ value: 'a' }])
    const decoder = preparing(() => Promise.reject(new Error('no schema')))
    await expect(run({ value: decoder, onBadRecord: 'skip' })).rejects.toThrow('no schema')
  })
})
