import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { checkPlan } from './check-plan.ts'
import { isTidemarkError } from './errors.ts'
import { operatorId } from './ids.ts'
import type { Behaviour, BuiltJob } from './job.ts'
import type { JobPlan, PlanEdge, PlanOperator } from './plan.ts'

const identity = (record: unknown) => record
const key = () => 'k'
const MAP: Behaviour = { kind: 'map', map: identity, onError: 'fail' }
const SOURCE: Behaviour = { kind: 'source', source: {} as never }

function operator(
  id: string,
  kind: 'source' | 'map',
  inputKind: 'plain' | 'keyed' | 'broadcast' = 'plain',
): PlanOperator {
  return {
    id: operatorId(id),
    kind,
    isNamed: true,
    parallelism: null,
    inputs: kind === 'source' ? [] : [{ name: 'in', kind: inputKind }],
    outputs: ['out'],
    states: [],
  }
}

function edge(from: string, to: string, partitioning: PlanEdge['partitioning'] = 'forward'): PlanEdge {
  return { from: { operator: operatorId(from), output: 0 }, to: { operator: operatorId(to), input: 0 }, partitioning }
}

function built(
  operators: readonly PlanOperator[],
  edges: readonly PlanEdge[],
  change: Partial<BuiltJob> = {},
): BuiltJob {
  const plan: JobPlan = { version: 1, job: 'checked', operators, edges }
  return {
    plan,
    behaviours: new Map(operators.map(({ id, kind }) => [id, kind === 'source' ? SOURCE : MAP])),
    keys: new Map(
      operators.map(({ id, inputs }) => [id, inputs.map((input) => (input.kind === 'keyed' ? key : null))]),
    ),
    ports: {},
    ...change,
  }
}

function problemOf(job: BuiltJob): string | null {
  try {
    checkPlan(job)
    return null
  } catch (error) {
    if (isTidemarkError(error) && error.code === 'INVALID_JOB' && error.context.job === 'checked') return error.message
    throw error
  }
}

const s = operator('s', 'source')
const m = operator('m', 'map')
const keyed = operator('k', 'map', 'keyed')
const port = (output: number) => ({ ports: { p: { operator: s.id, output } } })

test.each<[string, BuiltJob]>([
  ['a chain', built([s, m], [edge('s', 'm')])],
  ['operators in any order', built([m, s], [edge('s', 'm')])],
  ['a union', built([s, operator('t', 'source'), m], [edge('s', 'm'), edge('t', 'm', 'rebalance')])],
  ['a keyed input', built([s, keyed], [edge('s', 'k', 'hash')])],
  ['a broadcast input', built([s, operator('b', 'map', 'broadcast')], [edge('s', 'b', 'broadcast')])],
  ['a port', built([s], [], port(0))],
])('%s fits', (_, job) => {
  expect(problemOf(job)).toBeNull()
})

test.each<[string, BuiltJob, RegExp]>([
  ['no source', built([], []), /there is no source/],
  ['a name twice', built([s, s], []), /two operators have the name 's'/],
  ['an input without edge', built([s, m], []), /input 'in' of 'm' has no edge/],
  ['an edge from nowhere', built([s, m], [edge('s', 'm'), edge('x', 'm')]), /comes from x\[0\], which is no output/],
  ['an edge to nowhere', built([s], [edge('s', 'x')]), /leads to x\[0\], which is no input/],
  [
    'a forward edge into a keyed input',
    built([s, keyed], [edge('s', 'k')]),
    /partitioned by forward, but input 'in' of 'k' is keyed/,
  ],
  [
    'a hash edge into a plain input',
    built([s, m], [edge('s', 'm', 'hash')]),
    /partitioned by hash, but input 'in' of 'm' is plain/,
  ],
  ['an operator without behaviour', built([s], [], { behaviours: new Map() }), /'s' has no behaviour/],
  [
    'a behaviour of another kind',
    built([s], [], { behaviours: new Map([[s.id, MAP]]) }),
    /is a source with the behaviour of a map/,
  ],
  [
    'a source with inputs',
    built([{ ...s, inputs: m.inputs }], [], { keys: new Map([[s.id, [null]]]) }),
    /is a source with 1 inputs/,
  ],
  ['missing key selectors', built([s, m], [edge('s', 'm')], { keys: new Map() }), /1 inputs and 0 key selectors/],
  [
    'a key selector too many',
    built([s, m], [edge('s', 'm')], { keys: new Map([[m.id, [key]]]) }),
    /its key selector says otherwise/,
  ],
  ['a port to nowhere', built([s], [], port(1)), /port 'p' leads to no output/],
])('%s is refused', (_, job, message) => {
  expect(problemOf(job)).toMatch(message)
})

test('a cycle is refused and named, whatever its length', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 0, max: 20 }), (length, tail) => {
      const ring = Array.from({ length }, (_, index) => operator(`ring${index}`, 'map'))
      const after = Array.from({ length: tail }, (_, index) => operator(`tail${index}`, 'map'))
      const edges = [
        edge('s', 'ring0'),
        ...ring.map((_, index) => edge(`ring${index}`, `ring${(index + 1) % length}`)),
        ...after.map((_, index) => edge(index === 0 ? 'ring0' : `tail${index - 1}`, `tail${index}`)),
      ]
      expect(problemOf(built([s, ...ring, ...after], edges))).toMatch(/there is a cycle among ring0/)
    }),
  )
})

test('no graph whose edges lead forward is taken for a cycle', () => {
  const inputs = fc.array(fc.nat(), { minLength: 1, maxLength: 5 })
  fc.assert(
    fc.property(fc.array(inputs, { maxLength: 25 }), (choices) => {
      const maps = choices.map((_, index) => operator(`m${index}`, 'map'))
      const edges = choices.flatMap((from, index) =>
        from.map((choice) => {
          const before = choice % (index + 1)
          return edge(before === 0 ? 's' : `m${before - 1}`, `m${index}`)
        }),
      )
      expect(problemOf(built([...maps.toReversed(), s], edges))).toBeNull()
    }),
  )
})
