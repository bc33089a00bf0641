import { TidemarkError } from '../core/errors.ts'
import type { PollResult, ReaderContext, SourceOutput, SourceReader, Split } from '../core/source.ts'

/** How positions come from records. */
export interface Positioning<T> {
  /** What the factory needs to go on after this record. */
  after(record: T): unknown
  describe(record: T): string
}

interface IterableSplit extends Split {
  /** Whether a record was emitted: only then `position` means anything. */
  readonly hasStarted: boolean
  /** Number of records emitted, where positions are counted, or the position of the last one. */
  readonly position?: unknown
}

type AnyIterable<T> = Iterable<T> | AsyncIterable<T>

/**
 * Reads one iterable. A synchronous one is pulled in `poll`; an asynchronous one is pulled ahead, one `next()` at a time, into a queue of
 * bounded length. `next()` is not called while the queue is full: that is the back pressure.
 */
export class IterableReader<T> implements SourceReader<T> {
  private readonly context: ReaderContext
  private readonly factory: (stored: unknown) => AnyIterable<T>
  private readonly positioning: Positioning<T> | 'count' | null
  private readonly capacity: number
  private split: IterableSplit | null = null
  private iterator: Iterator<T> | null = null
  private asyncIterator: AsyncIterator<T> | null = null
  private queue: T[] = []
  private head = 0
  private isPulling = false
  private hasEnded = false
  private hasMoreSplits = true
  private isClosed = false
  private emitted = 0
  private last: T | undefined
  private polled: T[] = []
  private polledFrom = 0

  constructor(
    context: ReaderContext,
    factory: (stored: unknown) => AnyIterable<T>,
    positioning: Positioning<T> | 'count' | null,
    capacity: number,
  ) {
    this.context = context
    this.factory = factory
    this.positioning = positioning
    this.capacity = capacity
  }

  addSplits(splits: readonly Split[]): void {
    const split = splits[0] as IterableSplit | undefined
    if (split === undefined) return
    this.split = split
    if (this.positioning === 'count') this.emitted = (split.position as number | undefined) ?? 0
    this.context.wake()
  }

  noMoreSplits(): void {
    this.hasMoreSplits = false
    this.context.wake()
  }

  poll(output: SourceOutput<T>, max: number): PollResult {
    if (this.split === null) return this.hasMoreSplits ? 'nothing-now' : 'end'
    if (this.iterator === null && this.asyncIterator === null) this.begin(this.split)
    this.polled = []
    this.polledFrom = this.emitted
    if (this.iterator !== null) this.pollIterator(this.iterator, output, max)
    else this.pollQueue(output, max)
    if (this.hasEnded && this.head === this.queue.length) {
      this.split = null
      return this.hasMoreSplits ? 'nothing-now' : 'end'
    }
    return this.iterator !== null || this.head < this.queue.length ? 'more' : 'nothing-now'
  }

  describePosition(index: number): string {
    const record = this.polled[index]
    if (this.positioning !== null && this.positioning !== 'count') return this.positioning.describe(record as T)
    return this.positioning === 'count'
      ? `record ${this.polledFrom + index}`
      : `record ${this.polledFrom + index} since the start`
  }

  snapshot(): readonly Split[] {
    const { split, positioning } = this
    if (split === null) return []
    if (positioning === 'count') return [{ ...split, hasStarted: true, position: this.emitted }]
    if (positioning === null || this.emitted === 0) return [split]
    return [{ ...split, hasStarted: true, position: positioning.after(this.last as T) }]
  }

  close(): void {
    this.isClosed = true
    if (this.hasEnded) return
    this.iterator?.return?.()
    // Not awaited: a generator that waits for something that never comes would keep the job from stopping.
    void this.asyncIterator?.return?.().catch(() => undefined)
  }

  private begin(split: IterableSplit): void {
    const iterable = this.guarded(() => this.factory(split.hasStarted ? split.position : undefined))
    if (Symbol.asyncIterator in iterable) {
      this.asyncIterator = iterable[Symbol.asyncIterator]()
      this.pull()
    } else this.iterator = iterable[Symbol.iterator]()
  }

  private pollIterator(iterator: Iterator<T>, output: SourceOutput<T>, max: number): void {
    for (let count = 0; count < max; count++) {
      const next = this.guarded(() => iterator.next())
      if (next.done === true) {
        this.hasEnded = true
        return
      }
      this.emit(output, next.value)
    }
  }

  private pollQueue(output: SourceOutput<T>, max: number): void {
    const end = Math.min(this.queue.length, this.head + max)
    while (this.head < end) this.emit(output, this.queue[this.head++]!)
    if (this.head === this.queue.length) {
      this.queue = []
      this.head = 0
    }
    this.pull()
  }

  private emit(output: SourceOutput<T>, record: T): void {
    output.emit(record)
    this.emitted++
    this.last = record
    if (this.positioning !== null && this.positioning !== 'count') this.polled.push(record)
  }

  private pull(): void {
    if (this.isPulling || this.hasEnded || this.isClosed || this.asyncIterator === null) return
    this.isPulling = true
    this.pullUntilFull(this.asyncIterator).catch((error: unknown) => {
      this.hasEnded = true
      if (!this.isClosed) this.context.fail(this.failure(error))
    })
  }

  private async pullUntilFull(iterator: AsyncIterator<T>): Promise<void> {
    while (!this.isClosed && this.queue.length - this.head < this.capacity) {
      const next = await iterator.next()
      if (this.isClosed) return
      if (next.done === true) this.hasEnded = true
      else this.queue.push(next.value)
      if (this.hasEnded || this.queue.length - this.head === 1) this.context.wake()
      if (this.hasEnded) return
    }
    // In the same step as the look at the queue: a poll in between would otherwise find nobody pulling and not start it again.
    this.isPulling = false
  }

  private guarded<R>(call: () => R): R {
    try {
      return call()
    } catch (error) {
      throw this.failure(error)
    }
  }

  private failure(error: unknown): TidemarkError {
    const reason = error instanceof Error ? error.message : String(error)
    return new TidemarkError('SOURCE_FAILED', `the iterable of source ${this.context.operator} failed: ${reason}`, {
      context: { operator: this.context.operator },
      cause: error,
    })
  }
}
