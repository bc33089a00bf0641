import { describe, expect, it } from 'vitest'
import { operatorId } from '../../core/ids.ts'
import type { JobPlan, Partitioning, PlanEdge, PlanOperator } from '../../core/plan.ts'
import { executionGraph, inputChannels, tasksOf } from './execution-graph.ts'

function operator(id: string, inputs = 1, parallelism: number | null = null): PlanOperator {
  return {
    id: operatorId(id),
    kind: inputs === 0 ? 'source' : 'process',
    isNamed: true,
    parallelism,
    inputs: Array.from({ length: inputs }, (_, index) => ({ name: `in${index}`, kind: 'plain' as const })),
    outputs: ['out'],
    states: [],
  }
}

function edge(from: string, to: string, partitioning: Partitioning = 'forward', input = 0): PlanEdge {
  return { from: { operator: operatorId(from), output: 0 }, to: { operator: operatorId(to), input }, partitioning }
}

const plan = (operators: PlanOperator[], edges: PlanEdge[]): JobPlan => ({ version: 1, job: 'test', operators, edges })
const shape = (graph: ReturnType<typeof executionGraph>) =>
  graph.vertices.map((vertex) => vertex.operators.map((chained) => chained.operator.id))

describe('the execution graph', () => {
  it('chains forward edges and cuts at hash edges', () => {
    const graph = executionGraph(
      plan(
        [operator('s', 0), operator('m'), operator('k'), operator('o')],
        [edge('s', 'm'), edge('m', 'k', 'hash'), edge('k', 'o')],
      ),
      2,
    )
    expect(shape(graph)).toEqual([
      ['s', 'm'],
      ['k', 'o'],
    ])
    expect(inputChannels(graph.vertices[1]!, 1).map(({ from }) => from)).toEqual([0, 1])
  })

  it('chains both branches of a fork, and cuts where branches meet', () => {
    const graph = executionGraph(
      plan(
        [operator('s', 0), operator('a'), operator('b'), operator('u')],
        [edge('s', 'a'), edge('s', 'b'), edge('a', 'u'), edge('b', 'u')],
      ),
      2,
    )
    expect(shape(graph)).toEqual([['s', 'a', 'b'], ['u']])
    expect(inputChannels(graph.vertices[1]!, 1).map(({ edge: { id }, from }) => `${id}#${from}`)).toEqual([
      'a.0->u.0#1',
      'b.0->u.0#1',
    ])
  })

  it('turns a forward edge between different parallelisms into rebalance', () => {
    const graph = executionGraph(plan([operator('s', 0), operator('one', 1, 1)], [edge('s', 'one')]), 3)
    expect(
      graph.edges.map(({ partitioning, fromParallelism, toParallelism }) => [
        partitioning,
        fromParallelism,
        toParallelism,
      ]),
    ).toEqual([['rebalance', 3, 1]])
  })

  it('knows the upstream tasks of every task', () => {
    const graph = executionGraph(plan([operator('s', 0), operator('k')], [edge('s', 'k', 'hash')]), 2)
    expect(tasksOf(graph).map(({ task, upstream }) => [task, upstream])).toEqual([
      ['s#0', []],
      ['s#1', []],
      ['k#0', ['s#0', 's#1']],
      ['k#1', ['s#0', 's#1']],
    ])
  })
})
