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
  readonly records: unknown[] = []
  private readonly name: string
  private readonly readers = new Set<() => void>()
  private hasEnded = false

  constructor(name: string) {
    this.name = name
  }

  get isEnded(): boolean {
    return this.hasEnded
  }

  push(records: readonly unknown[]): void {
    if (this.hasEnded) {
      throw new TidemarkError('SOURCE_FAILED', `source '${this.name}' has ended: nothing can be pushed into it`, {
        action: 'Push before end() or finish().',
        context: { operator: this.name },
      })
    }
    for (const record of records) this.records.push(record)
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

/** Takes the place of a job's source. Record i belongs to reader i mod parallelism; positions are exact. */
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
}

/** Gives every reader the stripe of its number, once in the life of the job. */
class StripeEnumerator implements SplitEnumerator {
  private readonly context: EnumeratorContext
  private readonly onStarted: () => void
  private readonly assigned: Set<number>

  constructor(context: EnumeratorContext, onStarted: () => void) {
    this.context = context
    this.onStarted = onStarted
    this.assigned = new Set((context.restored as readonly number[] | undefined) ?? [])
  }

  start(): void {
    this.onStarted()
  }

  onSplitRequest(subtask: number): void {
    if (!this.assigned.has(subtask)) {
      this.assigned.add(subtask)
      const stripe: Stripe = { id: `stripe-${subtask}`, next: subtask }
      this.context.assign(subtask, [stripe])
    }
    this.context.noMoreSplits(subtask)
  }

  snapshot(): unknown {
    return [...this.assigned]
  }
}

class PushReader implements SourceReader<unknown> {
  private readonly context: ReaderContext
  private readonly log: PushLog
  private readonly unsubscribe: () => void
  private readonly stripes: { readonly id: string; next: number }[] = []
  private hasAllStripes = false
  private polled: number[] = []

  constructor(context: ReaderContext, log: PushLog) {
    this.context = context
    this.log = log
    this.unsubscribe = log.subscribe(context.wake)
  }

  addSplits(splits: readonly Split[]): void {
    for (const { id, next } of splits as readonly Stripe[]) this.stripes.push({ id, next })
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
      output.emit(records[stripe.next])
      stripe.next += this.context.parallelism
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
