import type { RecordBatch } from '../../core/element.ts'
import type { Key } from '../../core/key.ts'
import type { Value } from '../../core/state.ts'
import type { Operator, OperatorContext } from './contract.ts'
import { RecordErrors } from './record-errors.ts'

/** How many records of this key have come: emits `[key, count]` for every record. */
export class RunningCountOperator implements Operator {
  private readonly context: OperatorContext
  private readonly keyOf: (record: unknown) => Key
  private readonly state: Value<number, number>
  private readonly errors: RecordErrors

  constructor(context: OperatorContext, stateName: string, keyOf: (record: unknown) => Key) {
    this.context = context
    this.keyOf = keyOf
    this.state = context.keyedState!.handle(stateName) as Value<number, number>
    this.errors = new RecordErrors('fail', context)
  }

  process(_input: number, batch: RecordBatch, from: number, to: number): number {
    const out = this.context.outputs[0]!
    const keyed = this.context.keyedState!
    const { keyOf, state } = this
    const { values, timestamps } = batch
    let index = from
    try {
      for (; index < to && !out.isFull; index++) {
        const key = keyOf(values[index])
        keyed.setCurrentKey(key)
        const count = state.get() + 1
        state.set(count)
        out.emit([key, count], timestamps === null ? Number.NaN : timestamps[index]!, index)
      }
    } catch (error) {
      this.errors.onError(error, batch, index)
    }
    return index
  }
}
