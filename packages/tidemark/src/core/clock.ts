/** Takes back something that was asked for; calling it late or twice does nothing. */
export type Cancel = () => void

/**
 * The only source of time and of turns of the event loop for core, api and runtime. Production hands in the real one,
 * tests and the simulator their own, so that a seed decides every interleaving.
 *
 * Promises: callbacks are never called from inside `schedule` or `defer`; `defer` callbacks run in the order in
 * which they were asked for unless the simulator decides otherwise.
 */
export interface Clock {
  /** Wall-clock milliseconds since 1970. May jump. For timestamps that people read or that leave the process. */
  now(): number
  /** Milliseconds that never go backwards, with a fraction. For durations and deadlines. */
  monotonic(): number
  /** Calls `callback` once, `delayMs` from now at the earliest. */
  schedule(delayMs: number, callback: () => void): Cancel
  /** Calls `callback` once in a later turn of the event loop (a macrotask: timers and I/O of the user get their chance). */
  defer(callback: () => void): Cancel
}

/** The only source of randomness. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number
  /** `count` lower-case hexadecimal digits, for names that must not collide. */
  hex(count: number): string
}
