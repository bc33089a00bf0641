import { checkPlan } from '../core/check-plan.ts'
import { type OperatorId, operatorId } from '../core/ids.ts'
import type { Behaviour, BuiltJob } from '../core/job.ts'
import type { Key } from '../core/key.ts'
import type { OperatorKind, PlanEdge, PlanOperator } from '../core/plan.ts'
import type { Resource } from '../core/resource.ts'
import type { Sink } from '../core/sink.ts'
import type { StateSchema } from '../core/state.ts'
import { invalidJob, requireName } from './arguments.ts'
import { type CallSite, placeOf } from './call-site.ts'
import { type ErrorHandling, FAIL } from './on-error.ts'
import { inputKind, type StreamNode, type StreamOrigin } from './stream-node.ts'

/** The output that dead letters leave through: always an operator's last one. */
export const DEAD_LETTERS = 'dead-letters'

/** A step that is to become an operator. */
export interface Step {
  readonly kind: OperatorKind
  /** null: derived from `label` and the order of building. */
  readonly name: string | null
  /** What users call this kind of step: `flatMap`. */
  readonly label: string
  readonly at: CallSite | undefined
  readonly inputs: readonly { readonly name: string; readonly stream: StreamNode }[]
  readonly outputs: readonly string[]
  readonly states: readonly StateSchema[]
  readonly behaviour: Behaviour
  readonly errors: ErrorHandling
  readonly details?: Pick<PlanOperator, 'connector' | 'describe' | 'delivery'>
  readonly parallelism?: number
}

/** Collects the steps of one job while its build function runs. */
export class JobGraph {
  readonly job: string
  private readonly operators: PlanOperator[] = []
  private readonly edges: PlanEdge[] = []
  private readonly behaviours = new Map<OperatorId, Behaviour>()
  private readonly keys = new Map<OperatorId, readonly (((record: unknown) => Key) | null)[]>()
  private readonly definedAt = new Map<OperatorId, CallSite | undefined>()
  private readonly derivedNames = new Map<string, number>()
  private readonly deadLetterSinks = new Map<OperatorId, Sink<unknown>>()
  private readonly resources = new Map<
    string,
    { readonly resource: Resource<unknown>; readonly at: CallSite | undefined }
  >()
  private isClosed = false

  constructor(job: string) {
    this.job = job
  }

  /** Adds an operator, its edges and, where the step has one, its dead-letter sink. */
  add(step: Step): OperatorId {
    if (this.isClosed) {
      throw invalidJob(
        `${step.label} was called after the build function had returned`,
        'Add all steps before build returns; build is synchronous.',
        step.at,
      )
    }
    const id = this.claimName(step)
    const outputs = step.errors.policy === 'dead-letter' ? [...step.outputs, DEAD_LETTERS] : step.outputs
    this.operators.push({
      id,
      kind: step.kind,
      ...step.details,
      isNamed: step.name !== null,
      parallelism: step.parallelism ?? null,
      inputs: step.inputs.map(({ name, stream }) => ({ name, kind: inputKind(stream) })),
      outputs,
      states: step.states,
    })
    this.behaviours.set(id, step.behaviour)
    this.keys.set(
      id,
      step.inputs.map(({ stream }) => stream.key),
    )
    step.inputs.forEach(({ stream }, input) => this.connect(stream.origins, id, input))
    if (step.errors.deadLetters !== null) {
      this.addDeadLetters(
        { operator: id, output: outputs.length - 1, partitioning: 'forward' },
        step.errors.deadLetters,
        step.at,
      )
    }
    return id
  }

  /** Within a job a resource's name stands for one resource. */
  addResource(resource: Resource<unknown>, at: CallSite | undefined): void {
    const known = this.resources.get(resource.name)
    if (known !== undefined && known.resource !== resource) {
      throw invalidJob(
        `two resources have the name '${resource.name}', used at ${placeOf(known.at)} and at ${placeOf(at)}`,
        'Declare the resource once and use it in both steps, or give each its own name.',
      )
    }
    this.resources.set(resource.name, { resource, at })
  }

  /** No step can be added any more. */
  close(): void {
    this.isClosed = true
  }

  finish(ports: BuiltJob['ports']): BuiltJob {
    const built: BuiltJob = {
      plan: { version: 1, job: this.job, operators: this.operators, edges: this.edges },
      behaviours: this.behaviours,
      keys: this.keys,
      ports,
    }
    checkPlan(built)
    return built
  }

  private claimName(step: Step): OperatorId {
    const id = operatorId(step.name ?? this.deriveName(step.label))
    requireName(`${step.label} step`, id, step.at)
    if (this.behaviours.has(id)) {
      throw invalidJob(
        `two steps have the name '${id}', defined at ${placeOf(this.definedAt.get(id))} and at ${placeOf(step.at)}`,
        step.name === null
          ? 'Do not use a name that looks like a derived one, or name this step too.'
          : 'Give each step its own name.',
        undefined,
        { operator: id },
      )
    }
    this.definedAt.set(id, step.at)
    return id
  }

  private deriveName(label: string): string {
    const count = (this.derivedNames.get(label) ?? 0) + 1
    this.derivedNames.set(label, count)
    return `${label}-${count}`
  }

  private connect(origins: readonly StreamOrigin[], operator: OperatorId, input: number): void {
    for (const { operator: from, output, partitioning } of origins) {
      this.edges.push({ from: { operator: from, output }, to: { operator, input }, partitioning })
    }
  }

  /** Steps that give the same name and the same sink share one sink operator. */
  private addDeadLetters(
    origin: StreamOrigin,
    target: NonNullable<ErrorHandling['deadLetters']>,
    at: CallSite | undefined,
  ): void {
    const existing = operatorId(target.name)
    if (this.deadLetterSinks.get(existing) === target.sink) {
      this.connect([origin], existing, 0)
      return
    }
    const id = this.add(
      sinkStep(target.name, 'dead-letter sink', target.sink, { graph: this, origins: [origin], key: null }, FAIL, at),
    )
    this.deadLetterSinks.set(id, target.sink)
  }
}

/** The step that writes a stream to a sink. */
export function sinkStep(
  name: string | null,
  label: string,
  sink: Sink<unknown>,
  stream: StreamNode,
  errors: ErrorHandling,
  at: CallSite | undefined,
): Step {
  return {
    kind: 'sink',
    name,
    label,
    at,
    inputs: [{ name: 'in', stream }],
    outputs: [],
    states: [],
    behaviour: { kind: 'sink', sink, onError: errors.policy },
    errors,
    details: {
      connector: sink.kind,
      delivery: sink.delivery,
      ...(sink.describe === undefined ? {} : { describe: sink.describe }),
    },
  }
}
