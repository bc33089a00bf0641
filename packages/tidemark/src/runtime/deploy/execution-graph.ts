import { type OperatorId, type TaskId, taskId } from '../../core/ids.ts'
import type { JobPlan, Partitioning, PlanEdge, PlanOperator } from '../../core/plan.ts'

/** What runs: chains of operators (vertices) with edges between them. Derived from the plan alone, the same in every thread. */
export interface ExecutionGraph {
  readonly vertices: readonly Vertex[]
  readonly edges: readonly VertexEdge[]
}

/** A chain of operators; each of its `parallelism` tasks runs all of them. Named after its first operator. */
export interface Vertex {
  readonly id: string
  readonly parallelism: number
  /** In topological order; the first is the head. */
  readonly operators: readonly ChainedOperator[]
  /** Edges that end here, in the order of their channels. */
  readonly inputs: readonly VertexEdge[]
}

export interface ChainedOperator {
  readonly operator: PlanOperator
  /** Per output: where its records go. */
  readonly targets: readonly (readonly OperatorTarget[])[]
}

export type OperatorTarget =
  | { readonly kind: 'chained'; readonly index: number; readonly input: number }
  | { readonly kind: 'edge'; readonly edge: VertexEdge }

/** Channels from every task of `from` that sends to a task of `to`. */
export interface VertexEdge {
  readonly id: string
  readonly from: string
  readonly to: string
  readonly input: number
  readonly fromOperator: OperatorId
  readonly toOperator: OperatorId
  readonly partitioning: Partitioning
  readonly fromParallelism: number
  readonly toParallelism: number
}

/**
 * Chains operators whose only input is a forward edge from an operator of the same parallelism; all other edges become channels. A forward edge between
 * different parallelisms becomes rebalance.
 */
export function executionGraph(plan: JobPlan, parallelism: number): ExecutionGraph {
  const operators = topological(plan)
  const parallelismOf = (operator: PlanOperator) => operator.parallelism ?? parallelism
  const byId = new Map(operators.map((operator) => [operator.id, operator]))
  const headOf = new Map<OperatorId, OperatorId>()
  for (const operator of operators) {
    const upstream = chainableUpstream(plan, operator, byId, parallelismOf)
    headOf.set(operator.id, upstream === null ? operator.id : headOf.get(upstream)!)
  }
  const edges: VertexEdge[] = []
  const edgeOf = new Map<PlanEdge, VertexEdge>()
  for (const edge of plan.edges) {
    if (
      headOf.get(edge.to.operator) === headOf.get(edge.from.operator) &&
      headOf.get(edge.to.operator) !== edge.to.operator
    )
      continue
    const fromParallelism = parallelismOf(byId.get(edge.from.operator)!)
    const toParallelism = parallelismOf(byId.get(edge.to.operator)!)
    const vertexEdge: VertexEdge = {
      id: `${edge.from.operator}.${edge.from.output}->${edge.to.operator}.${edge.to.input}`,
      from: headOf.get(edge.from.operator)!,
      to: headOf.get(edge.to.operator)!,
      input: edge.to.input,
      fromOperator: edge.from.operator,
      toOperator: edge.to.operator,
      partitioning:
        edge.partitioning === 'forward' && fromParallelism !== toParallelism ? 'rebalance' : edge.partitioning,
      fromParallelism,
      toParallelism,
    }
    edges.push(vertexEdge)
    edgeOf.set(edge, vertexEdge)
  }
  const vertices = operators
    .filter((operator) => headOf.get(operator.id) === operator.id)
    .map((head): Vertex => {
      const chained = operators.filter((operator) => headOf.get(operator.id) === head.id)
      return {
        id: head.id,
        parallelism: parallelismOf(head),
        operators: chained.map((operator) => ({ operator, targets: targetsOf(plan, operator, chained, edgeOf) })),
        inputs: edges.filter((edge) => edge.to === head.id),
      }
    })
  return { vertices, edges }
}

/** The tasks of a graph, with the tasks that send to each. */
export function tasksOf(graph: ExecutionGraph): readonly {
  readonly task: TaskId
  readonly vertex: string
  readonly subtask: number
  readonly upstream: readonly TaskId[]
}[] {
  return graph.vertices.flatMap((vertex) =>
    Array.from({ length: vertex.parallelism }, (_, subtask) => ({
      task: taskId(vertex.id, subtask),
      vertex: vertex.id,
      subtask,
      upstream: [...new Set(inputChannels(vertex, subtask).map((channel) => taskId(channel.edge.from, channel.from)))],
    })),
  )
}

/** The input channels of one task, in the order of their indices. */
export function inputChannels(
  vertex: Vertex,
  subtask: number,
): readonly { readonly edge: VertexEdge; readonly from: number }[] {
  return vertex.inputs.flatMap((edge) =>
    edge.partitioning === 'forward'
      ? [{ edge, from: subtask }]
      : Array.from({ length: edge.fromParallelism }, (_, from) => ({ edge, from })),
  )
}

function chainableUpstream(
  plan: JobPlan,
  operator: PlanOperator,
  byId: ReadonlyMap<OperatorId, PlanOperator>,
  parallelismOf: (operator: PlanOperator) => number,
): OperatorId | null {
  const incoming = plan.edges.filter((edge) => edge.to.operator === operator.id)
  const [only] = incoming
  if (only === undefined || incoming.length !== 1 || only.partitioning !== 'forward') return null
  return parallelismOf(byId.get(only.from.operator)!) === parallelismOf(operator) ? only.from.operator : null
}

function targetsOf(
  plan: JobPlan,
  operator: PlanOperator,
  chained: readonly PlanOperator[],
  edgeOf: ReadonlyMap<PlanEdge, VertexEdge>,
): readonly (readonly OperatorTarget[])[] {
  return operator.outputs.map((_, output) =>
    plan.edges
      .filter((edge) => edge.from.operator === operator.id && edge.from.output === output)
      .map((edge): OperatorTarget => {
        const vertexEdge = edgeOf.get(edge)
        if (vertexEdge !== undefined) return { kind: 'edge', edge: vertexEdge }
        return {
          kind: 'chained',
          index: chained.findIndex((other) => other.id === edge.to.operator),
          input: edge.to.input,
        }
      }),
  )
}

function topological(plan: JobPlan): readonly PlanOperator[] {
  const remaining = new Map(plan.operators.map((operator) => [operator.id, operator]))
  const ordered: PlanOperator[] = []
  while (remaining.size > 0) {
    const before = remaining.size
    for (const [id, operator] of remaining) {
      if (plan.edges.some((edge) => edge.to.operator === id && remaining.has(edge.from.operator))) continue
      ordered.push(operator)
      remaining.delete(id)
    }
    if (remaining.size === before) throw new Error('the plan has a cycle')
  }
  return ordered
}
