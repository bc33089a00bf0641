import type { RecordBatch } from '../../core/element.ts'
import type { ErrorPolicy } from '../../core/job.ts'
import type { Key } from '../../core/key.ts'
import type { Value } from '../../core/state.ts'
import { KeyLookahead } from '../state/key-lookahead.ts'
import type { Operator, OperatorContext } from './contract.ts'
import { isPromiseLike, RecordErrors, refusePromise } from './record-errors.ts'

/** A running fold per key: emits `[key, accumulator]` for every record. Its one state is a value with an initial. */
export class ScanOperator implements Operator {
  private readonly context: OperatorContext
  private readonly keys: KeyLookahead
  private readonly step: (accumulator: unknown, record: unknown) => unknown
  private readonly state: Value<unknown, unknown>
  private readonly errors: RecordErrors

  constructor(
    context: OperatorContext,
    stateName: string,
    keyOf: (record: unknown) => Key,
    step: (accumulator: unknown, record: unknown) => unknown,
    onError: ErrorPolicy,
  ) {
    this.context = context
    this.keys = new KeyLookahead(context.keyedState!, keyOf)
    this.step = step
    this.state = context.keyedState!.handle(stateName) as Value<unknown, unknown>
    this.errors = new RecordErrors(onError, context)
  }

  process(_input: number, batch: RecordBatch, from: number, to: number): number {
    const out = this.context.outputs[0]!
    const { keys, step, state } = this
    const { values, timestamps } = batch
    let index = from
    for (;;) {
      try {
        for (; index < to && !out.isFull; index++) {
          const record = values[index]
          const key = keys.use(batch, index, to)
          const accumulator = step(state.get(), record)
          if (index === from && isPromiseLike(accumulator)) refusePromise(this.context)
          state.set(accumulator)
          out.emit([key, accumulator], timestamps === null ? Number.NaN : timestamps[index]!, index)
        }
        return index
      } catch (error) {
        this.errors.onError(error, batch, index)
        index++
      }
    }
  }
}
