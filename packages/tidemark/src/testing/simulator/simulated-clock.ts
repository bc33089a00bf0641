import type { Cancel, Clock } from '../../core/clock.ts'
import type { SeededRandom } from './seeded-random.ts'

/** Wall-clock time of virtual time 0. */
const ORIGIN = 1_700_000_000_000
/** Virtual time of one turn of the event loop while nothing is said otherwise: up to this. */
const TURN_MS = 0.5

/**
 * Time and the event loop of a simulation: a seed decides which of the waiting callbacks runs next, and time passes only as they run. When none is ready,
 * it jumps to the next timer. `endProcess` forgets everything that waits: what a dead process had asked for never happens, and what it may still ask
 * for is not heard.
 */
export class SimulatedClock implements Clock {
  /** Virtual time of one turn: between nothing and this many milliseconds. 0 lets only timers pass time. */
  turnMs = TURN_MS
  private readonly random: SeededRandom
  private readonly ready: Waiting[] = []
  private timers: Timer[] = []
  private time = 0
  private generation = 0
  private mixed = 0

  constructor(random: SeededRandom) {
    this.random = random
  }

  now(): number {
    return Math.floor(ORIGIN + this.time)
  }

  monotonic(): number {
    return this.time
  }

  schedule(delayMs: number, callback: () => void): Cancel {
    const timer = { at: this.time + Math.max(0, delayMs), callback, isCanceled: false }
    this.timers.push(timer)
    return () => {
      timer.isCanceled = true
    }
  }

  defer(callback: () => void): Cancel {
    const waiting = { callback, isCanceled: false }
    this.ready.push(waiting)
    return () => {
      waiting.isCanceled = true
    }
  }

  /** The clock as the process that lives now sees it: deaf once that process has ended. */
  attach(): Clock {
    const { generation } = this
    return {
      now: () => this.now(),
      monotonic: () => this.monotonic(),
      schedule: (delayMs, callback) => (generation === this.generation ? this.schedule(delayMs, callback) : ignore),
      defer: (callback) => (generation === this.generation ? this.defer(callback) : ignore),
    }
  }

  /** Runs one callback; false when nothing waits. */
  runNext(): boolean {
    if (this.turnMs > 0) this.time += this.random.next() * this.turnMs
    this.collectTimers()
    while (this.ready.length > 0 || this.jump()) {
      const index = this.ready.length === 1 ? 0 : Math.floor(this.random.next() * this.ready.length)
      const next = this.ready[index]!
      const last = this.ready.pop()!
      if (index < this.ready.length) this.ready[index] = last
      if (next.isCanceled) continue
      this.mixed = (Math.imul(this.mixed, 31) + this.ready.length * 64 + index) | 0
      next.callback()
      return true
    }
    return false
  }

  /** Grows out of every choice made so far: equal for equal runs. */
  get trace(): number {
    return this.mixed >>> 0
  }

  get waiting(): { readonly ready: number; readonly timers: number } {
    return { ready: this.ready.length, timers: this.timers.filter(({ isCanceled }) => !isCanceled).length }
  }

  endProcess(): void {
    this.generation++
    this.ready.length = 0
    this.timers = []
  }

  private collectTimers(): void {
    let kept = 0
    for (const timer of this.timers) {
      if (timer.isCanceled) continue
      if (timer.at <= this.time) this.ready.push(timer)
      else this.timers[kept++] = timer
    }
    this.timers.length = kept
  }

  private jump(): boolean {
    let next = Number.POSITIVE_INFINITY
    for (const timer of this.timers) if (!timer.isCanceled && timer.at < next) next = timer.at
    if (next === Number.POSITIVE_INFINITY) return false
    this.time = next
    this.collectTimers()
    return true
  }
}

interface Waiting {
  readonly callback: () => void
  isCanceled: boolean
}

interface Timer extends Waiting {
  readonly at: number
}

function ignore(): void {}
