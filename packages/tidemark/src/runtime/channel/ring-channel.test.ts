import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { recordBatch, type RecordBatch, type StreamElement } from '../../core/element.ts'
import { checkpointId } from '../../core/ids.ts'
import { InFlight, inFlightBound } from '../../testing/checkers/memory-bound.ts'
import { ElementDecoder, ElementEncoder } from '../codec/element-codec.ts'
import { EdgeWriter } from './edge-writer.ts'
import { createRing, HEADER_BYTES, WORD } from './ring-layout.ts'
import { RingReader } from './ring-reader.ts'
import { RingWriter } from './ring-writer.ts'

const encoder = new ElementEncoder()
const decoder = new ElementDecoder()

/** A clock by which so many milliseconds pass between one look at it and the next, over and over. */
const clockOf = (lapses: readonly number[]) => {
  let now = 0
  let looks = 0
  return { monotonic: () => (now += lapses[looks++ % lapses.length]!) }
}

/** Both ends over one memory, and whom they woke. `position`: where the ring begins its life. */
const makeRing = (bytes: number, position = 0, records = 1 << 20, lapses: readonly number[] = [0]) => {
  const memory = createRing(bytes, records)
  const words = new Int32Array(memory)
  for (const word of [WORD.written, WORD.taken, WORD.recordsWritten, WORD.recordsTaken]) words[word] = position
  const wakes = { consumer: 0, producer: 0 }
  const writer = new RingWriter(memory, { encoder, operator: 'from', wakeConsumer: () => wakes.consumer++ })
  const clock = clockOf(lapses)
  const reader = new RingReader(memory, { decoder, wakeProducer: () => wakes.producer++, clock })
  return { memory, words, writer, reader, wakes }
}

const element = fc.oneof(
  fc.array(fc.string(), { minLength: 1, maxLength: 8 }).map((values): StreamElement => recordBatch(values)),
  fc.array(fc.integer(), { minLength: 1, maxLength: 40 }).map((values): StreamElement => recordBatch(values, values)),
  fc.integer().map((timestamp): StreamElement => ({ kind: 'watermark', timestamp })),
  fc.boolean().map((idle): StreamElement => ({ kind: 'status', idle })),
  fc.nat().map((id): StreamElement => ({
    kind: 'barrier',
    checkpoint: checkpointId(id),
    timestamp: id,
    options: { purpose: 'checkpoint', alignment: 'aligned' },
  })),
)
/** Positions at which counters wrap, and any offset in small rings. */
const position = fc.oneof(
  fc.nat({ max: 64 }),
  fc.integer({ min: -64, max: 0 }),
  fc.integer({ min: 2 ** 31 - 64, max: 2 ** 31 - 1 }),
)

const capacity = fc.integer({ min: 1, max: 50 })
/** Now and then some time passes. */
const lapses = fc
  .tuple(fc.nat({ max: 40 }), fc.integer({ min: 1, max: 40 }))
  .map(([looks, lapse]) => [...Array.from({ length: looks }, () => 0), lapse])

describe('a ring between two threads', () => {
  it('delivers what it took, once and in order, however offers and polls alternate, whatever its size and its offset', () => {
    const turns = fc.array(fc.record({ isOffer: fc.boolean(), times: fc.integer({ min: 1, max: 5 }) }), {
      maxLength: 60,
    })
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 600 }),
        position,
        capacity,
        lapses,
        fc.array(element, { maxLength: 20 }),
        turns,
        (bytes, at, records, times, elements, steps) => {
          const { writer, reader } = makeRing(bytes, at, records, times)
          const received: StreamElement[] = []
          let next = 0
          const offer = () => {
            if (next < elements.length && writer.offer(elements[next]!)) next++
          }
          const poll = () => {
            const polled = reader.poll()
            if (polled !== undefined) received.push(polled)
            expect(received.length).toBeLessThanOrEqual(next + 1)
          }
          for (const { isOffer, times: count } of steps)
            for (let time = 0; time < count; time++) (isOffer ? offer : poll)()
          while (received.length < elements.length) {
            offer()
            poll()
          }
          expect(received).toEqual(elements)
          expect(reader.isEmpty()).toBe(true)
          expect(reader.poll()).toBeUndefined()
        },
      ),
      { numRuns: 1000 },
    )
  })

  it('needs nobody to look again who was not woken: one side runs until it gets nowhere, then the other', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 300 }),
        position,
        capacity,
        lapses,
        fc.array(element, { maxLength: 30 }),
        (bytes, at, records, times, elements) => {
          const { writer, reader, wakes } = makeRing(bytes, at, records, times)
          const received: StreamElement[] = []
          let next = 0
          const produce = () => {
            while (next < elements.length && writer.offer(elements[next]!)) next++
          }
          const consume = () => {
            for (let polled = reader.poll(); polled !== undefined; polled = reader.poll()) received.push(polled)
          }
          consume()
          produce()
          let served = { consumer: 0, producer: 0 }
          while (wakes.consumer > served.consumer || wakes.producer > served.producer) {
            const due = { ...wakes }
            if (due.consumer > served.consumer) consume()
            if (due.producer > served.producer) produce()
            served = due
          }
          expect(received).toEqual(elements)
        },
      ),
      { numRuns: 1000 },
    )
  })

  it('wraps at every offset, also the head of a frame', () => {
    for (let offset = 0; offset < 64; offset++) {
      const { writer, reader } = makeRing(64, offset)
      const batch = recordBatch(['abc', 'defgh'])
      expect(writer.offer(batch)).toBe(true)
      expect(reader.poll()).toEqual(batch)
    }
  })

  it('carries an element that is larger than the ring in pieces', () => {
    const { writer, reader } = makeRing(16)
    const batch = recordBatch([`${'large'.repeat(1000)}\u20ac`, 1])
    let isTaken = false
    let polled: StreamElement | undefined
    for (let turn = 0; polled === undefined; turn++) {
      isTaken ||= writer.offer(batch)
      polled = reader.poll()
      expect(turn).toBeLessThan(2000)
    }
    expect(isTaken).toBe(true)
    expect(polled).toEqual(batch)
  })

  it('refuses when it is full, and never holds more than its size', () => {
    const { writer, reader, words } = makeRing(64)
    const event: StreamElement = { kind: 'watermark', timestamp: 1 }
    let taken = 0
    while (writer.offer(event)) taken++
    expect(writer.hasRoom()).toBe(false)
    expect(words[WORD.written]! - words[WORD.taken]!).toBe(64)
    while (reader.poll() !== undefined) taken--
    expect(taken).toBe(0)
    expect(writer.hasRoom()).toBe(true)
    expect(writer.offer(event)).toBe(true)
    expect(reader.poll()).toEqual(event)
  })

  it('holds at most its capacity of records, which the last element may exceed, however few bytes they take', () => {
    fc.assert(
      fc.property(capacity, fc.array(element, { minLength: 1, maxLength: 60 }), (records, elements) => {
        const { writer, reader } = makeRing(1 << 16, 0, records)
        const waiting: number[] = []
        const onTheWay = () => waiting.reduce((sum, weight) => sum + weight, 0)
        for (const next of elements) {
          const isFull = onTheWay() >= records
          expect(writer.hasRoom()).toBe(!isFull)
          expect(writer.offer(next)).toBe(!isFull)
          if (isFull) {
            while (onTheWay() >= records) {
              expect(reader.poll()).toBeDefined()
              waiting.shift()
            }
            expect(writer.offer(next)).toBe(true)
          }
          waiting.push(next.kind === 'records' ? next.values.length : 1)
        }
      }),
    )
  })

  it('allows what its consumer takes in 10 ms, by what it took in the last 10 ms or more: never less than the capacity, at most eight times as much', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 8 }),
        lapses,
        fc.array(fc.nat({ max: 60 }), { minLength: 50, maxLength: 100 }),
        (records, times, takes) => {
          const { writer, reader } = makeRing(1 << 16, 0, records, times)
          const clock = clockOf(times)
          let since = clock.monotonic()
          let [taken, credit, onTheWay] = [0, records, 0]
          const one = recordBatch([0])
          for (const take of takes) {
            while (writer.offer(one)) onTheWay++
            // A credit that was taken back is not asked for.
            expect(onTheWay).toBeGreaterThanOrEqual(credit)
            for (let count = Math.min(take, onTheWay); count > 0; count--) {
              reader.poll()
              onTheWay--
              taken++
              const now = clock.monotonic()
              if (now - since < 10) continue
              credit = Math.min(Math.max(records, Math.ceil((taken * 10) / (now - since))), records * 8)
              ;[taken, since] = [0, now]
            }
            expect(writer.hasRoom()).toBe(onTheWay < credit)
          }
        },
      ),
      { numRuns: 500 },
    )
  })

  it('holds no more records than the memory bound allows, with a consumer that falls behind', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 64 }), fc.integer({ min: 1, max: 16 }), (channelCapacity, batchSize) => {
        const { writer, reader } = makeRing(1 << 16, 0, channelCapacity)
        const edge = new EdgeWriter([writer], () => 0, batchSize)
        const inFlight = new InFlight()
        const produce = () => {
          if (!edge.drain()) return
          edge.write(recordBatch(Array.from({ length: batchSize }, () => inFlight.enter())))
        }
        for (let turn = 0; turn < 400; turn++) {
          produce()
          const element = turn % 3 === 0 ? reader.poll() : undefined
          if (element?.kind === 'records') element.values.forEach(() => inFlight.leave())
        }
        const bound = inFlightBound({ channels: 1, tasks: 0, chainLength: 0, channelCapacity, batchSize })
        expect(inFlight.most).toBeLessThanOrEqual(bound)
        expect(inFlight.most).toBeGreaterThanOrEqual(channelCapacity)
      }),
    )
  })

  it('counts the records of an element that comes in pieces once', () => {
    const { writer, reader } = makeRing(1024, 0, 4)
    const large = recordBatch(['large'.repeat(1000), 'larger'.repeat(1000)])
    let isTaken = false
    for (let polled: StreamElement | undefined; polled === undefined; polled = reader.poll())
      isTaken = writer.offer(large)
    expect(isTaken).toBe(true)
    const small = recordBatch([1, 1])
    expect([writer.offer(small), writer.offer(small), writer.offer(small)]).toEqual([true, true, false])
    expect(reader.poll()).toEqual(small)
    expect([writer.offer(small), writer.offer(small)]).toEqual([true, false])
  })

  it('wakes the producer when half of the records are taken, once', () => {
    const { writer, reader, wakes } = makeRing(1 << 16, 0, 100)
    const batch = recordBatch([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    while (writer.offer(batch));
    for (const [polls, expected] of [
      [4, 0],
      [1, 1],
      [5, 1],
    ] as const) {
      for (let poll = 0; poll < polls; poll++) reader.poll()
      expect(wakes.producer).toBe(expected)
    }
    expect(reader.poll()).toBeUndefined()
  })

  it('wakes only who waits: no call for each element while both sides are busy', () => {
    const { writer, reader, wakes } = makeRing(1 << 16)
    const batch = recordBatch(['a', 'b'])
    for (let round = 0; round < 100; round++) {
      writer.offer(batch)
      writer.offer(batch)
      reader.poll()
    }
    expect(wakes).toEqual({ consumer: 0, producer: 0 })
    while (reader.poll() !== undefined);
    writer.offer(batch)
    writer.offer(batch)
    expect(wakes).toEqual({ consumer: 1, producer: 0 })
  })

  it('wakes the producer when half of the ring is free, once', () => {
    const { writer, reader, words, wakes } = makeRing(1024)
    const event: StreamElement = { kind: 'status', idle: true }
    while (writer.offer(event));
    while (wakes.producer === 0) reader.poll()
    expect((words[WORD.written]! - words[WORD.taken]!) >>> 0).toBeLessThanOrEqual(512)
    expect((words[WORD.written]! - words[WORD.taken]!) >>> 0).toBeGreaterThan(480)
    while (reader.poll() !== undefined);
    expect(wakes.producer).toBe(1)
  })

  it('sends nothing of a batch that it refuses to encode', () => {
    const { writer, reader } = makeRing(1024)
    expect(() => writer.offer(recordBatch([1, () => 1]))).toThrow(/A record of from .*function/)
    expect(reader.isEmpty()).toBe(true)
    expect(writer.offer(recordBatch([2]))).toBe(true)
    expect((reader.poll() as RecordBatch).values).toEqual([2])
  })

  it('does not take memory that is no ring, and keeps words that different threads write in different cache lines', () => {
    const options = { decoder, wakeProducer: () => {}, clock: clockOf([0]) }
    expect(() => new RingReader(new SharedArrayBuffer(1024), options)).toThrow(/no ring/)
    const { layout, capacity, recordsWritten, recordsTaken, credit, ...written } = WORD
    expect([capacity, recordsWritten, recordsTaken, credit].map((word) => word >> 4)).toEqual(
      [layout, WORD.written, WORD.taken, WORD.taken].map((word) => word >> 4),
    )
    const lines = Object.values(written).map((word) => word >> 4)
    expect(new Set([layout >> 4, ...lines]).size).toBe(lines.length + 1)
    expect(createRing(100, 1).byteLength).toBe(HEADER_BYTES + 128)
  })
})
