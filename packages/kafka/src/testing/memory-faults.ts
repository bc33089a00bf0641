import type { KafkaClient, TopicPartition } from '../client/contract.ts'
import type { FailureCode } from './memory-failure.ts'

export type Operation = Exclude<keyof KafkaClient, 'close'>

/** A request on its way to the cluster. */
export interface Call {
  readonly operation: Operation
  /** Name of the client that makes it. */
  readonly client: string
  /** Counts the calls of all clients from 0. */
  readonly number: number
  /** Null where the client finds the broker by itself. */
  readonly broker: number | null
  readonly arguments: readonly unknown[]
}

/**
 * What goes wrong with a call.
 * - `refused`: it has no effect and is answered with this error. With `partitions` only their answers are (`offsets`, `fetch`, `produce`).
 * - `lost-request`: it has no effect, and the connection breaks. `lost-response`: it has its effect, and the connection breaks.
 * - `held`: it arrives when the promise has settled. `late`: its answer does.
 */
export type Fault =
  | { readonly kind: 'refused'; readonly code: FailureCode; readonly partitions?: readonly TopicPartition[] }
  | { readonly kind: 'lost-request' | 'lost-response' }
  | { readonly kind: 'held' | 'late'; readonly until: Promise<void> }

/** Decides what happens to each call; null: all is well. */
export type FaultPlan = (call: Call) => Fault | null

/** Faults for the next calls, one after the other, and then a plan for all others. */
export class FaultQueue {
  plan: FaultPlan = () => null
  private readonly queue: { readonly operation: Operation; readonly fault: Fault }[] = []

  add(operation: Operation, fault: Fault, times: number): void {
    for (let count = 0; count < times; count++) this.queue.push({ operation, fault })
  }

  next(call: Call): Fault | null {
    const index = this.queue.findIndex(({ operation }) => operation === call.operation)
    return index < 0 ? this.plan(call) : this.queue.splice(index, 1)[0]!.fault
  }
}
