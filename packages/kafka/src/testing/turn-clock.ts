import type { Clock } from 'tidemark/connector'

type Cancel = ReturnType<Clock['schedule']>

interface Alarm {
  readonly at: number
  readonly callback: () => void
}

/** A clock that stands still until it is advanced; deferred callbacks come in turns of the event loop. */
export class TurnClock implements Clock {
  private time = 0
  private alarms: Alarm[] = []

  now(): number {
    return 1_700_000_000_000 + this.time
  }

  monotonic(): number {
    return this.time
  }

  schedule(delayMs: number, callback: () => void): Cancel {
    const alarm = { at: this.time + delayMs, callback }
    this.alarms.push(alarm)
    return () => void (this.alarms = this.alarms.filter((other) => other !== alarm))
  }

  defer(callback: () => void): Cancel {
    const immediate = setImmediate(callback)
    return () => clearImmediate(immediate)
  }

  advance(ms: number): void {
    const until = this.time + ms
    for (;;) {
      const due = this.alarms.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0]
      if (due === undefined) break
      this.alarms = this.alarms.filter((other) => other !== due)
      this.time = Math.max(this.time, due.at)
      due.callback()
    }
    this.time = until
  }
}
