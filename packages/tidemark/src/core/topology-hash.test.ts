import { expect, test } from 'vitest'
import { operatorId } from './ids.ts'
import type { JobPlan, PlanOperator } from './plan.ts'
import { topologyHash } from './topology-hash.ts'

const source: PlanOperator = {
  id: operatorId('orders'),
  kind: 'source',
  connector: 'lines',
  isNamed: true,
  parallelism: null,
  inputs: [],
  outputs: ['out'],
  states: [],
}
const process: PlanOperator = {
  id: operatorId('detect'),
  kind: 'process',
  isNamed: true,
  parallelism: null,
  inputs: [{ name: 'in', kind: 'keyed' }],
  outputs: ['alerts', 'audit'],
  states: [
    { name: 'seen', kind: 'value', codec: 'value/1' },
    { name: 'recent', kind: 'list', codec: 'value/1' },
  ],
}
const edge: JobPlan['edges'][number] = {
  from: { operator: source.id, output: 0 },
  to: { operator: process.id, input: 0 },
  partitioning: 'hash',
}
const plan: JobPlan = { version: 1, job: 'fraud', operators: [source, process], edges: [edge] }
const hash = topologyHash(plan)

const withProcess = (change: Partial<PlanOperator>): JobPlan => ({
  ...plan,
  operators: [source, { ...process, ...change }],
})
const withSource = (change: Partial<PlanOperator>): JobPlan => ({
  ...plan,
  operators: [{ ...source, ...change }, process],
})

// Stored in manifests: if this value changes, no checkpoint of an older version can be restored.
test('the hash of a plan is pinned', () => {
  expect(hash).toBe('8b2c590c7607bd92')
})

test.each<[string, JobPlan]>([
  ['the parallelism', withProcess({ parallelism: 3 })],
  ['the settings of a connector', withSource({ describe: { glob: '*' } })],
  ['whether a name was derived', withProcess({ isNamed: false })],
  ['the order of independent steps', { ...plan, operators: [process, source] }],
  ['the order of states', withProcess({ states: process.states.toReversed() })],
])('%s does not matter', (_, other) => {
  expect(topologyHash(other)).toBe(hash)
})

test.each<[string, JobPlan]>([
  ['the name of the job', { ...plan, job: 'other' }],
  ['the name of an operator', withSource({ id: operatorId('order') })],
  ['the kind of an operator', withProcess({ kind: 'map' })],
  ['the kind of a connector', withSource({ connector: 'json-lines' })],
  ['the kind of an input', withProcess({ inputs: [{ name: 'in', kind: 'plain' }] })],
  ['the name of an input', withProcess({ inputs: [{ name: 'orders', kind: 'keyed' }] })],
  ['the order of outputs', withProcess({ outputs: ['audit', 'alerts'] })],
  ['a state', withProcess({ states: process.states.slice(1) })],
  ['the kind of a state', withProcess({ states: [{ ...process.states[0]!, kind: 'map' }, process.states[1]!] })],
  ['the codec of a state', withProcess({ states: [{ ...process.states[0]!, codec: 'value/2' }, process.states[1]!] })],
  [
    'a redistribution',
    withProcess({ states: [process.states[0]!, { ...process.states[1]!, redistribution: 'union' }] }),
  ],
  ['an edge', { ...plan, edges: [] }],
  ['a partitioning', { ...plan, edges: [{ ...edge, partitioning: 'rebalance' }] }],
  ['characters beyond Latin-1', withSource({ id: operatorId('ordersĀ') })],
])('%s matters', (_, other) => {
  expect(topologyHash(other)).not.toBe(hash)
})
