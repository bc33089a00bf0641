import type { Clock } from '../../core/clock.ts'

/** Real time. */
export const systemClock: Clock = {
  now: () => Date.now(),
  // Not performance.now(): it is slower, and loads a part of Node in each thread.
  monotonic() {
    const [seconds, nanoseconds] = process.hrtime()
    return seconds * 1000 + nanoseconds / 1e6
  },
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
