/** What the jobs of the worker tests share. Everything here runs in worker threads. */
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import type { StandardSchema } from 'tidemark'
import {
  type EnumeratorContext,
  type ReaderContext,
  type Source,
  SOURCE,
  type SourceOutput,
  type SourceReader,
  type Split,
} from '../../../packages/tidemark/src/core/source.ts'

/** Parameters that are taken as they come. */
export function anyParams<T>(): StandardSchema<T> {
  return { '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value: value as T }) } }
}

/** True the first time in any thread and process, ever. */
export function isFirst(folder: string, name: string): boolean {
  try {
    closeSync(openSync(join(folder, `${name}.marker`), 'wx'))
    return true
  } catch {
    return false
  }
}

const STRIPES = 12

interface Stripe extends Split {
  readonly ordinal: number
  readonly next: number
}

/**
 * The numbers 0 … records − 1 in `count` stripes: every `count`-th number. Each reader emits `portion` numbers per checkpoint that completes: so the job lasts many checkpoints, and whatever happens in it happens after one.
 */
export function stripedNumbers(records: number, portion: number, count = STRIPES): Source<number> {
  return {
    [SOURCE]: {},
    kind: 'striped-numbers',
    isBounded: true,
    replay: 'exact',
    createEnumerator(context: EnumeratorContext) {
      const stripes = Array.from({ length: count }, (_, ordinal) => ({ id: `${ordinal}`, ordinal, next: ordinal }))
      let pending = (context.restored as readonly Stripe[] | undefined) ?? stripes
      return {
        onSplitRequest(subtask) {
          const isMine = ({ ordinal }: Stripe): boolean => ordinal % context.parallelism === subtask
          context.assign(subtask, pending.filter(isMine))
          pending = pending.filter((stripe) => !isMine(stripe))
          context.noMoreSplits(subtask)
        },
        snapshot: () => pending,
      }
    },
    createReader: (context) => new StripedReader(context, records, portion, count),
  }
}

class StripedReader implements SourceReader<number> {
  private readonly context: ReaderContext
  private readonly records: number
  private readonly portion: number
  private readonly step: number
  private readonly stripes: { ordinal: number; next: number }[] = []
  private isComplete = false
  private permits: number

  constructor(context: ReaderContext, records: number, portion: number, step: number) {
    this.context = context
    this.step = step
    this.records = records
    this.portion = portion
    this.permits = portion
  }

  addSplits(splits: readonly Split[]): void {
    for (const { ordinal, next } of splits as readonly Stripe[]) this.stripes.push({ ordinal, next })
    this.context.wake()
  }

  noMoreSplits(): void {
    this.isComplete = true
    this.context.wake()
  }

  poll(output: SourceOutput<number>, max: number): 'more' | 'nothing-now' | 'end' {
    for (let emitted = 0; emitted < max && this.permits > 0; emitted++) {
      const stripe = this.stripes.find(({ next }) => next < this.records)
      if (stripe === undefined) return this.isComplete ? 'end' : 'nothing-now'
      output.emit(stripe.next)
      stripe.next += this.step
      this.permits--
      // Takes turns.
      this.stripes.push(this.stripes.shift()!)
    }
    return this.permits > 0 ? 'more' : 'nothing-now'
  }

  describePosition(index: number): string {
    return `number ${index} of the poll`
  }

  snapshot(): readonly Stripe[] {
    return this.stripes.map(({ ordinal, next }) => ({ id: `${ordinal}`, ordinal, next }))
  }

  notifyComplete(): void {
    this.permits = this.portion
    this.context.wake()
  }
}
