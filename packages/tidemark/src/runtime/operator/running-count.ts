import type { RecordBatch } from '../../core/element.ts'
import type { Key } from '../../core/key.ts'
import { KeyLookahead } from '../state/key-lookahead.ts'
import type { Operator, OperatorContext } from './contract.ts'
import { RecordErrors } from './record-errors.ts'

/** How many records of this key have come: emits `[key, count]` for every record. */
export class RunningCountOperator implements Operator {
  private readonly context: OperatorContext
  private readonly keys: KeyLookahead
  private readonly count: () => number
  private readonly errors: RecordErrors

  constructor(context: OperatorContext, stateName: string, keyOf: (record: unknown) => Key) {
    this.context = context
    this.keys = new KeyLookahead(context.keyedState!, keyOf)
    this.count = context.keyedState!.counter(stateName)
    this.errors = new RecordErrors('fail', context)
  }

  process(_input: number, batch: RecordBatch, from: number, to: number): number {
    const out = this.context.outputs[0]!
    const { keys, count } = this
    const { timestamps } = batch
    let index = from
    try {
      for (; index < to && !out.isFull; index++) {
        const key = keys.use(batch, index, to)
        out.emit([key, count()], timestamps === null ? Number.NaN : timestamps[index]!, index)
      }
    } catch (error) {
      this.errors.onError(error, batch, index)
    }
    return index
  }
}
