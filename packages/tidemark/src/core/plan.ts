import type { OperatorId } from './ids.ts'
import type { StateSchema } from './state.ts'

/**
 * What a job is, without its functions: versioned JSON, the same on every machine. A function is addressed by its operator's name in the job
 * module, never serialised. What is compared with it when a checkpoint is restored: names, states, and the kinds of sources and sinks.
 */
export interface JobPlan {
  readonly version: 1
  readonly job: string
  readonly operators: readonly PlanOperator[]
  readonly edges: readonly PlanEdge[]
}

export type OperatorKind = 'source' | 'map' | 'filter' | 'flat-map' | 'scan' | 'running-count' | 'process' | 'sink'

export interface PlanOperator {
  readonly id: OperatorId
  readonly kind: OperatorKind
  /** For sources and sinks the connector's kind: `lines`, `json-lines`. */
  readonly connector?: string
  readonly describe?: Readonly<Record<string, string | number | boolean>>
  /** Whether the user gave the name (required where state or an outside effect exists) or it was derived. */
  readonly isNamed: boolean
  /** Fixed by the user (`1` for print and collectors), or null: the job's parallelism. */
  readonly parallelism: number | null
  readonly inputs: readonly PlanInput[]
  readonly outputs: readonly string[]
  readonly states: readonly StateSchema[]
  /** Sinks: their delivery. */
  readonly delivery?: 'exactly-once' | 'at-least-once'
}

/** `keyed`: partitioned by a key selector. `broadcast`: every task sees every record. `plain`: anything else. */
export interface PlanInput {
  readonly name: string
  readonly kind: 'plain' | 'keyed' | 'broadcast'
}

/** `forward`: subtask i to subtask i where the parallelism is equal (else rebalance). `hash`: by the key group of the input's key. */
export type Partitioning = 'forward' | 'hash' | 'rebalance' | 'broadcast'

/** Several edges may end in the same input: that is `union`. */
export interface PlanEdge {
  readonly from: { readonly operator: OperatorId; readonly output: number }
  readonly to: { readonly operator: OperatorId; readonly input: number }
  readonly partitioning: Partitioning
}
