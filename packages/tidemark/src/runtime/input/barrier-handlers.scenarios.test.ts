import { describe, expect, it } from 'vitest'
import { type BarrierVector, parseBarrierVectors } from '../../testing/barrier-vectors/barrier-vector.ts'
import { replayVector } from '../../testing/barrier-vectors/replay-vector.ts'

type Policies = 'production' | 'Flink 1.4'
const SUBSUMED = 'CheckpointDeclineSubsumedException'
const CANCELLED = 'CheckpointDeclineOnCancellationBarrierException'
const LIMIT = 'AlignmentLimitExceededException'

function replay(
  handler: BarrierVector['handler'],
  channels: number,
  input: string,
  { policies = 'production', maxBufferedBytes = -1 }: { policies?: Policies; maxBufferedBytes?: number } = {},
): { effects: string[]; calls: string[] } {
  const production = { policies: { blocked: 'in-channel', endOfPartition: 'aligned' } }
  const vector = { name: 'scenario', handler, channels, maxBufferedBytes, input: input.split(' '), expected: [] }
  const [parsed] = parseBarrierVectors(
    JSON.stringify({ ...vector, ...(policies === 'production' ? production : {}) }),
    'scenario',
  )
  const { lines, error } = replayVector(parsed!)
  expect(error).toBe(null)
  const effects = lines.map(({ text }) => text)
  return { effects, calls: effects.filter((effect) => !effect.startsWith('OUT')) }
}

const trigger = (id: number, bytes = 0): string => `TRIGGER ${id} buffered=${bytes}`
const out = (index: number, channel: number): string => `OUT ${index} ch${channel}`
const end = (channel: number): string => `OUT EOP ch${channel}`

describe('Scenario 1: alignment, basic and queued', () => {
  // Channel 0 runs ahead by up to four barriers.
  const input =
    'b0 B1@0 b0 B2@0 b0 B3@0 B4@0 b1 b2 B1@1 b1 B1@2 b2 B2@2 B2@1 b2 b1 B3@1 b1 B3@2 B4@1 B5@0 b0 B4@2 B5@2 b2 B5@1 E0 E1 E2'

  it('aligned: five checkpoints in order, each cut between what is before and behind its barriers', () => {
    const { effects, calls } = replay('buffer', 3, input)
    expect(calls).toEqual([1, 2, 3, 4, 5].map((id) => trigger(id)))
    const firstTrigger = effects.indexOf(trigger(1))
    expect(effects.slice(0, firstTrigger)).toEqual([out(0, 0), out(7, 1), out(8, 2)])
    expect(effects.slice(firstTrigger + 1, effects.indexOf(trigger(2)))).toEqual([out(2, 0), out(10, 1), out(12, 2)])
    expect(effects.slice(-3)).toEqual([end(0), end(1), end(2)])
  })

  it('aligned, stored: the same triggers, and each reports the bytes that its alignment stored', () => {
    const { calls } = replay('buffer', 3, 'B1@0 b0:100 B1@1 b1:50 b0:7 B1@2 B2@2 b2:20 B2@1 B2@0 E0 E1 E2', {
      policies: 'Flink 1.4',
    })
    expect(calls).toEqual([trigger(1, 9 * 3 + 157), trigger(2, 29)])
    expect(replay('buffer', 3, input, { policies: 'Flink 1.4' }).calls).toHaveLength(5)
  })

  it('tracker: the same checkpoints in order, and data in the order in which it came', () => {
    const { effects, calls } = replay('tracker', 3, input)
    expect(calls).toEqual([1, 2, 3, 4, 5].map((id) => trigger(id)))
    const data = input
      .split(' ')
      .flatMap((entry, index) => (entry.startsWith('b') ? [out(index, Number(entry[1]))] : []))
    expect(effects.filter((effect) => /^OUT \d/.test(effect))).toEqual(data)
  })
})

describe('Scenario 2: skipped, jumped and late checkpoints', () => {
  const ends = 'E0 E1 E2'

  it.each<Policies>(['production', 'Flink 1.4'])(
    'aligned, %s: a checkpoint skipped by one channel is aborted, the next triggers',
    (policies) => {
      const skipped = `B1@0 B1@1 B1@2 B2@0 B2@1 B3@2 b2 B3@0 B3@1 ${ends}`
      expect(replay('buffer', 3, skipped, { policies }).calls).toEqual(
        [trigger(1), `ABORT 2 ${SUBSUMED}`, trigger(3)].map((call) =>
          policies === 'Flink 1.4' && call === trigger(3) ? trigger(3, 19) : call,
        ),
      )
    },
  )

  it.each<Policies>(['production', 'Flink 1.4'])('aligned, %s: ids are jumped over', (policies) => {
    const jumped = `B2@0 B2@2 B4@1 B4@0 B4@2 b0 ${ends}`
    expect(replay('buffer', 3, jumped, { policies }).calls).toEqual([`ABORT 2 ${SUBSUMED}`, trigger(4)])
  })

  it.each<Policies>(['production', 'Flink 1.4'])(
    'aligned, %s: a checkpoint jumped over behind a blocked channel is old when it is seen',
    (policies) => {
      const jumped = `B1@0 B2@0 B1@1 B3@2 B3@0 b0 B3@1 ${ends}`
      const { calls } = replay('buffer', 3, jumped, { policies })
      expect(calls.map((call) => call.split(' ').slice(0, 2).join(' '))).toEqual(['ABORT 1', 'TRIGGER 3'])
    },
  )

  it('tracker: an older checkpoint still completes after the first barrier of a newer one', () => {
    expect(replay('tracker', 3, `B3@0 B3@1 B4@0 B3@2 B4@1 B4@2 ${ends}`).calls).toEqual([trigger(3), trigger(4)])
  })

  it('tracker: an older checkpoint does not complete after a newer one has', () => {
    expect(replay('tracker', 3, `B3@0 B3@1 B4@2 B4@1 B4@0 B3@2 ${ends}`).calls).toEqual([trigger(4)])
  })
})

describe('Scenario 3: cancellation markers', () => {
  describe.each<[BarrierVector['handler'], Policies]>([
    ['buffer', 'production'],
    ['buffer', 'Flink 1.4'],
    ['tracker', 'production'],
    ['tracker', 'Flink 1.4'],
  ])('%s, %s', (handler, policies) => {
    const calls = (channels: number, input: string): string[] => replay(handler, channels, input, { policies }).calls

    it('one channel: one abort, and the next id works', () => {
      expect(calls(1, 'b0 B1@0 C2@0 b0 B3@0')).toEqual([trigger(1), `ABORT 2 ${CANCELLED}`, trigger(3)])
    })

    it('before any barrier, from all channels: one abort', () => {
      expect(calls(3, 'C1@0 C1@1 b2 C1@2 B2@0 B2@1 B2@2')).toEqual([`ABORT 1 ${CANCELLED}`, trigger(2)])
    })

    it('during the checkpoint, then its other barriers: one abort, no channel stays blocked', () => {
      const input = 'B1@0 C1@1 B1@2 b0 b1 b2 B2@0 B2@1 B2@2'
      expect(calls(3, input)).toEqual([`ABORT 1 ${CANCELLED}`, trigger(2)])
      expect(replay(handler, 3, input, { policies }).effects).toEqual(
        expect.arrayContaining([out(3, 0), out(4, 1), out(5, 2)]),
      )
    })

    it('for a checkpoint that is over: nothing', () => {
      expect(calls(2, 'B1@0 B1@1 C1@0 B2@0 B2@1')).toEqual([trigger(1), trigger(2)])
    })

    it('missing on some channels: the next checkpoint works', () => {
      expect(calls(3, 'B1@0 C1@1 B2@1 B2@0 B2@2')).toEqual([`ABORT 1 ${CANCELLED}`, trigger(2)])
    })

    it('queued behind the barrier of the checkpoint before: both are settled, one after the other', () => {
      expect(calls(2, 'B1@0 C2@0 B1@1 B2@1 B3@0 B3@1')).toEqual(
        // The tracker sees the marker at once; it ends everything older.
        handler === 'tracker'
          ? [`ABORT 1 ${CANCELLED}`, `ABORT 2 ${CANCELLED}`, trigger(3)]
          : [policies === 'production' ? trigger(1) : trigger(1, 21), `ABORT 2 ${CANCELLED}`, trigger(3)],
      )
    })
  })

  it.each<Policies>(['production', 'Flink 1.4'])(
    'aligned, %s: a marker for a newer id names the old and the new, each once',
    (policies) => {
      const { calls } = replay('buffer', 3, 'B1@0 B1@1 C2@2 B2@0 B2@1 B3@0 B3@1 B3@2', { policies })
      expect(calls).toEqual([`ABORT 1 ${SUBSUMED}`, `ABORT 2 ${CANCELLED}`, trigger(3)])
    },
  )
})

describe('Scenario 4: alignment limit (only where blocked channels are stored)', () => {
  it('passing 1000 bytes aborts, releases everything in order, and the last barrier of that checkpoint is ignored', () => {
    const input = 'B7@0 b0:100 B7@1 b0:300 b1:100 b2:20 b1:200 b0:200 b1:200 b2:9 B7@2 b0 E0 E1 E2'
    const { effects } = replay('buffer', 3, input, { policies: 'Flink 1.4', maxBufferedBytes: 1000 })
    expect(effects).toEqual([
      out(5, 2),
      `ABORT 7 ${LIMIT}`,
      out(1, 0),
      out(3, 0),
      out(4, 1),
      out(6, 1),
      out(7, 0),
      out(8, 1),
      out(9, 2),
      out(11, 0),
      end(0),
      end(1),
      end(2),
    ])
  })

  it('with a queued barrier: the first is aborted at 500 bytes, the queued one triggers later', () => {
    const input = 'B3@0 B3@1 b0:100 B4@0 b1:100 b0:100 b1:200 B4@1 b2 B4@2 E0 E1 E2'
    const { calls } = replay('buffer', 3, input, { policies: 'Flink 1.4', maxBufferedBytes: 500 })
    expect(calls.map((call) => call.split(' ').slice(0, 2).join(' '))).toEqual(['ABORT 3', 'TRIGGER 4'])
  })
})

describe('Scenario 5: massive random', () => {
  it.each<[BarrierVector['handler'], Policies]>([
    ['buffer', 'production'],
    ['buffer', 'Flink 1.4'],
    ['tracker', 'production'],
  ])(
    '%s, %s: 200,000 elements of two channels, barriers regular in one and irregular in the other',
    (handler, policies) => {
      const input: string[] = []
      let seed = 42
      const ids = [0, 0]
      let regular = 0
      for (let at = 0; at < 200_000; at++) {
        seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0
        const channel = (seed >>> 16) & 1
        const isBarrier = channel === 0 ? ++regular % 500 === 0 : (seed >>> 4) % 500 === 0
        input.push(isBarrier ? `B${++ids[channel]!}@${channel}` : `b${channel}`)
      }
      const { effects, calls } = replay(handler, 2, [...input, 'E0', 'E1'].join(' '), { policies })
      const data = input.filter((entry) => entry.startsWith('b')).length
      expect(effects.filter((effect) => effect.startsWith('OUT'))).toHaveLength(data + 2)
      const triggered = calls.flatMap((call) => (call.startsWith('TRIGGER') ? [Number(call.split(' ')[1])] : []))
      expect(triggered).toEqual([...new Set(triggered)].sort((a, b) => a - b))
      // The end of a channel aborts one alignment in Flink 1.4; otherwise whatever both channels sent is triggered.
      expect(triggered.length).toBeGreaterThanOrEqual(Math.min(...ids) - (policies === 'Flink 1.4' ? 1 : 0))
      expect(Math.min(...ids)).toBeGreaterThan(100)
    },
  )
})

describe('Scenario 6: checkpoints after inputs end', () => {
  it.each<[BarrierVector['handler'], string[]]>([
    ['buffer', [trigger(1), end(2)]],
    ['tracker', [trigger(1), end(2)]],
  ])('%s: the end of the last channel completes the checkpoint', (handler, expected) => {
    expect(replay(handler, 3, 'B1@0 B1@1 E2').effects).toEqual(expected)
  })

  it.each<[BarrierVector['handler'], string[]]>([
    // The end lies behind a barrier in a blocked channel, which is not read.
    ['buffer', [trigger(2), end(1)]],
    ['tracker', [end(1), trigger(2)]],
  ])('%s: a channel that sent its barrier and ended counts once', (handler, expected) => {
    expect(replay(handler, 3, 'B2@0 B2@1 E1 B2@2').effects).toEqual(expected)
  })

  it.each<BarrierVector['handler']>(['buffer', 'tracker'])(
    '%s: checkpoints go on with the channels that are open',
    (handler) => {
      expect(replay(handler, 3, 'E2 B6@0 B6@1 E1 B7@0').effects).toEqual([end(2), trigger(6), end(1), trigger(7)])
    },
  )
})
