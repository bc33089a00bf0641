import type { RecordBatch } from '../../core/element.ts'
import { TidemarkError } from '../../core/errors.ts'
import type { CheckpointId } from '../../core/ids.ts'
import type { ProcessBehaviour, ProcessContext } from '../../core/job.ts'
import type { Key } from '../../core/key.ts'
import type { PlanInput } from '../../core/plan.ts'
import { BroadcastState } from '../state/broadcast-state.ts'
import { KeyLookahead } from '../state/key-lookahead.ts'
import { ListState } from '../state/list-state.ts'
import type { Collector, Operator, OperatorContext, OperatorSnapshotting } from './contract.ts'
import { isPromiseLike, RecordErrors, refusePromise } from './record-errors.ts'

/** The user's own step: any number of inputs and outputs, declared state. */
export class ProcessOperator implements Operator {
  private readonly context: OperatorContext
  private readonly behaviour: ProcessBehaviour
  private readonly keys: readonly (KeyLookahead | null)[]
  private readonly sides: readonly Side[]
  private readonly emission: Emission
  private readonly errors: RecordErrors
  private readonly lists: readonly (ListState | BroadcastState)[]
  private readonly marks: number[]
  private watermark = Number.NEGATIVE_INFINITY

  constructor(
    context: OperatorContext,
    behaviour: ProcessBehaviour,
    inputs: readonly PlanInput[],
    outputs: readonly string[],
    keys: readonly (((record: unknown) => Key) | null)[],
  ) {
    this.context = context
    this.behaviour = behaviour
    this.keys = keys.map((keyOf) => (keyOf === null ? null : new KeyLookahead(context.keyedState!, keyOf)))
    this.errors = new RecordErrors(behaviour.onError, context)
    this.emission = new Emission(context, outputs)
    const states = makeStates(context, behaviour)
    this.lists = states.operatorStates
    this.sides = inputs.map((input) => makeSide(context, input, states, this.emission.emit))
    this.marks = context.outputs.map(() => 0)
  }

  process(input: number, batch: RecordBatch, from: number, to: number): number {
    let index = from
    for (;;) {
      try {
        for (; index < to && !this.isFull(); index++) this.handle(input, batch, index, to, index === from)
        return index
      } catch (error) {
        this.emission.isOpen = false
        if (this.errors.policy !== 'fail') this.takeBack()
        this.errors.onError(error, batch, index)
        index++
      }
    }
  }

  onWatermark(timestamp: number): void {
    this.watermark = timestamp
  }

  finish(): void {
    const { onEnd } = this.behaviour
    if (onEnd === undefined) return
    const side = makeSide(
      this.context,
      { name: '', kind: 'plain' },
      { keyed: {}, writable: this.endState(), readable: this.endState(), operatorStates: [] },
      this.emission.emit,
    )
    side.context.watermark = this.watermark
    this.emission.start(Number.NaN, 0)
    onEnd(side.context)
    this.emission.isOpen = false
  }

  snapshot(_checkpoint: CheckpointId): OperatorSnapshotting {
    return { lists: this.lists.map((state) => state.snapshot()) }
  }

  private handle(input: number, batch: RecordBatch, index: number, to: number, isFirst: boolean): void {
    const record = batch.values[index]
    const side = this.sides[input]!
    const timestamp = batch.timestamps === null ? Number.NaN : batch.timestamps[index]!
    if (this.errors.policy !== 'fail') this.mark()
    const keys = this.keys[input]
    if (keys !== null && keys !== undefined) (side.context as { key: Key }).key = keys.use(batch, index, to)
    side.context.timestamp = timestamp
    side.context.watermark = this.watermark
    this.emission.start(timestamp, index)
    const returned = this.behaviour.onRecord[input]!(record, side.context) as unknown
    this.emission.isOpen = false
    if (isFirst && isPromiseLike(returned)) refusePromise(this.context)
  }

  private isFull(): boolean {
    for (const output of this.context.outputs) if (output.isFull) return true
    return false
  }

  private mark(): void {
    for (let output = 0; output < this.marks.length; output++) this.marks[output] = this.context.outputs[output]!.size
  }

  private takeBack(): void {
    for (let output = 0; output < this.marks.length; output++)
      this.context.outputs[output]!.truncate(this.marks[output]!)
  }

  private endState(): Record<string, unknown> {
    return Object.fromEntries(
      this.lists.map((state) => [state.name, state instanceof BroadcastState ? state.readable : state]),
    )
  }
}

/** The emit functions of one operator: open only while a callback runs. */
class Emission {
  isOpen = false
  readonly emit: Readonly<Record<string, (record: unknown) => void>>
  private timestamp = Number.NaN
  private index = 0

  constructor(context: OperatorContext, outputs: readonly string[]) {
    this.emit = Object.freeze(
      Object.fromEntries(
        outputs.map((name, output) => [name, this.makeEmitter(context, name, context.outputs[output]!)]),
      ),
    )
  }

  start(timestamp: number, index: number): void {
    this.timestamp = timestamp
    this.index = index
    this.isOpen = true
  }

  private makeEmitter(context: OperatorContext, name: string, collector: Collector): (record: unknown) => void {
    return (record) => {
      if (!this.isOpen) {
        throw new TidemarkError(
          'STALE_OUTPUT',
          `emit.${name} of ${context.operator} was called after the callback that it was given to had returned`,
          {
            action: 'Emit only while the callback runs; keep what is to be emitted later in state.',
            context: { job: context.job, operator: context.operator },
          },
        )
      }
      collector.emit(record, this.timestamp, this.index)
    }
  }
}

interface Side {
  readonly context: { -readonly [Name in keyof ProcessContext]: ProcessContext[Name] }
}

interface States {
  readonly keyed: Readonly<Record<string, unknown>>
  readonly writable: Readonly<Record<string, unknown>>
  readonly readable: Readonly<Record<string, unknown>>
  readonly operatorStates: readonly (ListState | BroadcastState)[]
}

function makeStates(context: OperatorContext, behaviour: ProcessBehaviour): States {
  const keyed: Record<string, unknown> = {}
  const writable: Record<string, unknown> = {}
  const readable: Record<string, unknown> = {}
  const operatorStates: (ListState | BroadcastState)[] = []
  for (const [name, descriptor] of Object.entries(behaviour.states)) {
    if (descriptor.kind === 'broadcast') {
      const state = new BroadcastState(name, context.restoredList(name), context.isDevelopment)
      operatorStates.push(state)
      writable[name] = state
      readable[name] = state.readable
    } else if (context.keyedState !== null) {
      keyed[name] = context.keyedState.handle(name)
    } else if (descriptor.kind === 'list') {
      const state = new ListState(name, descriptor.redistribution, context.restoredList(name), context.isDevelopment)
      operatorStates.push(state)
      writable[name] = state
      readable[name] = state
    } else {
      throw new TidemarkError(
        'STATE_ACCESS',
        `operator ${context.operator} has no keys, so it cannot have ${descriptor.kind} state '${name}'`,
        {
          action: 'Use keyBy before process, or declare list state.',
        },
      )
    }
  }
  return { keyed, writable, readable, operatorStates }
}

/** What callbacks of one input see: keyed inputs the keyed state, the broadcast side the broadcast state to write to. */
function makeSide(context: OperatorContext, input: PlanInput, states: States, emit: Side['context']['emit']): Side {
  const state =
    input.kind === 'keyed'
      ? { ...states.keyed, ...states.readable }
      : input.kind === 'broadcast'
        ? onlyBroadcast(states)
        : { ...states.readable }
  const base = {
    state: Object.freeze(state),
    emit,
    use: context.resources,
    timestamp: Number.NaN,
    watermark: Number.NEGATIVE_INFINITY,
    subtask: context.subtask,
  }
  if (input.kind === 'keyed') return { context: { ...base, key: '' } }
  const withoutKey = Object.defineProperty({ ...base } as Side['context'], 'key', {
    get(): never {
      throw new TidemarkError('STATE_ACCESS', `input ${input.name} of ${context.operator} has no key`, {
        action: 'Use keyBy before process.',
      })
    },
  })
  return { context: withoutKey }
}

function onlyBroadcast(states: States): Record<string, unknown> {
  return { ...states.writable }
}
