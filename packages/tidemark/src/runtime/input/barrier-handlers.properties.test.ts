import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ArrivalGate, classicSizeOf, inputIndexOf } from '../../testing/barrier-vectors/arrival-gate.ts'
import type { Arrival, BarrierVector } from '../../testing/barrier-vectors/barrier-vector.ts'
import { replayVector } from '../../testing/barrier-vectors/replay-vector.ts'
import { BarrierBuffer } from './barrier-buffer.ts'
import { BarrierTracker } from './barrier-tracker.ts'
import type { CheckpointBarrierHandler } from './contract.ts'
import { referenceBarrierBuffer, referenceBarrierTracker } from '../../testing/barrier-vectors/reference-handlers.ts'

interface Input {
  readonly channels: number
  readonly arrivals: readonly Arrival[]
}

const RUNS = 3000

/** Anything in any order, only nothing after a channel's end: ids repeat, go back, skip, are cancelled early and late. */
const wildInput: fc.Arbitrary<Input> = fc.integer({ min: 1, max: 4 }).chain((channels) => {
  const step = fc.record({
    what: fc.integer({ min: 0, max: 19 }),
    channel: fc.integer({ min: 0, max: channels - 1 }),
    id: fc.integer({ min: -2, max: 2 }),
    bytes: fc.integer({ min: 4, max: 40 }),
  })
  return fc.array(step, { maxLength: 60 }).map((steps) => {
    const hasEnded = new Set<number>()
    const arrivals: Arrival[] = []
    for (const [at, { what, channel, id: offset, bytes }] of steps.entries()) {
      const id = Math.max(0, Math.floor(at / 6) + offset)
      if (what === 19) arrivals.push({ kind: 'coordinator-abort', id })
      else if (hasEnded.has(channel)) continue
      else if (what < 8) arrivals.push({ kind: 'data', channel, bytes })
      else if (what < 16) arrivals.push({ kind: 'barrier', channel, id })
      else if (what < 18) arrivals.push({ kind: 'cancel', channel, id })
      else {
        hasEnded.add(channel)
        arrivals.push({ kind: 'end', channel })
      }
    }
    return { channels, arrivals }
  })
})

/** The same, and every channel ends. */
const wildEndingInput = wildInput.map(({ channels, arrivals }): Input => {
  const ended = new Set(arrivals.flatMap((arrival) => (arrival.kind === 'end' ? [arrival.channel] : [])))
  const ends = range(channels).filter((channel) => !ended.has(channel))
  return { channels, arrivals: [...arrivals, ...ends.map((channel): Arrival => ({ kind: 'end', channel }))] }
})

/** What reliable upstream tasks send: barriers 1, 2, 3 … in every channel until it ends, interleaved at random. */
const orderlyInput: fc.Arbitrary<Input> = fc
  .array(fc.array(fc.boolean(), { maxLength: 15 }), { minLength: 1, maxLength: 4 })
  .chain((scripts) => {
    const channels = scripts.map((script, channel) => {
      let id = 0
      const arrivals = script.map((isBarrier): Arrival =>
        isBarrier ? { kind: 'barrier', channel, id: ++id } : { kind: 'data', channel, bytes: 10 },
      )
      return [...arrivals, { kind: 'end', channel } as const]
    })
    const slots = channels.flatMap((arrivals, channel) => arrivals.map(() => channel))
    return fc.shuffledSubarray(slots, { minLength: slots.length }).map((order): Input => {
      const next = channels.map(() => 0)
      return { channels: channels.length, arrivals: order.map((channel) => channels[channel]![next[channel]!++]!) }
    })
  })

type Effect =
  | { readonly kind: 'out'; readonly channel: number; readonly index: number }
  | { readonly kind: 'end'; readonly channel: number }
  | { readonly kind: 'trigger'; readonly id: number; readonly blocked: readonly number[] }
  | { readonly kind: 'abort'; readonly id: number }

interface Run {
  readonly effects: readonly Effect[]
  readonly isFinished: boolean
  readonly blockedAtEnd: readonly number[]
}

function run(
  { channels, arrivals }: Input,
  make: (gate: ArrivalGate, monotonic: () => number) => CheckpointBarrierHandler,
): Run {
  const gate = new ArrivalGate(channels, arrivals)
  let now = 0
  const handler = make(gate, () => ++now)
  const effects: Effect[] = []
  handler.registerCheckpointEventHandler({
    onTrigger: ({ checkpoint }) => effects.push({ kind: 'trigger', id: checkpoint, blocked: gate.blockedChannels() }),
    onAbort: (checkpoint) => effects.push({ kind: 'abort', id: checkpoint }),
  })
  for (;;) {
    const next = handler.getNextNonBlocked()
    if (next === null) return { effects, isFinished: true, blockedAtEnd: gate.blockedChannels() }
    if (next === undefined) {
      const checkpoint = gate.takeDueAbort()
      if (checkpoint === undefined) return { effects, isFinished: false, blockedAtEnd: gate.blockedChannels() }
      handler.abort(checkpoint)
    } else {
      const { channel, element } = next
      effects.push(
        element.kind === 'records' ? { kind: 'out', channel, index: inputIndexOf(element) } : { kind: 'end', channel },
      )
    }
  }
}

const BUFFERS: readonly (readonly [
  string,
  (gate: ArrivalGate, monotonic: () => number) => CheckpointBarrierHandler,
])[] = [
  [
    'blocked channels are not read, ends align (production)',
    (gate, monotonic) => new BarrierBuffer({ gate, monotonic, blocked: 'in-channel', endOfPartition: 'aligned' }),
  ],
  [
    'blocked channels are not read, ends abort',
    (gate, monotonic) => new BarrierBuffer({ gate, monotonic, blocked: 'in-channel', endOfPartition: 'abort' }),
  ],
  [
    'blocked channels are stored, ends abort (Flink 1.4)',
    (gate, monotonic) =>
      new BarrierBuffer({ gate, monotonic, blocked: 'stored', endOfPartition: 'abort', sizeOf: classicSizeOf }),
  ],
  [
    'blocked channels are stored up to a limit, ends align',
    (gate, monotonic) =>
      new BarrierBuffer({
        gate,
        monotonic,
        blocked: 'stored',
        endOfPartition: 'aligned',
        sizeOf: classicSizeOf,
        maxBufferedBytes: 150,
      }),
  ],
]
const TRACKER: readonly [string, (gate: ArrivalGate, monotonic: () => number) => CheckpointBarrierHandler] = [
  'tracker (production)',
  (gate, monotonic) => new BarrierTracker({ gate, monotonic, endOfPartition: 'aligned' }),
]

describe.each([...BUFFERS, TRACKER])('%s', (_, make) => {
  it('delivers every element once, in the order of its channel (I1, I2)', () => {
    fc.assert(
      fc.property(wildEndingInput, (input) => {
        const { effects, isFinished, blockedAtEnd } = run(input, make)
        expect({ isFinished, blockedAtEnd }).toEqual({ isFinished: true, blockedAtEnd: [] })
        for (const channel of range(input.channels)) {
          const delivered = effects.filter((effect) => 'channel' in effect && effect.channel === channel)
          expect(delivered).toEqual([...dataOf(input, channel), { kind: 'end', channel }])
        }
      }),
      { numRuns: RUNS },
    )
  })

  it('triggers increasing ids, and ends each checkpoint at most once, by trigger or by abort (I4)', () => {
    fc.assert(
      fc.property(wildInput, (input) => {
        const { effects } = run(input, make)
        const triggered = effects.flatMap((effect) => (effect.kind === 'trigger' ? [effect.id] : []))
        expect(triggered).toEqual([...new Set(triggered)].sort((a, b) => a - b))
        const over = effects.flatMap((effect) =>
          effect.kind === 'trigger' || effect.kind === 'abort' ? [effect.id] : [],
        )
        expect(over).toHaveLength(new Set(over).size)
      }),
      { numRuns: RUNS },
    )
  })

  it('never triggers or aborts what it heard nothing of', () => {
    fc.assert(
      fc.property(wildInput, (input) => {
        const heard = new Set(input.arrivals.flatMap((arrival) => ('id' in arrival ? [arrival.id] : [])))
        const barriers = new Set(input.arrivals.flatMap((arrival) => (arrival.kind === 'barrier' ? [arrival.id] : [])))
        for (const effect of run(input, make).effects) {
          if (effect.kind === 'abort') expect(heard).toContain(effect.id)
          if (effect.kind === 'trigger') expect(barriers).toContain(effect.id)
        }
      }),
      { numRuns: 500 },
    )
  })
})

describe.each(BUFFERS)('%s', (policies, make) => {
  it('delivers nothing of a channel between its barrier and the end of that checkpoint; a trigger finds no channel blocked (I3)', () => {
    fc.assert(
      // Where blocked channels are stored every channel ends: a gate that ends in the middle of an alignment hands out what was stored without an abort
      // (Flink 1.4), so nothing separates what comes after.
      fc.property(policies.includes('stored') ? wildEndingInput : wildInput, (input) => {
        const { effects } = run(input, make)
        for (const [at, effect] of effects.entries()) {
          if (effect.kind === 'trigger') expect(effect.blocked).toEqual([])
          if (effect.kind !== 'trigger' && effect.kind !== 'abort') continue
          for (const channel of range(input.channels)) {
            const delivered = dataUpTo(effects, at, channel)
            const before = dataOf(input, channel, effect.id)
            expect(delivered.length).toBeLessThanOrEqual(before.length)
            // A snapshot holds everything before the barrier, of every channel: the cut is consistent.
            if (effect.kind === 'trigger') expect(delivered).toEqual(before)
          }
        }
      }),
      { numRuns: RUNS },
    )
  })

  it('stops only when what is left waits in blocked channels for others that are empty', () => {
    fc.assert(
      fc.property(wildInput, (input) => {
        const { isFinished, blockedAtEnd } = run(input, make)
        expect(isFinished).toBe(blockedAtEnd.length === 0)
        if (!isFinished) expect(blockedAtEnd.length).toBeLessThan(input.channels)
      }),
      { numRuns: RUNS },
    )
  })
})

describe('with ends that align and channels that send every barrier until they end', () => {
  const exactlyOnce = BUFFERS[0]![1]

  it('the buffer triggers every checkpoint and aborts none', () => {
    fc.assert(
      fc.property(orderlyInput, (input) => {
        const { effects } = run(input, exactlyOnce)
        const over = effects.filter((effect) => effect.kind === 'trigger' || effect.kind === 'abort')
        expect(over).toEqual(
          range(newestBarrier(input)).map((index) => ({ kind: 'trigger', id: index + 1, blocked: [] })),
        )
      }),
      { numRuns: RUNS },
    )
  })

  it('the tracker triggers the newest checkpoint and aborts none', () => {
    fc.assert(
      fc.property(orderlyInput, (input) => {
        const { effects } = run(input, TRACKER[1])
        const over = effects.filter((effect) => effect.kind === 'trigger' || effect.kind === 'abort')
        const newest = newestBarrier(input)
        expect(over.at(-1)?.id ?? 0).toBe(newest)
        expect(over.every((effect) => effect.kind === 'trigger')).toBe(true)
      }),
      { numRuns: RUNS },
    )
  })
})

describe('the tracker', () => {
  it('never blocks and never reorders: data comes out as it comes in', () => {
    fc.assert(
      fc.property(wildInput, (input) => {
        const { effects, isFinished } = run(input, TRACKER[1])
        expect(isFinished).toBe(true)
        const delivered = effects.filter((effect) => effect.kind === 'out')
        expect(delivered.map(({ index }) => index)).toEqual(
          input.arrivals.flatMap(({ kind }, index) => (kind === 'data' ? [index] : [])),
        )
      }),
      { numRuns: RUNS },
    )
  })

  it('triggers only when every channel has sent its barrier or is at its end', () => {
    fc.assert(
      fc.property(wildEndingInput, (input) => {
        const { effects } = run(input, TRACKER[1])
        for (const [at, effect] of effects.entries()) {
          if (effect.kind !== 'trigger') continue
          for (const channel of range(input.channels)) {
            // At least everything before the barrier is in the snapshot: nothing can be lost.
            expect(dataUpTo(effects, at, channel).length).toBeGreaterThanOrEqual(
              dataOf(input, channel, effect.id).length,
            )
          }
        }
      }),
      { numRuns: RUNS },
    )
  })
})

describe('against a second, naive implementation of the algorithm of Flink 1.4', () => {
  const limit = fc.oneof(fc.constant(-1), fc.integer({ min: 30, max: 300 }))

  it('the buffer has the same effects, and the replay knows where Flink reports otherwise', () => {
    fc.assert(
      fc.property(wildInput, limit, (input, maxBufferedBytes) => {
        const vector = classic('buffer', input, maxBufferedBytes)
        const { lines } = replayVector(vector)
        expect(lines.map(({ text }) => text)).toEqual(referenceBarrierBuffer(vector, 'ours'))
        expect(lines.map((line) => line.wrongInFlink ?? line.sameInFlink ?? line.text)).toEqual(
          referenceBarrierBuffer(vector, 'flink'),
        )
      }),
      { numRuns: 3 * RUNS },
    )
  })

  it('the tracker has the same effects', () => {
    fc.assert(
      fc.property(wildInput, (input) => {
        const vector = classic('tracker', input, -1)
        expect(replayVector(vector).lines.map(({ text }) => text)).toEqual(referenceBarrierTracker(vector))
      }),
      { numRuns: 3 * RUNS },
    )
  })
})

function dataUpTo(effects: readonly Effect[], at: number, channel: number): readonly Effect[] {
  return effects.slice(0, at).filter((effect) => effect.kind === 'out' && effect.channel === channel)
}

/** The data of a channel; with `before`, only what comes before its first barrier of that checkpoint. */
function dataOf({ arrivals }: Input, channel: number, before?: number): readonly Effect[] {
  const effects: Effect[] = []
  for (const [index, arrival] of arrivals.entries()) {
    if (arrival.kind === 'coordinator-abort' || arrival.channel !== channel) continue
    if (arrival.kind === 'barrier' && arrival.id === before) return effects
    if (arrival.kind === 'data') effects.push({ kind: 'out', channel, index })
  }
  return effects
}

function newestBarrier({ arrivals }: Input): number {
  return Math.max(0, ...arrivals.flatMap((arrival) => (arrival.kind === 'barrier' ? [arrival.id] : [])))
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index)
}

function classic(
  handler: 'buffer' | 'tracker',
  { channels, arrivals }: Input,
  maxBufferedBytes: number,
): BarrierVector {
  return {
    name: 'random',
    line: 1,
    handler,
    channels,
    maxBufferedBytes,
    policies: { blocked: 'stored', endOfPartition: handler === 'buffer' ? 'abort' : 'ignored' },
    input: [],
    arrivals: arrivals.filter(({ kind }) => kind !== 'coordinator-abort'),
    expected: [],
    error: null,
  }
}
