import type { RecordBatch } from '../../core/element.ts'
import type { ErrorPolicy } from '../../core/job.ts'
import type { Operator, OperatorContext } from './contract.ts'
import { isPromiseLike, RecordErrors, refusePromise } from './record-errors.ts'

/** One record in, one record out. */
export class MapOperator implements Operator {
  private readonly context: OperatorContext
  private readonly map: (record: unknown) => unknown
  private readonly errors: RecordErrors

  constructor(context: OperatorContext, map: (record: unknown) => unknown, onError: ErrorPolicy) {
    this.context = context
    this.map = map
    this.errors = new RecordErrors(onError, context)
  }

  process(_input: number, batch: RecordBatch, from: number, to: number): number {
    const out = this.context.outputs[0]!
    const { map } = this
    const { values, timestamps } = batch
    let index = from
    for (;;) {
      try {
        for (; index < to && !out.isFull; index++) {
          const value = map(values[index])
          if (index === from && isPromiseLike(value)) refusePromise(this.context)
          out.emit(value, timestamps === null ? Number.NaN : timestamps[index]!, index)
        }
        return index
      } catch (error) {
        this.errors.onError(error, batch, index)
        index++
      }
    }
  }
}
