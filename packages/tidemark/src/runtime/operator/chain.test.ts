import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { recordBatch } from '../../core/element.ts'
import { operatorId } from '../../core/ids.ts'
import { EdgeWriter } from '../channel/edge-writer.ts'
import { LocalChannel } from '../channel/local-channel.ts'
import { BatchCollector } from './batch-collector.ts'
import { Chain, type ChainTarget } from './chain.ts'
import type { Operator, OperatorContext } from './contract.ts'
import { FilterOperator } from './filter.ts'
import { FlatMapOperator } from './flat-map.ts'
import { MapOperator } from './map.ts'

type Step =
  | { readonly kind: 'map' }
  | { readonly kind: 'filter' }
  | { readonly kind: 'flat-map'; readonly fanOut: number; readonly asArray: boolean }

function contextOf(id: string, outputs: readonly BatchCollector[]): OperatorContext {
  const clock = { now: () => 0, monotonic: () => 0, schedule: () => () => {}, defer: () => () => {} }
  return {
    job: 'test',
    operator: operatorId(id),
    subtask: 0,
    parallelism: 1,
    clock,
    outputs,
    keyedState: null,
    restoredList: () => [],
    hasRestored: false,
    resources: {},
    countError: () => {},
    isDevelopment: false,
  }
}

function operatorOf(step: Step, context: OperatorContext): Operator {
  if (step.kind === 'map') return new MapOperator(context, (value) => (value as number) + 1, 'fail')
  if (step.kind === 'filter') return new FilterOperator(context, (value) => (value as number) % 3 !== 0, 'fail')
  const { fanOut, asArray } = step
  return new FlatMapOperator(context, (value) => (asArray ? [...fan(value, fanOut)] : fan(value, fanOut)), 'fail')
}

function* fan(value: unknown, count: number): Generator<number> {
  for (let index = 0; index < count; index++) yield (value as number) * 7 + index
}

function naive(step: Step, values: readonly number[]): number[] {
  if (step.kind === 'map') return values.map((value) => value + 1)
  if (step.kind === 'filter') return values.filter((value) => value % 3 !== 0)
  return values.flatMap((value) => [...fan(value, step.fanOut)])
}

function makeChain(steps: readonly Step[], batchSize: number, capacity: number) {
  const channel = new LocalChannel(
    capacity,
    () => {},
    () => {},
  )
  const writer = new EdgeWriter([channel], null, batchSize)
  const parts = steps.map((step, index) => {
    const outputs = [new BatchCollector(`op${index}`, batchSize, true)]
    const target: ChainTarget =
      index + 1 < steps.length ? { kind: 'node', node: index + 1, input: 0 } : { kind: 'edge', writer }
    return {
      id: operatorId(`op${index}`),
      operator: operatorOf(step, contextOf(`op${index}`, outputs)),
      keyedState: null,
      outputs,
      targets: [[target]],
    }
  })
  return { chain: new Chain(parts, [writer]), channel }
}

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.constant({ kind: 'map' as const }),
  fc.constant({ kind: 'filter' as const }),
  fc.record({ kind: fc.constant('flat-map' as const), fanOut: fc.integer({ min: 0, max: 9 }), asArray: fc.boolean() }),
)

describe('a chain', () => {
  it('gives what its steps give one after the other, however small its buffers and however slowly it is read', () => {
    fc.assert(
      fc.property(
        fc.array(step, { minLength: 1, maxLength: 4 }),
        fc.array(fc.integer({ min: 0, max: 1000 }), { maxLength: 12 }),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 4 }),
        (steps, values, batchSize, capacity) => {
          const { chain, channel } = makeChain(steps, batchSize, capacity)
          const received: unknown[] = []
          let from = 0
          const batch = recordBatch(values)
          for (
            let turn = 0;
            from < values.length || !chain.isAtRest || !chain.drainOutboxes() || !channel.isEmpty();
            turn++
          ) {
            expect(turn).toBeLessThan(1_000_000)
            chain.drainOutboxes()
            if (!chain.isAtRest) chain.run()
            else if (from < values.length && !chain.isBlocked) from = chain.feed(0, batch, from, values.length)
            const element = channel.poll()
            if (element?.kind === 'records') {
              // One record's outputs may pass the size of a batch only within one callback; pulled ones never do.
              expect(element.values.length).toBeLessThanOrEqual(batchSize)
              received.push(...element.values)
            }
          }
          expect(received).toEqual(steps.reduce((present, next) => naive(next, present), values))
        },
      ),
      { numRuns: 300 },
    )
  })

  it('pulls an endless iterable only as far as there is room', () => {
    let pulled = 0
    function* endless() {
      for (;;) yield pulled++
    }
    const channel = new LocalChannel(
      4,
      () => {},
      () => {},
    )
    const writer = new EdgeWriter([channel], null, 4)
    const outputs = [new BatchCollector('explode', 4, true)]
    const operator = new FlatMapOperator(contextOf('explode', outputs), endless, 'fail')
    const chain = new Chain(
      [{ id: operatorId('explode'), operator, keyedState: null, outputs, targets: [[{ kind: 'edge', writer }]] }],
      [writer],
    )
    chain.feed(0, recordBatch(['go']), 0, 1)
    expect(chain.isAtRest).toBe(false)
    expect(pulled).toBeLessThanOrEqual(12)
    for (let turn = 0; turn < 10; turn++) {
      const before = pulled
      channel.poll()
      chain.drainOutboxes()
      chain.run()
      expect(pulled - before).toBeLessThanOrEqual(8)
    }
  })

  it('walks node by node, each at rest before the next one has its turn', () => {
    const { chain, channel } = makeChain([{ kind: 'map' }, { kind: 'map' }, { kind: 'map' }], 2, 100)
    const visited: number[] = []
    chain.startWalk(
      (node) => {
        expect(chain.nodes.slice(0, node.index).every((before) => before.isAtRest)).toBe(true)
        visited.push(node.index)
        node.outputs[0]!.emit(node.index, Number.NaN, 0)
      },
      () => visited.push(99),
    )
    chain.run()
    expect(visited).toEqual([0, 1, 2, 99])
    const received: unknown[] = []
    for (let next = channel.poll(); next !== undefined; next = channel.poll())
      if (next.kind === 'records') received.push(...next.values)
    // What node 0 emitted went through nodes 1 and 2, what node 1 emitted through node 2.
    expect(received).toEqual([2, 2, 2])
  })
})
