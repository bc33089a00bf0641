import type { Cancel } from '../core/clock.ts'
import type { PollResult, ReaderContext, SourceOutput, SourceReader, Split } from '../core/source.ts'
import type { GeneratorSplit } from './generator-enumerator.ts'

/** After a pause at most this much is caught up, in seconds of the rate. */
const BURST_SECONDS = 0.1

interface Progress {
  readonly split: GeneratorSplit
  next: number
}

/** Emits its splits' indices, the lowest first. The rate is kept by a bucket that fills with time. */
export class GeneratorReader<T> implements SourceReader<T> {
  private readonly context: ReaderContext
  private readonly create: (index: number) => T
  private readonly count: number
  private readonly rate: number
  private readonly progress: Progress[] = []
  private hasMoreSplits = true
  private permits = 1
  private filledAt: number
  private alarm: Cancel | null = null
  private polled: number[] = []

  constructor(context: ReaderContext, create: (index: number) => T, count: number, rate: number) {
    this.context = context
    this.create = create
    this.count = count
    this.rate = rate
    this.filledAt = context.clock.monotonic()
  }

  addSplits(splits: readonly Split[]): void {
    for (const split of splits as readonly GeneratorSplit[]) {
      if (split.next < this.count) this.progress.push({ split, next: split.next })
    }
    this.context.wake()
  }

  noMoreSplits(): void {
    this.hasMoreSplits = false
    this.context.wake()
  }

  poll(output: SourceOutput<T>, max: number): PollResult {
    this.polled = []
    const allowed = Math.min(max, this.fill())
    for (let emitted = 0; emitted < allowed && this.progress.length > 0; emitted++) this.emitNext(output)
    this.permits -= this.polled.length
    if (this.progress.length === 0) return this.hasMoreSplits ? 'nothing-now' : 'end'
    if (this.permits >= 1) return 'more'
    this.wakeWhenPermitted()
    return 'nothing-now'
  }

  describePosition(index: number): string {
    return `record ${this.polled[index]}`
  }

  snapshot(): readonly GeneratorSplit[] {
    return this.progress.map(({ split, next }) => ({ ...split, next }))
  }

  close(): void {
    this.alarm?.()
  }

  private emitNext(output: SourceOutput<T>): void {
    let lowest = 0
    for (let index = 1; index < this.progress.length; index++) {
      if (this.progress[index]!.next < this.progress[lowest]!.next) lowest = index
    }
    const chosen = this.progress[lowest]!
    output.emit(this.create(chosen.next))
    this.polled.push(chosen.next)
    chosen.next += chosen.split.stride
    if (chosen.next >= this.count) this.progress.splice(lowest, 1)
  }

  /** Records per second for this reader: its share of the splits. */
  private share(): number {
    return this.progress.reduce((sum, { split }) => sum + this.rate / split.stride, 0)
  }

  /** Whole permits that there are now. */
  private fill(): number {
    if (this.rate === Infinity) return (this.permits = Infinity)
    const now = this.context.clock.monotonic()
    const share = this.share()
    const grown = this.permits + ((now - this.filledAt) / 1000) * share
    this.permits = Math.min(grown, Math.max(1, share * BURST_SECONDS))
    this.filledAt = now
    return Math.floor(this.permits)
  }

  private wakeWhenPermitted(): void {
    this.alarm?.()
    const waitMs = Math.max(1, Math.ceil(((1 - this.permits) / this.share()) * 1000))
    this.alarm = this.context.clock.schedule(waitMs, () => {
      this.alarm = null
      this.context.wake()
    })
  }
}
