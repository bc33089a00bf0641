import type { RecordBatch } from '../../core/element.ts'
import { TidemarkError } from '../../core/errors.ts'
import type { ErrorPolicy } from '../../core/job.ts'
import type { Operator, OperatorContext } from './contract.ts'
import { RecordErrors } from './record-errors.ts'

/**
 * One record in, any number out. What the function returns is pulled only as fast as consumers take it, so that one record may expand to any
 * number in bounded memory. The iterable is not state: a barrier waits until it is pulled to its end.
 */
export class FlatMapOperator implements Operator {
  private readonly context: OperatorContext
  private readonly expand: (record: unknown) => Iterable<unknown>
  private readonly errors: RecordErrors
  /** The record whose iterable is not yet pulled to its end. */
  private iterator: Iterator<unknown> | null = null
  private array: readonly unknown[] | null = null
  private arrayIndex = 0
  private batch: RecordBatch | null = null
  private index = 0

  constructor(context: OperatorContext, expand: (record: unknown) => Iterable<unknown>, onError: ErrorPolicy) {
    this.context = context
    this.expand = expand
    this.errors = new RecordErrors(onError, context)
  }

  get isBusy(): boolean {
    return this.batch !== null
  }

  process(_input: number, batch: RecordBatch, from: number, to: number): number {
    const out = this.context.outputs[0]!
    for (let index = from; index < to; index++) {
      if (out.isFull) return index
      this.index = index
      try {
        const many = this.expand(batch.values[index])
        if (Array.isArray(many)) {
          this.array = many as readonly unknown[]
          this.arrayIndex = 0
        } else {
          this.iterator = this.iterate(many)
        }
      } catch (error) {
        this.errors.onError(error, batch, index)
        continue
      }
      this.batch = batch
      this.resume()
      if (this.batch !== null) return index + 1
    }
    return to
  }

  resume(): void {
    const batch = this.batch!
    try {
      const isDone = this.array === null ? this.pullIterator(batch) : this.pullArray(batch)
      if (!isDone) return
    } catch (error) {
      this.forget()
      this.errors.onError(error, batch, this.index)
      return
    }
    this.forget()
  }

  close(): void {
    const { iterator } = this
    this.forget()
    iterator?.return?.()
  }

  private pullArray(batch: RecordBatch): boolean {
    const out = this.context.outputs[0]!
    const array = this.array!
    const timestamp = batch.timestamps === null ? Number.NaN : batch.timestamps[this.index]!
    let { arrayIndex } = this
    while (arrayIndex < array.length && !out.isFull) out.emit(array[arrayIndex++], timestamp, this.index)
    this.arrayIndex = arrayIndex
    return arrayIndex === array.length
  }

  private pullIterator(batch: RecordBatch): boolean {
    const out = this.context.outputs[0]!
    const iterator = this.iterator!
    const timestamp = batch.timestamps === null ? Number.NaN : batch.timestamps[this.index]!
    while (!out.isFull) {
      const { done, value } = iterator.next()
      if (done === true) return true
      out.emit(value, timestamp, this.index)
    }
    return false
  }

  private iterate(many: Iterable<unknown>): Iterator<unknown> {
    const make = (many as Iterable<unknown> | null | undefined)?.[Symbol.iterator]
    if (typeof make !== 'function' || typeof many === 'string') {
      throw new TidemarkError(
        'USER_FUNCTION',
        `flatMap ${this.context.operator} returned ${typeof many}, which is not a list of records`,
        {
          action: 'Return an array or another iterable; a string would be taken apart into characters: return [text].',
        },
      )
    }
    return make.call(many)
  }

  private forget(): void {
    this.iterator = null
    this.array = null
    this.batch = null
  }
}
