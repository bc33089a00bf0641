import type { Clock } from '../../core/clock.ts'

/** Real time. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  schedule(delayMs, callback) {
    // Longer delays than a timer can hold are asked for again.
    const timer = setTimeout(callback, Math.min(delayMs, 2 ** 31 - 1))
    return () => clearTimeout(timer)
  },
  defer(callback) {
    const immediate = setImmediate(callback)
    return () => clearImmediate(immediate)
  },
}
