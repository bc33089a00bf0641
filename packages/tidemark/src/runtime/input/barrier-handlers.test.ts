import { describe, expect, it } from 'vitest'
import type { CheckpointMode } from '../../core/options.ts'
import { checkpointId } from '../../core/ids.ts'
import { ArrivalGate, classicSizeOf } from '../../testing/barrier-vectors/arrival-gate.ts'
import type { Arrival } from '../../testing/barrier-vectors/barrier-vector.ts'
import { BarrierBuffer } from './barrier-buffer.ts'
import type { CheckpointBarrierHandler, CheckpointListener } from './contract.ts'
import { createBarrierHandler } from './create-barrier-handler.ts'

const data = (channel: number): Arrival => ({ kind: 'data', channel, bytes: 10 })
const barrier = (id: number, channel: number): Arrival => ({ kind: 'barrier', channel, id })
const barriersOfBoth = (id: number): Arrival[] => [barrier(id, 0), barrier(id, 1)]
const end = (channel: number): Arrival => ({ kind: 'end', channel })

const DEAF: CheckpointListener = { onTrigger: () => {}, onAbort: () => {} }
const MODES: readonly CheckpointMode[] = ['exactly-once', 'at-least-once']

class SteppedTime {
  now = 0
  readonly read = (): number => this.now
}

function storing(arrivals: readonly Arrival[]): BarrierBuffer {
  const gate = new ArrivalGate(2, arrivals)
  const handler = new BarrierBuffer({
    gate,
    monotonic: () => 0,
    blocked: 'stored',
    endOfPartition: 'abort',
    sizeOf: classicSizeOf,
  })
  handler.registerCheckpointEventHandler(DEAF)
  return handler
}

function drain(handler: CheckpointBarrierHandler): number {
  let delivered = 0
  for (;;) {
    const next = handler.getNextNonBlocked()
    if (next === null || next === undefined) return delivered
    delivered++
  }
}

describe.each(MODES)('the handler for %s', (mode) => {
  const make = (channels: number, arrivals: readonly Arrival[]): CheckpointBarrierHandler =>
    createBarrierHandler(mode, { gate: new ArrivalGate(channels, arrivals), monotonic: () => 0 })

  it('has one listener', () => {
    const handler = make(1, [])
    handler.registerCheckpointEventHandler(DEAF)
    expect(() => handler.registerCheckpointEventHandler(DEAF)).toThrow('one listener')
  })

  it('says null again and again once everything has ended', () => {
    const handler = make(2, [end(0), end(1)])
    handler.registerCheckpointEventHandler(DEAF)
    expect(drain(handler)).toBe(2)
    expect([handler.getNextNonBlocked(), handler.getNextNonBlocked()]).toEqual([null, null])
  })

  it('keeps nothing back, and can be cleaned up twice', () => {
    const handler = make(2, [barrier(1, 0), data(0), data(1)])
    handler.registerCheckpointEventHandler(DEAF)
    drain(handler)
    expect(handler.isEmpty()).toBe(true)
    handler.cleanup()
    handler.cleanup()
  })

  it('lets what the listener throws out of the call, and goes on behind the barrier', () => {
    const handler = make(2, [barrier(1, 0), barrier(1, 1), data(0), end(0), end(1)])
    const failure = new Error('snapshot failed')
    handler.registerCheckpointEventHandler({
      ...DEAF,
      onTrigger: () => {
        throw failure
      },
    })
    expect(() => handler.getNextNonBlocked()).toThrow(failure)
    expect(drain(handler)).toBe(3)
  })

  it('hands over the barrier, with its timestamp and options', () => {
    const handler = make(1, [data(0), barrier(4, 0)])
    const seen: unknown[] = []
    handler.registerCheckpointEventHandler({ ...DEAF, onTrigger: (...call) => seen.push(call) })
    drain(handler)
    expect(seen).toEqual([
      [
        expect.objectContaining({
          kind: 'barrier',
          checkpoint: 4,
          timestamp: 1,
          options: expect.anything() as unknown,
        }),
        { alignmentMs: 0, bytesBuffered: 0 },
      ],
    ])
  })

  it('remembers a bounded number of checkpoints that the coordinator aborted early, and rather ignores one than waits for it', () => {
    // 2 is forgotten by the time its barriers come.
    const handler = make(2, [2, 60, 61, 62].flatMap(barriersOfBoth))
    const triggered: number[] = []
    handler.registerCheckpointEventHandler({ ...DEAF, onTrigger: ({ checkpoint }) => triggered.push(checkpoint) })
    for (let id = 2; id <= 61; id++) handler.abort(checkpointId(id))
    drain(handler)
    expect(triggered).toEqual([62])
  })

  it('measures from the first barrier to the last', () => {
    const time = new SteppedTime()
    const gate = new ArrivalGate(2, [barrier(1, 0), data(1), barrier(1, 1), data(0)])
    const handler = createBarrierHandler(mode, { gate, monotonic: time.read })
    const measured: number[] = []
    handler.registerCheckpointEventHandler({ ...DEAF, onTrigger: (_, { alignmentMs }) => measured.push(alignmentMs) })
    time.now = 100
    handler.getNextNonBlocked()
    time.now = 130
    expect(handler.getAlignmentDurationMs()).toBe(30)
    time.now = 150
    handler.getNextNonBlocked()
    time.now = 200
    expect(measured).toEqual([50])
    expect(handler.getAlignmentDurationMs()).toBe(50)
  })
})

describe('the alignment time', () => {
  it('is 0 when a checkpoint needed no alignment or was cancelled before one began, whatever the one before took', () => {
    const time = new SteppedTime()
    const aligned = [barrier(1, 0), barrier(1, 1)]
    const gate = new ArrivalGate(2, [...aligned, { kind: 'cancel', channel: 0, id: 2 }, data(0), end(1), barrier(3, 0)])
    const handler = createBarrierHandler('exactly-once', { gate, monotonic: () => ++time.now })
    const measured: number[] = []
    handler.registerCheckpointEventHandler({
      onTrigger: (_, { alignmentMs }) => measured.push(alignmentMs),
      onAbort: () => measured.push(handler.getAlignmentDurationMs()),
    })
    drain(handler)
    expect(measured).toEqual([1, 0, 0])
    expect(handler.getAlignmentDurationMs()).toBe(0)
  })

  it('does not carry over from an alignment to a checkpoint that needs none', () => {
    const time = new SteppedTime()
    const gate = new ArrivalGate(2, [barrier(1, 0), barrier(1, 1), end(1), barrier(2, 0)])
    const handler = createBarrierHandler('exactly-once', { gate, monotonic: () => ++time.now })
    const measured: number[] = []
    handler.registerCheckpointEventHandler({ ...DEAF, onTrigger: (_, { alignmentMs }) => measured.push(alignmentMs) })
    drain(handler)
    expect(measured).toEqual([1, 0])
  })
})

describe('an abort by the coordinator', () => {
  it('unblocks at once, from outside the stream', () => {
    const gate = new ArrivalGate(2, [barrier(1, 0), data(0)])
    const handler = createBarrierHandler('exactly-once', { gate, monotonic: () => 0 })
    const aborted: unknown[] = []
    handler.registerCheckpointEventHandler({ ...DEAF, onAbort: (...call) => aborted.push(call) })
    expect(handler.getNextNonBlocked()).toBe(undefined)
    expect(gate.blockedChannels()).toEqual([0])
    handler.abort(checkpointId(1))
    expect(gate.blockedChannels()).toEqual([])
    expect(aborted).toEqual([[1, 'aborted-by-coordinator']])
    expect(handler.getNextNonBlocked()).toMatchObject({ channel: 0, element: { kind: 'records' } })
  })
})

describe('stored elements', () => {
  const arrivals = [barrier(1, 0), data(0), data(0), data(1), barrier(1, 1), end(0), end(1)]

  it('make the handler not empty exactly while they are being read back (I6)', () => {
    const handler = storing(arrivals)
    const isEmpty: boolean[] = []
    while (handler.getNextNonBlocked() !== null) isEmpty.push(handler.isEmpty())
    // Data of the open channel; two stored; two ends.
    expect(isEmpty).toEqual([true, false, false, true, true])
  })

  it('are gone after cleanup, those being read and those being stored (I5)', () => {
    const reading = storing(arrivals)
    reading.getNextNonBlocked()
    reading.getNextNonBlocked()
    expect(reading.isEmpty()).toBe(false)
    reading.cleanup()
    expect(reading.isEmpty()).toBe(true)
    expect(reading.getNextNonBlocked()).toMatchObject({ element: { kind: 'end-of-partition' } })

    const open = storing([barrier(1, 0), data(0), data(1), end(1), end(0)])
    expect(open.getNextNonBlocked()).toMatchObject({ channel: 1 })
    open.cleanup()
    expect(drain(open)).toBe(2)
  })
})

describe('a limit for stored elements', () => {
  it.each([0, -2, Number.NaN])('of %d is refused', (maxBufferedBytes) => {
    const options = { gate: new ArrivalGate(1, []), monotonic: () => 0, sizeOf: classicSizeOf, maxBufferedBytes }
    expect(() => new BarrierBuffer({ ...options, blocked: 'stored', endOfPartition: 'abort' })).toThrow(
      'maxBufferedBytes',
    )
  })
})
