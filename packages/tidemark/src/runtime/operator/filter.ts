import type { RecordBatch } from '../../core/element.ts'
import type { ErrorPolicy } from '../../core/job.ts'
import type { Operator, OperatorContext } from './contract.ts'
import { isPromiseLike, RecordErrors, refusePromise } from './record-errors.ts'

/** Lets through the records for which the test holds. */
export class FilterOperator implements Operator {
  private readonly context: OperatorContext
  private readonly test: (record: unknown) => boolean
  private readonly errors: RecordErrors

  constructor(context: OperatorContext, test: (record: unknown) => boolean, onError: ErrorPolicy) {
    this.context = context
    this.test = test
    this.errors = new RecordErrors(onError, context)
  }

  process(_input: number, batch: RecordBatch, from: number, to: number): number {
    const out = this.context.outputs[0]!
    const { test } = this
    const { values, timestamps } = batch
    let index = from
    for (;;) {
      try {
        for (; index < to && !out.isFull; index++) {
          const value = values[index]
          const passes = test(value)
          if (index === from && isPromiseLike(passes)) refusePromise(this.context)
          if (passes) out.emit(value, timestamps === null ? Number.NaN : timestamps[index]!, index)
        }
        return index
      } catch (error) {
        this.errors.onError(error, batch, index)
        index++
      }
    }
  }
}
