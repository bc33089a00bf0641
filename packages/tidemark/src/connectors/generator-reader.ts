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
  /** Of the last poll: its indices, or null where they are `polledFrom`, `polledFrom` + `polledStride`, … */
  private polled: number[] | null = null
  private polledFrom = 0
  private polledStride = 1

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
    const allowed = Math.min(max, this.fill())
    this.permits -= this.progress.length === 1 ? this.emitRun(output, allowed) : this.emitLowest(output, allowed)
    if (this.progress.length === 0) return this.hasMoreSplits ? 'nothing-now' : 'end'
    if (this.permits >= 1) return 'more'
    this.wakeWhenPermitted()
    return 'nothing-now'
  }

  describePosition(index: number): string {
    return `record ${this.polled === null ? this.polledFrom + index * this.polledStride : this.polled[index]}`
  }

  snapshot(): readonly GeneratorSplit[] {
    return this.progress.map(({ split, next }) => ({ ...split, next }))
  }

  close(): void {
    this.alarm?.()
  }

  /** Emits at most `allowed` records of the only split; returns how many. */
  private emitRun(output: SourceOutput<T>, allowed: number): number {
    const [progress] = this.progress
    const { create } = this
    const { stride } = progress!.split
    const { next } = progress!
    const count = Math.min(allowed, Math.ceil((this.count - next) / stride))
    this.polled = null
    this.polledFrom = next
    this.polledStride = stride
    for (let emitted = 0; emitted < count; emitted++) {
      output.emit(create(progress!.next))
      progress!.next += stride
    }
    if (progress!.next >= this.count) this.progress.length = 0
    return count
  }

  /** Emits at most `allowed` records of all splits; returns how many. */
  private emitLowest(output: SourceOutput<T>, allowed: number): number {
    const polled: number[] = []
    this.polled = polled
    while (polled.length < allowed && this.progress.length > 0) polled.push(this.emitNext(output))
    return polled.length
  }

  /** Emits the lowest index and returns it. */
  private emitNext(output: SourceOutput<T>): number {
    let lowest = 0
    for (let index = 1; index < this.progress.length; index++) {
      if (this.progress[index]!.next < this.progress[lowest]!.next) lowest = index
    }
    const chosen = this.progress[lowest]!
    const index = chosen.next
    output.emit(this.create(index))
    chosen.next += chosen.split.stride
    if (chosen.next >= this.count) this.progress.splice(lowest, 1)
    return index
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
