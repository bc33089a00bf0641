import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type RecordBatch, recordBatch, type StreamElement } from '../../core/element.ts'
import { checkpointId } from '../../core/ids.ts'
import type { Key } from '../../core/key.ts'
import { signedKeyHash } from '../../core/key-bytes.ts'
import { EdgeWriter } from './edge-writer.ts'
import { LocalChannel } from './local-channel.ts'

function makeChannels(count: number, capacity: number): LocalChannel[] {
  return Array.from(
    { length: count },
    () =>
      new LocalChannel(
        capacity,
        () => {},
        () => {},
      ),
  )
}

/** Everything a channel has, as records and names of events. */
function read(channel: LocalChannel, into: unknown[]): void {
  for (let next = channel.poll(); next !== undefined; next = channel.poll()) into.push(...flatten(next))
}

function flatten(element: StreamElement): unknown[] {
  if (element.kind === 'records') return [...element.values]
  return [element.kind === 'barrier' ? `barrier ${element.checkpoint}` : element.kind]
}

const channelOfHash = (hash: number): number => (hash >>> 0) % 3

function batchesOf(channel: LocalChannel, index: number): [number, RecordBatch][] {
  const batches: [number, RecordBatch][] = []
  for (let next = channel.poll(); next !== undefined; next = channel.poll())
    if (next.kind === 'records') batches.push([index, next])
  return batches
}

const isText = (record: number) => record < 25 && record % 3 === 0

describe('an edge writer', () => {
  it('keeps the order per channel, loses nothing, and puts every event behind what was written before it', () => {
    const command = fc.oneof(
      fc.record({ write: fc.array(fc.nat(99), { minLength: 1, maxLength: 6 }) }),
      fc.constant('event' as const),
      fc.constant('flush' as const),
      fc.constant('consume' as const),
    )
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 3 }),
        fc.array(command),
        (count, capacity, batchSize, commands) => {
          const channels = makeChannels(count, capacity)
          const writer = new EdgeWriter(channels, (record) => (record as number) % count, batchSize)
          const expected: unknown[][] = channels.map(() => [])
          const received: unknown[][] = channels.map(() => [])
          let checkpoint = 0
          for (const step of commands) {
            if (step === 'event') {
              checkpoint++
              writer.event({
                kind: 'barrier',
                checkpoint: checkpointId(checkpoint),
                timestamp: 0,
                options: { purpose: 'checkpoint', alignment: 'aligned' },
              })
              for (const list of expected) list.push(`barrier ${checkpoint}`)
            } else if (step === 'flush') writer.flush()
            else if (step === 'consume') {
              channels.forEach((channel, index) => read(channel, received[index]!))
              writer.drain()
            } else {
              writer.write(recordBatch(step.write))
              for (const value of step.write) expected[value % count]!.push(value)
            }
          }
          writer.flush()
          do channels.forEach((channel, index) => read(channel, received[index]!))
          while (!writer.drain())
          channels.forEach((channel, index) => read(channel, received[index]!))
          expect(received).toEqual(expected)
        },
      ),
    )
  })

  it('is full exactly while something waits in front of a full channel', () => {
    const [channel] = makeChannels(1, 1)
    const writer = new EdgeWriter([channel!], null, 1)
    writer.write(recordBatch([1]))
    expect(writer.isFull).toBe(false)
    writer.write(recordBatch([2]))
    expect(writer.isFull).toBe(true)
    channel!.poll()
    expect(writer.drain()).toBe(true)
    expect(writer.isFull).toBe(false)
  })

  it('carries timestamps with their records, NaN for those without', () => {
    const [channel] = makeChannels(1, 10)
    const writer = new EdgeWriter([channel!], () => 0, 3)
    writer.write(recordBatch(['a']))
    writer.write(recordBatch(['b', 'c'], [5, 6]))
    expect(channel!.poll()).toMatchObject({ values: ['a', 'b', 'c'], timestamps: [Number.NaN, 5, 6] })
  })

  it('sends records by key, with the hash of each key, in every batch, and hands no hashes on that are not of its own edge', () => {
    const anyKey = fc.oneof(fc.string(), fc.nat(9), fc.bigInt(), fc.tuple(fc.string(), fc.nat(9)))
    fc.assert(
      fc.property(fc.array(fc.array(anyKey)), fc.integer({ min: 1, max: 5 }), (batches, batchSize) => {
        const channels = makeChannels(3, 1 << 20)
        const writer = new EdgeWriter(channels, { keyOf: (record) => (record as [Key])[0], channelOfHash }, batchSize)
        for (const keys of batches)
          writer.write({ ...recordBatch(keys.map((key) => [key])), keyHashes: keys.map(() => 7) })
        writer.flush()
        const sent = channels.map((): unknown[] => [])
        for (const [channel, { keyHashes, values }] of channels.flatMap((each, index) => batchesOf(each, index))) {
          expect(keyHashes).toEqual(values.map((value) => signedKeyHash((value as [Key])[0])))
          sent[channel]!.push(...values)
        }
        const all = batches.flat().map((key) => [key])
        const channelOf = ([key]: readonly Key[]) => channelOfHash(signedKeyHash(key!))
        expect(sent).toEqual(channels.map((_, index) => all.filter((record) => channelOf(record) === index)))
      }),
    )
    const [channel] = makeChannels(1, 10)
    const forward = new EdgeWriter([channel!], null, 1)
    forward.write({ ...recordBatch([1]), keyHashes: [1] })
    expect(channel!.poll()).toEqual(recordBatch([1]))
  })

  it('sends each record by its own key, also where the selector fills the same tuple again, for all records or for some', () => {
    const channels = makeChannels(3, 1 << 20)
    const tuple: [string, number] = ['', 0]
    const keyOf = (record: unknown): Key => {
      tuple[1] = record as number
      return isText(record as number) ? `${record as number}` : tuple
    }
    const writer = new EdgeWriter(channels, { keyOf, channelOfHash }, 10)
    const records = Array.from({ length: 75 }, (_, index) => index)
    for (let from = 0; from < records.length; from += 25) writer.write(recordBatch(records.slice(from, from + 25)))
    writer.flush()
    for (const [index, channel] of channels.entries()) {
      for (const [, { values }] of batchesOf(channel, index)) {
        for (const value of values as number[]) {
          expect(channelOfHash(signedKeyHash(isText(value) ? `${value}` : ['', value]))).toBe(index)
        }
      }
    }
  })
})
