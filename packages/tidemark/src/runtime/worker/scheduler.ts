import type { Clock } from '../../core/clock.ts'

/** Something that works in small steps. */
export interface Runnable {
  /** Does a bounded amount of work; false when there is nothing to do before the next wake. */
  step(): boolean
}

export interface SchedulerOptions {
  readonly clock: Clock
  /** How long one turn of the event loop may take. */
  readonly sliceMs: number
  /** Steps in one turn at most; the simulator takes 1. */
  readonly stepsPerTurn: number
  /** Which of `count` runnable ones is next: 0 is the one that waits longest. */
  readonly pick: (count: number) => number
  /** Called between two steps: news from other threads (`Doorbell.poll`) need not wait for the end of the turn. */
  readonly poll?: () => void
}

/**
 * Runs tasks cooperatively in one thread: takes turns among those that have work, gives the event loop back after every slice (timers, I/O and HTTP of
 * the user's code get their turn), sleeps when nobody has work.
 */
export class Scheduler {
  private readonly options: SchedulerOptions
  private readonly queue: Entry[] = []
  private readonly entries = new Map<Runnable, Entry>()
  private isTurnAsked = false

  constructor(options: SchedulerOptions) {
    this.options = options
  }

  add(runnable: Runnable): void {
    this.entries.set(runnable, { runnable, isQueued: false })
  }

  remove(runnable: Runnable): void {
    this.entries.delete(runnable)
  }

  /** Gives the runnable a step soon. Safe at any time. */
  wake(runnable: Runnable): void {
    const entry = this.entries.get(runnable)
    if (entry === undefined || entry.isQueued) return
    entry.isQueued = true
    this.queue.push(entry)
    this.askForTurn()
  }

  private askForTurn(): void {
    if (this.isTurnAsked) return
    this.isTurnAsked = true
    this.options.clock.defer(() => {
      this.isTurnAsked = false
      this.turn()
      if (this.queue.length > 0) this.askForTurn()
    })
  }

  private turn(): void {
    const { clock, sliceMs, stepsPerTurn, pick, poll } = this.options
    const deadline = clock.monotonic() + sliceMs
    for (let steps = 0; steps < stepsPerTurn && this.queue.length > 0; steps++) {
      const entry = this.take(pick(this.queue.length))
      entry.isQueued = false
      if (this.entries.get(entry.runnable) !== entry) continue
      if (entry.runnable.step() && !entry.isQueued) {
        entry.isQueued = true
        this.queue.push(entry)
      }
      poll?.()
      if (clock.monotonic() >= deadline) return
    }
  }

  private take(index: number): Entry {
    if (index === 0) return this.queue.shift()!
    return this.queue.splice(index, 1)[0]!
  }
}

interface Entry {
  readonly runnable: Runnable
  isQueued: boolean
}
