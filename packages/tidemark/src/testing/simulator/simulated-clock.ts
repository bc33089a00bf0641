import type { Cancel, Clock, Random } from '../../core/clock.ts'

/** Virtual time of one turn of the event loop: between nothing and this many milliseconds. */
const TURN_MS = 0.5

/**
 * Time and the event loop of a simulation: a seed decides which of the waiting callbacks runs next, and time passes only as they run. When none is ready,
 * it jumps to the next timer. `endProcess` forgets everything that waits: what a dead process had asked for never happens.
 */
export class SimulatedClock implements Clock {
  private readonly random: Random
  private readonly ready: Waiting[] = []
  private readonly timers: (Waiting & { readonly at: number })[] = []
  private time = 0
  /** Wall-clock time of virtual time 0. */
  private readonly origin = 1_700_000_000_000

  constructor(random: Random) {
    this.random = random
  }

  now(): number {
    return Math.floor(this.origin + this.time)
  }

  monotonic(): number {
    return this.time
  }

  schedule(delayMs: number, callback: () => void): Cancel {
    const timer = { at: this.time + delayMs, callback, isCanceled: false }
    this.timers.push(timer)
    return () => (timer.isCanceled = true)
  }

  defer(callback: () => void): Cancel {
    const waiting = { callback, isCanceled: false }
    this.ready.push(waiting)
    return () => (waiting.isCanceled = true)
  }

  /** Runs one callback; false when nothing waits. */
  runNext(): boolean {
    this.time += this.random.next() * TURN_MS
    this.collectTimers()
    if (this.ready.length === 0 && !this.jump()) return false
    const index = Math.floor(this.random.next() * this.ready.length)
    const [next] = this.ready.splice(index, 1)
    if (!next!.isCanceled) next!.callback()
    return true
  }

  endProcess(): void {
    this.ready.length = 0
    this.timers.length = 0
  }

  private collectTimers(): void {
    for (let index = this.timers.length - 1; index >= 0; index--) {
      const timer = this.timers[index]!
      if (!timer.isCanceled && timer.at > this.time) continue
      this.timers.splice(index, 1)
      if (!timer.isCanceled) this.ready.push(timer)
    }
  }

  private jump(): boolean {
    let next: number | null = null
    for (const timer of this.timers) if (!timer.isCanceled && (next === null || timer.at < next)) next = timer.at
    if (next === null) return false
    this.time = next
    this.collectTimers()
    return true
  }
}

interface Waiting {
  readonly callback: () => void
  isCanceled: boolean
}
