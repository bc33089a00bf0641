import type { JobPlan, PlanEdge, PlanOperator } from './plan.ts'

/** Part of what is hashed: a change of the recipe changes every hash. */
const RECIPE = 'tidemark-topology/1'

/**
 * The shape of a job, kept in every manifest: names, kinds (with the connector's), inputs, outputs, states and edges. Not part of it:
 * functions, parallelism, settings of connectors, and the order in which independent steps were built. Another shape is no reason to refuse a
 * checkpoint: what has no place in the job is (`check-states.ts`, `redistribute.ts`).
 *
 * 64-bit FNV-1a over the UTF-16 code units of a canonical JSON text, as 16 hexadecimal digits. It tells apart what was
 * changed by accident; it is no protection against somebody who looks for a collision.
 */
export function topologyHash(plan: JobPlan): string {
  const operators = plan.operators.map(canonicalOperator).sort(compare)
  const edges = plan.edges.map(canonicalEdge).sort(compare)
  return fnv1a64(JSON.stringify([RECIPE, plan.job, operators, edges]))
}

function canonicalOperator(operator: PlanOperator): string {
  const { id, kind, connector, inputs, outputs, states } = operator
  return JSON.stringify([
    id,
    kind,
    connector ?? null,
    inputs.map((input) => [input.name, input.kind]),
    outputs,
    // The order of declaration means nothing: states are found by name.
    states
      .map((state) => JSON.stringify([state.name, state.kind, state.redistribution ?? null, state.codec]))
      .sort(compare),
  ])
}

function canonicalEdge({ from, to, partitioning }: PlanEdge): string {
  return JSON.stringify([to.operator, to.input, from.operator, from.output, partitioning])
}

/** By code units: the same on every machine, unlike a comparison by locale. */
function compare(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0
}

const OFFSET_BASIS = 0xcbf29ce484222325n
const PRIME = 0x100000001b3n

function fnv1a64(text: string): string {
  let hash = OFFSET_BASIS
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index)
    hash = BigInt.asUintN(64, (hash ^ BigInt(unit & 0xff)) * PRIME)
    hash = BigInt.asUintN(64, (hash ^ BigInt(unit >>> 8)) * PRIME)
  }
  return hash.toString(16).padStart(16, '0')
}
