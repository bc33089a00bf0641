import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { recordBatch, type StreamElement } from '../../core/element.ts'
import { LocalChannel } from './local-channel.ts'

/** A batch of so many records; each element is told apart by its first value. */
const element = (id: number, size: number): StreamElement =>
  size === 0 ? { kind: 'watermark', timestamp: id } : recordBatch(Array.from({ length: size }, () => id))

const weight = (size: number) => Math.max(1, size)

describe('a local channel', () => {
  it('delivers what it took, once and in order, and never holds more than its capacity and one element', () => {
    const steps = fc.array(fc.oneof(fc.record({ offer: fc.nat(5) }), fc.constant('poll' as const)), { maxLength: 200 })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), steps, (capacity, commands) => {
        const channel = new LocalChannel(
          capacity,
          () => {},
          () => {},
        )
        const model: { element: StreamElement; weight: number }[] = []
        let next = 0
        for (const command of commands) {
          const queued = model.reduce((sum, entry) => sum + entry.weight, 0)
          expect(channel.hasRoom()).toBe(queued < capacity)
          expect(channel.isEmpty()).toBe(model.length === 0)
          if (command === 'poll') {
            expect(channel.poll()).toBe(model.shift()?.element)
            continue
          }
          const offered = element(next++, command.offer)
          expect(channel.offer(offered)).toBe(queued < capacity)
          if (queued < capacity) model.push({ element: offered, weight: weight(command.offer) })
        }
      }),
    )
  })

  it('wakes the consumer at every element and the producer when a full channel gets room', () => {
    const calls: string[] = []
    const channel = new LocalChannel(
      2,
      () => calls.push('data'),
      () => calls.push('room'),
    )
    channel.offer(element(1, 1))
    channel.offer(element(2, 1))
    expect(channel.offer(element(3, 1))).toBe(false)
    channel.poll()
    channel.poll()
    expect(calls).toEqual(['data', 'data', 'room'])
  })
})
