import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type RestartStrategy, resolveRestartStrategy } from '../../core/options.ts'
import { SeededRandom } from '../../testing/simulator/seeded-random.ts'
import { createRestartStrategy } from './restart-strategy.ts'

const HOUR = 3_600_000

function strategy(options: RestartStrategy, seed = 1) {
  const state = createRestartStrategy(resolveRestartStrategy(options), new SeededRandom(seed))
  return {
    /** The delay, or null when it gives up. */
    fail(atMs: number): number | null {
      const decision = state.onFailure(atMs)
      return decision.kind === 'restart' ? decision.delayMs : null
    },
    why(atMs: number): string {
      const decision = state.onFailure(atMs)
      return decision.kind === 'give-up' ? decision.why : ''
    },
  }
}

describe('restart strategy none', () => {
  it('never restarts', () => {
    expect(strategy({ kind: 'none' }).fail(0)).toBeNull()
  })
})

describe('restart strategy fixed-delay', () => {
  it('restarts once after a second by default', () => {
    const once = strategy({ kind: 'fixed-delay' })
    expect([once.fail(0), once.fail(HOUR)]).toEqual([1000, null])
  })

  it('restarts as often as it may in all, however long the job ran between', () => {
    const thrice = strategy({ kind: 'fixed-delay', attempts: 3, delay: 50 })
    expect([0, HOUR, 2 * HOUR, 99 * HOUR].map((at) => thrice.fail(at))).toEqual([50, 50, 50, null])
    expect(thrice.why(99 * HOUR)).toContain('3 restarts are allowed')
  })
})

describe('restart strategy failure-rate', () => {
  it('gives up at one failure more than allowed within the interval', () => {
    const rate = strategy({ kind: 'failure-rate', maxFailuresPerInterval: 2, failureRateInterval: 1000, delay: 7 })
    expect([0, 100, 1001, 1002].map((at) => rate.fail(at))).toEqual([7, 7, 7, null])
  })

  it('counts a failure that is exactly as old as the interval', () => {
    const rate = strategy({ kind: 'failure-rate', maxFailuresPerInterval: 1, failureRateInterval: 1000, delay: 7 })
    expect([0, 1000].map((at) => rate.fail(at))).toEqual([7, null])
  })

  it('goes on for ever while failures are rare enough', () => {
    const rate = strategy({ kind: 'failure-rate' })
    for (let at = 0; at < 100 * 61_000; at += 61_000) expect(rate.fail(at)).toBe(1000)
  })
})

describe('restart strategy exponential-delay', () => {
  const plain = { kind: 'exponential-delay', jitterFactor: 0 } as const

  it('waits half as long again each time, a minute at most', () => {
    const growing = strategy(plain)
    let at = 0
    const delays = Array.from({ length: 14 }, () => {
      const delay = growing.fail(at)!
      at += delay + 1
      return delay
    })
    expect(delays.slice(0, 5)).toEqual([1000, 1500, 2250, 3375, 5062])
    expect(delays.slice(-3)).toEqual([60_000, 60_000, 60_000])
  })

  it('starts again after an hour that followed the restart, not earlier', () => {
    const early = strategy(plain)
    early.fail(0)
    expect(early.fail(1000 + HOUR - 1)).toBe(1500)
    const late = strategy(plain)
    late.fail(0)
    expect(late.fail(1000 + HOUR)).toBe(1000)
  })

  it('takes failures during the wait for one', () => {
    const merged = strategy({ ...plain, attemptsBeforeResetBackoff: 1 })
    expect([0, 400, 1000].map((at) => merged.fail(at))).toEqual([1000, 600, 0])
    expect(merged.fail(1001)).toBeNull()
  })

  it('gives up after so many attempts without a reset', () => {
    const limited = strategy({ ...plain, attemptsBeforeResetBackoff: 2 })
    expect([0, 2000, 5000].map((at) => limited.fail(at))).toEqual([1000, 1500, null])
    expect(limited.fail(5000 + 2250 + HOUR)).toBe(1000)
  })

  it('spreads by the jitter factor, within the bounds, also after thousands of failures', () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.constantFrom(1, 5, 30, 2000),
        (seed, jitterFactor, failures) => {
          const jittered = strategy({ kind: 'exponential-delay', jitterFactor }, seed)
          let at = 0
          for (let failure = 0; failure < failures; failure++) {
            const delay = jittered.fail(at)!
            const base = 1000 * 1.5 ** failure
            expect(delay).toBeGreaterThanOrEqual(
              Math.max(1000, Math.min(60_000, Math.floor(base * (1 - jitterFactor)) - 1)),
            )
            expect(delay).toBeLessThanOrEqual(Math.min(60_000, Math.max(1000, base * (1 + jitterFactor))))
            at += delay + 1
          }
        },
      ),
      { numRuns: 20 },
    )
  })
})
