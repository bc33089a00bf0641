import type { Key } from './key.ts'
import type { OperatorId } from './ids.ts'
import type { JobPlan } from './plan.ts'
import type { Resource } from './resource.ts'
import type { Sink } from './sink.ts'
import type { Source } from './source.ts'
import type { StateDescriptor } from './state.ts'

/** Marks jobs, also those of another copy of the package. */
export const JOB = Symbol.for('tidemark.job')

/** The policy for a record whose processing throws. `dead-letter`: a DeadLetter goes to the operator's last output. */
export type ErrorPolicy = 'fail' | 'skip' | 'dead-letter'

/** A record that could not be processed. */
export interface DeadLetter<T = unknown> {
  readonly operator: string
  /** The source position, where known. */
  readonly position: string | null
  readonly value: T
  readonly error: string
}

/** What an operator does: the functions that belong to a PlanOperator. Stays in the thread that built it. */
export type Behaviour =
  | { readonly kind: 'source'; readonly source: Source<unknown> }
  | { readonly kind: 'map'; readonly map: (record: unknown) => unknown; readonly onError: ErrorPolicy }
  | { readonly kind: 'filter'; readonly test: (record: unknown) => boolean; readonly onError: ErrorPolicy }
  | {
      readonly kind: 'flat-map'
      readonly expand: (record: unknown) => Iterable<unknown>
      readonly onError: ErrorPolicy
    }
  | {
      readonly kind: 'scan'
      readonly initial: () => unknown
      readonly step: (accumulator: unknown, record: unknown) => unknown
      readonly onError: ErrorPolicy
    }
  | { readonly kind: 'running-count' }
  | ProcessBehaviour
  | { readonly kind: 'sink'; readonly sink: Sink<unknown>; readonly onError: ErrorPolicy }

export interface ProcessBehaviour {
  readonly kind: 'process'
  /** Declared states, in the order of `PlanOperator.states`, under the names users gave them. */
  readonly states: Readonly<Record<string, StateDescriptor>>
  readonly resources: Readonly<Record<string, Resource<unknown>>>
  /** One per input, in the order of `PlanOperator.inputs`. */
  readonly onRecord: readonly ((record: unknown, context: ProcessContext) => void)[]
  /** Every input has ended (bounded input, drain): the last chance to emit. Not keyed. */
  readonly onEnd?: (context: ProcessContext) => void
  readonly onError: ErrorPolicy
}

/** What user code sees while it handles a record. Valid only during the call: used later it throws `STALE_OUTPUT`. */
export interface ProcessContext {
  /** The key of the record; `STATE_ACCESS` in operators and on sides without keys. */
  readonly key: Key
  /** One handle per declared state. */
  readonly state: Readonly<Record<string, unknown>>
  /** One function per declared output. */
  readonly emit: Readonly<Record<string, (record: unknown) => void>>
  readonly use: Readonly<Record<string, unknown>>
  /** Event time of the record in milliseconds; NaN when it has none. */
  readonly timestamp: number
  readonly watermark: number
  readonly subtask: number
}

/** A plan with the functions that belong to it. */
export interface BuiltJob {
  readonly plan: JobPlan
  readonly behaviours: ReadonlyMap<OperatorId, Behaviour>
  /** For every operator, one selector per input; null for inputs that are not keyed. */
  readonly keys: ReadonlyMap<OperatorId, readonly (((record: unknown) => Key) | null)[]>
  /** What `build` returned: names of handles to outputs, for tests. */
  readonly ports: Readonly<Record<string, { readonly operator: OperatorId; readonly output: number }>>
}

/** What `defineJob` returns; starting nothing. `build` is deterministic: it runs in every worker and after every restart. */
export interface JobDefinition<Params = unknown, Ports = unknown> {
  readonly [JOB]: { readonly params?: Params; readonly ports?: Ports }
  readonly name: string
  /** The job has a schema of parameters. */
  readonly takesParams: boolean
  /** Validates and completes raw parameters by the job's schema; `INVALID_PARAMS`. */
  resolveParams(raw: unknown): Promise<Params>
  /** `INVALID_JOB` with both call sites for duplicate names, and so on. */
  build(params: Params): BuiltJob
}
