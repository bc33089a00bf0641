import type { RecordBatch } from '../../core/element.ts'
import type { Key } from '../../core/key.ts'
import type { Value } from '../../core/state.ts'
import type { NumberCells } from '../state/contract.ts'
import { KeyLookahead } from '../state/key-lookahead.ts'
import type { Operator, OperatorContext } from './contract.ts'
import { RecordErrors } from './record-errors.ts'

/** How many records of this key have come: emits `[key, count]` for every record. */
export class RunningCountOperator implements Operator {
  private readonly context: OperatorContext
  private readonly keys: KeyLookahead
  private readonly state: Value<number, number>
  private readonly counts: NumberCells
  private readonly errors: RecordErrors

  constructor(context: OperatorContext, stateName: string, keyOf: (record: unknown) => Key) {
    this.context = context
    this.keys = new KeyLookahead(context.keyedState!, keyOf)
    this.state = context.keyedState!.handle(stateName) as Value<number, number>
    this.counts = context.keyedState!.numbers(stateName)
    this.errors = new RecordErrors('fail', context)
  }

  process(_input: number, batch: RecordBatch, from: number, to: number): number {
    const out = this.context.outputs[0]!
    const { keys, counts } = this
    const { timestamps } = batch
    let index = from
    try {
      while (index < to && !out.isFull) {
        let end = keys.open(batch, index, to)
        const { first, slots, keys: ofWindow } = keys
        for (; index < end && !out.isFull; index++) {
          let count = counts.add(slots[index - first]!, 1)
          if (count !== count) {
            count = this.countFirst(index)
            if (!keys.isCurrent) end = index + 1
          }
          out.emit([ofWindow[index - first], count], timestamps === null ? Number.NaN : timestamps[index]!, index)
        }
      }
    } catch (error) {
      this.errors.onError(error, batch, index)
    }
    return index
  }

  /** Of a key that had no state when the window was opened. */
  private countFirst(index: number): number {
    this.keys.useOpen(index)
    const count = this.state.get() + 1
    this.state.set(count)
    return count
  }
}
