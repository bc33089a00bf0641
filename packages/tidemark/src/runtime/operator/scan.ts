import type { RecordBatch } from '../../core/element.ts'
import type { ErrorPolicy } from '../../core/job.ts'
import type { Key } from '../../core/key.ts'
import type { Value } from '../../core/state.ts'
import type { NumberCells } from '../state/contract.ts'
import { KeyLookahead } from '../state/key-lookahead.ts'
import type { Operator, OperatorContext } from './contract.ts'
import { isPromiseLike, RecordErrors, refusePromise } from './record-errors.ts'

/** A running fold per key: emits `[key, accumulator]` for every record. Its one state is a value with an initial. */
export class ScanOperator implements Operator {
  private readonly context: OperatorContext
  private readonly keys: KeyLookahead
  private readonly step: (accumulator: unknown, record: unknown) => unknown
  private readonly state: Value<unknown, unknown>
  private readonly numbers: NumberCells
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
    this.numbers = context.keyedState!.numbers(stateName)
    this.errors = new RecordErrors(onError, context)
  }

  process(_input: number, batch: RecordBatch, from: number, to: number): number {
    const out = this.context.outputs[0]!
    const { keys, step, numbers } = this
    const { values, timestamps } = batch
    let index = from
    for (;;) {
      try {
        while (index < to && !out.isFull) {
          let end = keys.open(batch, index, to)
          const { first, slots, keys: ofWindow } = keys
          for (; index < end && !out.isFull; index++) {
            const record = values[index]
            // Numbers, of which there are the most, do not pass through the handle: what they cost there is more than all the rest.
            const number = numbers.get(slots[index - first]!)
            let accumulator: unknown
            if (number === number) {
              accumulator = step(number, record)
              if (typeof accumulator === 'number' && accumulator === accumulator)
                numbers.replace(slots[index - first]!, accumulator)
              else {
                keys.useOpen(index)
                this.store(accumulator, index === from)
              }
            } else {
              keys.useOpen(index)
              accumulator = step(this.state.get(), record)
              this.store(accumulator, index === from)
              if (!keys.isCurrent) end = index + 1
            }
            out.emit(
              [ofWindow[index - first], accumulator],
              timestamps === null ? Number.NaN : timestamps[index]!,
              index,
            )
          }
        }
        return index
      } catch (error) {
        this.errors.onError(error, batch, index)
        index++
      }
    }
  }

  private store(accumulator: unknown, isFirst: boolean): void {
    if (isFirst && isPromiseLike(accumulator)) refusePromise(this.context)
    this.state.set(accumulator)
  }
}
