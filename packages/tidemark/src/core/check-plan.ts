import { TidemarkError } from './errors.ts'
import type { OperatorId } from './ids.ts'
import type { BuiltJob } from './job.ts'
import type { PlanEdge, PlanOperator } from './plan.ts'

/**
 * Checks that the parts of a built job fit together, whoever built it: names are unique, every edge leads from an output to an input, every
 * input has an edge and a partitioning of its kind, every operator has its functions and selectors, ports lead to outputs, and there is
 * no cycle. `INVALID_JOB` names the first thing that is wrong.
 */
export function checkPlan(built: BuiltJob): void {
  const { plan } = built
  const operators = new Map<OperatorId, PlanOperator>()
  for (const operator of plan.operators) {
    if (operators.has(operator.id)) throw invalid(built, `two operators have the name '${operator.id}'`)
    operators.set(operator.id, operator)
  }
  if (!plan.operators.some((operator) => operator.kind === 'source'))
    throw invalid(built, 'there is no source', 'Begin with job.source(name, source).')
  for (const operator of plan.operators) checkOperator(built, operator)
  for (const edge of plan.edges) checkEdge(built, edge, operators)
  for (const operator of plan.operators) checkInputs(built, operator)
  for (const [name, { operator, output }] of Object.entries(built.ports)) {
    if (operators.get(operator)?.outputs[output] === undefined)
      throw invalid(built, `port '${name}' leads to no output`)
  }
  checkAcyclic(built)
}

function checkOperator(built: BuiltJob, operator: PlanOperator): void {
  const behaviour = built.behaviours.get(operator.id)
  if (behaviour === undefined) throw invalid(built, `operator '${operator.id}' has no behaviour`)
  if (behaviour.kind !== operator.kind) {
    throw invalid(built, `operator '${operator.id}' is a ${operator.kind} with the behaviour of a ${behaviour.kind}`)
  }
  if ((operator.kind === 'source') !== (operator.inputs.length === 0)) {
    throw invalid(built, `operator '${operator.id}' is a ${operator.kind} with ${operator.inputs.length} inputs`)
  }
  const keys = built.keys.get(operator.id) ?? []
  if (keys.length !== operator.inputs.length) {
    throw invalid(
      built,
      `operator '${operator.id}' has ${operator.inputs.length} inputs and ${keys.length} key selectors`,
    )
  }
  operator.inputs.forEach((input, index) => {
    if ((input.kind === 'keyed') !== (keys[index] !== null)) {
      throw invalid(
        built,
        `input '${input.name}' of '${operator.id}' is ${input.kind}, its key selector says otherwise`,
      )
    }
  })
}

function checkEdge(built: BuiltJob, edge: PlanEdge, operators: ReadonlyMap<OperatorId, PlanOperator>): void {
  const from = `${edge.from.operator}[${edge.from.output}]`
  if (operators.get(edge.from.operator)?.outputs[edge.from.output] === undefined) {
    throw invalid(built, `an edge comes from ${from}, which is no output`)
  }
  const input = operators.get(edge.to.operator)?.inputs[edge.to.input]
  if (input === undefined)
    throw invalid(built, `the edge from ${from} leads to ${edge.to.operator}[${edge.to.input}], which is no input`)
  const kind = edge.partitioning === 'hash' ? 'keyed' : edge.partitioning === 'broadcast' ? 'broadcast' : 'plain'
  if (kind !== input.kind) {
    throw invalid(
      built,
      `the edge from ${from} is partitioned by ${edge.partitioning}, but input '${input.name}' of '${edge.to.operator}' is ${input.kind}`,
    )
  }
}

function checkInputs(built: BuiltJob, operator: PlanOperator): void {
  operator.inputs.forEach((input, index) => {
    const isFed = built.plan.edges.some((edge) => edge.to.operator === operator.id && edge.to.input === index)
    if (!isFed) throw invalid(built, `input '${input.name}' of '${operator.id}' has no edge`)
  })
}

/** Takes away operators whose inputs are all taken away; what cannot be is a cycle or behind one. */
function checkAcyclic(built: BuiltJob): void {
  const { operators, edges } = built.plan
  const waitingFor = new Map(operators.map((operator) => [operator.id, 0]))
  for (const { to } of edges) waitingFor.set(to.operator, waitingFor.get(to.operator)! + 1)
  const ready = operators.filter((operator) => waitingFor.get(operator.id) === 0).map((operator) => operator.id)
  let taken = 0
  for (let next = ready.pop(); next !== undefined; next = ready.pop()) {
    taken++
    for (const { from, to } of edges) {
      if (from.operator !== next) continue
      const left = waitingFor.get(to.operator)! - 1
      waitingFor.set(to.operator, left)
      if (left === 0) ready.push(to.operator)
    }
  }
  if (taken === operators.length) return
  const stuck = operators.filter((operator) => waitingFor.get(operator.id)! > 0).map((operator) => operator.id)
  throw invalid(built, `there is a cycle among ${stuck.join(', ')}`)
}

function invalid(built: BuiltJob, what: string, action?: string): TidemarkError {
  const { job } = built.plan
  return new TidemarkError('INVALID_JOB', `job '${job}': ${what}`, {
    ...(action === undefined ? {} : { action }),
    context: { job },
  })
}
