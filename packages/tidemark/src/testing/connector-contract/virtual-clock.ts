import type { Cancel, Clock } from '../../core/clock.ts'

interface Alarm {
  readonly at: number
  readonly callback: () => void
}

/** A clock whose time stands still until `turn`, when it jumps to the next alarm. I/O gets its chance in between. */
export class VirtualClock implements Clock {
  private time = 0
  private readonly alarms = new Set<Alarm>()

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

  /** One turn of the event loop, then the next alarm. */
  async turn(): Promise<void> {
    await new Promise<void>((resolve) => void setImmediate(resolve))
    const due = [...this.alarms].reduce<Alarm | null>(
      (first, alarm) => (first === null || alarm.at < first.at ? alarm : first),
      null,
    )
    if (due === null) return
    this.alarms.delete(due)
    this.time = Math.max(this.time, due.at)
    due.callback()
  }
}
