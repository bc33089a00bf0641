import type { Cancel, Clock } from '../../core/clock.ts'
import { BrokenRule } from './rules.ts'

/** Turns within which everything has to settle: with an alarm in each of them that is hours. */
const MOST_TURNS = 20_000
const MICROTASK_TURNS = 100
/** So that a timeout does not go off before an answer that is on its way. */
const TURNS_PER_ALARM = 4
const TURNS_TO_ARRIVE = 10

interface Alarm {
  readonly at: number
  readonly callback: () => void
}

/** A clock whose time stands still until `turn`, when it jumps to the next alarm. */
export class VirtualClock implements Clock {
  private time = 0
  private readonly alarms = new Set<Alarm>()
  private turning: Promise<void> | null = null

  now(): number {
    return 1_000_000 + this.time
  }

  monotonic(): number {
    return this.time
  }

  schedule(delayMs: number, callback: () => void): Cancel {
    const alarm = { at: this.time + delayMs, callback }
    this.alarms.add(alarm)
    return () => void this.alarms.delete(alarm)
  }

  defer(callback: () => void): Cancel {
    const immediate = setImmediate(callback)
    return () => clearImmediate(immediate)
  }

  /** Alarms that nobody has cancelled and that have not gone off. */
  get waiting(): number {
    return this.alarms.size
  }

  /** Lets time pass until the promise settles. */
  async settle<T>(promise: Promise<T>, what: string): Promise<T> {
    const isSettled = await this.isSettledWithin(promise, MOST_TURNS)
    if (isSettled) return promise
    promise.catch(() => undefined)
    throw new BrokenRule('everything settles', `${what} does not settle in ${MOST_TURNS} turns of the event loop`)
  }

  /** Whether the promise settles within so many turns. */
  async isSettledWithin(promise: Promise<unknown>, turns: number): Promise<boolean> {
    const outcome = { isSettled: false }
    const settle = (): void => void (outcome.isSettled = true)
    promise.then(settle, settle)
    // What needs neither time nor I/O settles without either.
    for (let turn = 0; turn < MICROTASK_TURNS && !outcome.isSettled; turn++) await Promise.resolve()
    if (!outcome.isSettled) await new Promise<void>((resolve) => void setImmediate(resolve))
    for (let turn = 0; turn < turns && !outcome.isSettled; turn++) await this.turn()
    return outcome.isSettled
  }

  /** Lets answers that are on their way arrive; time stands still. */
  async arrive(): Promise<void> {
    for (let turn = 0; turn < TURNS_TO_ARRIVE; turn++) await new Promise<void>((resolve) => void setImmediate(resolve))
  }

  /** A few turns of the event loop, in which I/O gets its chance, then the next alarm. Those who wait at the same time share it. */
  turn(): Promise<void> {
    this.turning ??= this.next().finally(() => void (this.turning = null))
    return this.turning
  }

  private async next(): Promise<void> {
    // One that is set meanwhile waits for the next turn: what it guards has only just begun.
    const set = [...this.alarms]
    for (let turn = 0; turn < TURNS_PER_ALARM; turn++) await new Promise<void>((resolve) => void setImmediate(resolve))
    const due = set
      .filter((alarm) => this.alarms.has(alarm))
      .reduce<Alarm | null>((first, alarm) => (first === null || alarm.at < first.at ? alarm : first), null)
    if (due === null) return
    this.alarms.delete(due)
    this.time = Math.max(this.time, due.at)
    due.callback()
  }
}
