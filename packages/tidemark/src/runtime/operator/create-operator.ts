import { assert } from '../../core/errors.ts'
import type { BuiltJob } from '../../core/job.ts'
import type { PlanOperator } from '../../core/plan.ts'
import type { WriterContext } from '../../core/sink.ts'
import type { StateDescriptor } from '../../core/state.ts'
import type { Operator, OperatorContext } from './contract.ts'
import { FilterOperator } from './filter.ts'
import { FlatMapOperator } from './flat-map.ts'
import { MapOperator } from './map.ts'
import { ProcessOperator } from './process.ts'
import { RunningCountOperator } from './running-count.ts'
import { ScanOperator } from './scan.ts'
import { SinkOperator } from './sink.ts'

/** Makes the operator that a plan operator and its behaviour describe. Sources are not operators: a task polls their reader. */
export function createOperator(
  job: BuiltJob,
  plan: PlanOperator,
  context: OperatorContext,
  writerContext: () => WriterContext,
): Operator {
  const behaviour = job.behaviours.get(plan.id)!
  const keys = job.keys.get(plan.id) ?? []
  switch (behaviour.kind) {
    case 'source':
      return { process: () => assert(false, 'a source takes no records') as never }
    case 'map':
      return new MapOperator(context, behaviour.map, behaviour.onError)
    case 'filter':
      return new FilterOperator(context, behaviour.test, behaviour.onError)
    case 'flat-map':
      return new FlatMapOperator(context, behaviour.expand, behaviour.onError)
    case 'scan':
      return new ScanOperator(context, plan.states[0]!.name, keys[0]!, behaviour.step, behaviour.onError)
    case 'running-count':
      return new RunningCountOperator(context, plan.states[0]!.name, keys[0]!)
    case 'process':
      return new ProcessOperator(context, behaviour, plan.inputs, outputNames(plan, behaviour.onError), keys)
    case 'sink':
      return new SinkOperator(context, behaviour.sink.createWriter(writerContext()), behaviour.onError)
  }
}

/** The declared states of an operator, also of the built-in ones. */
export function statesOf(job: BuiltJob, plan: PlanOperator): Readonly<Record<string, StateDescriptor>> {
  const behaviour = job.behaviours.get(plan.id)!
  if (behaviour.kind === 'process') return behaviour.states
  const name = plan.states[0]?.name
  if (name === undefined) return {}
  if (behaviour.kind === 'scan') return { [name]: { kind: 'value', initial: behaviour.initial } }
  return { [name]: { kind: 'value', initial: () => 0 } }
}

/** Outputs that user code emits to: all but the one for dead letters. */
function outputNames(plan: PlanOperator, onError: string): readonly string[] {
  return onError === 'dead-letter' ? plan.outputs.slice(0, -1) : plan.outputs
}
