import { TidemarkError } from '../../core/errors.ts'
import {
  type EnumeratorContext,
  type PollResult,
  type ReaderContext,
  SOURCE,
  type Source,
  type SourceOutput,
  type SourceReader,
  type Split,
  type SplitEnumerator,
} from '../../core/source.ts'

/** What a test has pushed into one source so far: outlives crashes, so that every position can be read again. */
export class PushLog {
  readonly records: { readonly record: unknown; readonly isRejected: boolean }[] = []
  private readonly name: string
  private readonly readers = new Set<() => void>()
  private hasEnded = false

  constructor(name: string) {
    this.name = name
  }

  get isEnded(): boolean {
    return this.hasEnded
  }

  push(records: readonly unknown[], isRejected = false): void {
    if (this.hasEnded) {
      throw new TidemarkError('SOURCE_FAILED', `source '${this.name}' has ended: nothing can be pushed into it`, {
        action: 'Push before end() or finish().',
        context: { operator: this.name },
      })
    }
    for (const record of records) this.records.push({ record, isRejected })
    for (const wake of this.readers) wake()
  }

  end(): void {
    this.hasEnded = true
    for (const wake of this.readers) wake()
  }

  subscribe(wake: () => void): () => void {
    this.readers.add(wake)
    return () => void this.readers.delete(wake)
  }
}

/** Takes the place of a job's source. Record i belongs to stripe i mod the parallelism of the first start; positions are exact. */
export function pushSource<T>(log: PushLog, onStarted: () => void = () => {}): Source<T> {
  return {
    [SOURCE]: {},
    kind: 'push',
    isBounded: true,
    replay: 'exact',
    createEnumerator: (context) => new StripeEnumerator(context, onStarted),
    createReader: (context) => new PushReader(context, log),
  }
}

interface Stripe extends Split {
  /** Index of the next record. */
  readonly next: number
  /** How many stripes there are. */
  readonly of: number
}

interface StripesSnapshot {
  readonly of: number
  readonly assigned: readonly number[]
}

/** Deals out as many stripes as there were readers at first, each once in the life of the job. */
class StripeEnumerator implements SplitEnumerator {
  private readonly context: EnumeratorContext
  private readonly onStarted: () => void
  private readonly of: number
  private readonly assigned: Set<number>

  constructor(context: EnumeratorContext, onStarted: () => void) {
    const restored = context.restored as StripesSnapshot | undefined
    this.context = context
    this.onStarted = onStarted
    this.of = restored?.of ?? context.parallelism
    this.assigned = new Set(restored?.assigned)
  }

  start(): void {
    this.onStarted()
  }

  onSplitRequest(subtask: number): void {
    const { of, assigned, context } = this
    for (let next = subtask; next < of; next += context.parallelism) {
      if (assigned.has(next)) continue
      assigned.add(next)
      const stripe: Stripe = { id: `stripe-${next}`, next, of }
      context.assign(subtask, [stripe])
    }
    context.noMoreSplits(subtask)
  }

  snapshot(): StripesSnapshot {
    return { of: this.of, assigned: [...this.assigned] }
  }
}

class PushReader implements SourceReader<unknown> {
  private readonly context: ReaderContext
  private readonly log: PushLog
  private readonly unsubscribe: () => void
  private readonly stripes: { readonly id: string; next: number; readonly of: number }[] = []
  private hasAllStripes = false
  private polled: number[] = []

  constructor(context: ReaderContext, log: PushLog) {
    this.context = context
    this.log = log
    this.unsubscribe = log.subscribe(context.wake)
  }

  addSplits(splits: readonly Split[]): void {
    for (const { id, next, of } of splits as readonly Stripe[]) this.stripes.push({ id, next, of })
    this.context.wake()
  }

  noMoreSplits(): void {
    this.hasAllStripes = true
    this.context.wake()
  }

  poll(output: SourceOutput<unknown>, max: number): PollResult {
    const { records } = this.log
    this.polled = []
    while (this.polled.length < max) {
      const stripe = this.stripes.find(({ next }) => next < records.length)
      if (stripe === undefined) return this.hasAllStripes && this.log.isEnded ? 'end' : 'nothing-now'
      this.polled.push(stripe.next)
      const { record, isRejected } = records[stripe.next]!
      if (isRejected) output.reject(record)
      else output.emit(record)
      stripe.next += stripe.of
    }
    return 'more'
  }

  describePosition(index: number): string {
    return `record ${this.polled[index]} pushed`
  }

  snapshot(): readonly Split[] {
    return this.stripes.map((stripe) => ({ ...stripe }))
  }

  close(): void {
    this.unsubscribe()
  }
}
