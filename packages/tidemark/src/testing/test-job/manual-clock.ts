import type { Cancel, Clock } from '../../core/clock.ts'

interface Timer {
  readonly at: number
  readonly callback: () => void
}

/**
 * Time that stands still until somebody moves it, on the real event loop: turns happen in the order in which they were asked for, and asynchronous code of users
 * runs between them as it always does. `kill` makes the process that used it fall silent.
 */
export class ManualClock implements Clock {
  /** Virtual milliseconds that one turn takes. */
  private readonly turnMs: number
  private readonly origin = 1_700_000_000_000
  private readonly timers = new Set<Timer>()
  private time: number
  private pending = 0
  private isDead = false

  constructor(options: { readonly turnMs?: number; readonly startMs?: number } = {}) {
    this.turnMs = options.turnMs ?? 0
    this.time = options.startMs ?? 0
  }

  now(): number {
    return Math.floor(this.origin + this.time)
  }

  monotonic(): number {
    return this.time
  }

  schedule(delayMs: number, callback: () => void): Cancel {
    if (!(delayMs > 0)) return this.defer(callback)
    const timer = { at: this.time + delayMs, callback }
    this.timers.add(timer)
    return () => void this.timers.delete(timer)
  }

  defer(callback: () => void): Cancel {
    let isCanceled = false
    this.pending++
    setImmediate(() => {
      this.pending--
      if (this.isDead || isCanceled) return
      this.time += this.turnMs
      this.fireDue()
      callback()
    })
    return () => (isCanceled = true)
  }

  /** Whether a turn of the event loop is asked for. */
  get isBusy(): boolean {
    return this.pending > 0
  }

  /** One turn of the event loop for everybody. */
  turn(): Promise<void> {
    return new Promise((resolve) => void setImmediate(resolve))
  }

  /** Resolves when nobody asks for a turn any more: only timers and the world outside can change anything then. */
  async idle(): Promise<void> {
    do await this.turn()
    while (this.pending > 0)
  }

  /** Lets time pass: timers fire when they are due, each after the work of the one before is done. */
  async advance(ms: number): Promise<void> {
    await this.idle()
    const target = this.time + ms
    for (let next = this.next(); next !== null && next.at <= target; next = this.next()) {
      this.fire(next)
      await this.idle()
    }
    this.time = Math.max(this.time, target)
  }

  /** Moves time to the next timer; false when there is none. */
  jump(): boolean {
    const next = this.next()
    if (next === null) return false
    this.fire(next)
    return true
  }

  /** The process is gone: nothing that it asked for happens any more. */
  kill(): void {
    this.isDead = true
    this.timers.clear()
  }

  private next(): Timer | null {
    let first: Timer | null = null
    for (const timer of this.timers) if (first === null || timer.at < first.at) first = timer
    return first
  }

  private fire(timer: Timer): void {
    this.timers.delete(timer)
    this.time = Math.max(this.time, timer.at)
    this.defer(timer.callback)
  }

  private fireDue(): void {
    if (this.timers.size === 0) return
    for (let next = this.next(); next !== null && next.at <= this.time; next = this.next()) this.fire(next)
  }
}
