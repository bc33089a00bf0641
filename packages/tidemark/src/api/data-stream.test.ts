import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { BuiltJob, ProcessBehaviour } from '../core/job.ts'
import { operatorId } from '../core/ids.ts'
import { type Sink, SINK } from '../core/sink.ts'
import { type Source, SOURCE } from '../core/source.ts'
import { connect } from './connect.ts'
import { defineJob, type JobBuilder } from './define-job.ts'
import { output } from './output.ts'
import { resource } from './resource.ts'
import { aggregating, broadcastMap, list, map, reducing, value } from './state.ts'
import type { SourceStream } from './stream.ts'

interface Order {
  readonly id: string
  readonly shop: string
  readonly amount: number
}

const never = (): never => {
  throw new Error('a build starts nothing')
}
const orderSource: Source<Order> = {
  [SOURCE]: {},
  kind: 'orders',
  isBounded: false,
  replay: 'exact',
  createEnumerator: never,
  createReader: never,
}
const sink: Sink<unknown, 'at-least-once'> = {
  [SINK]: {},
  kind: 'nowhere',
  delivery: 'at-least-once',
  createWriter: never,
}
const transactional: Sink<unknown> = { ...sink, delivery: 'exactly-once', createCommitter: never }

function build(add: (orders: SourceStream<Order>, job: JobBuilder) => void): BuiltJob {
  return defineJob('test', (job) => add(job.source('orders', orderSource), job)).build(undefined)
}

/** `orders[0] -hash-> counts[0]` for every edge. */
function edgesOf({ plan }: BuiltJob): readonly string[] {
  return plan.edges.map(
    ({ from, to, partitioning }) => `${from.operator}[${from.output}] -${partitioning}-> ${to.operator}[${to.input}]`,
  )
}

function operatorOf({ plan }: BuiltJob, id: string) {
  return plan.operators.find((operator) => operator.id === id)!
}

function processOf({ behaviours }: BuiltJob, id: string): ProcessBehaviour {
  return behaviours.get(operatorId(id)) as ProcessBehaviour
}

const double = (order: Order) => order.amount * 2
const zero = () => 0
const addAmount = (total: number, order: Order) => total + order.amount

describe('stateless steps', () => {
  test('follow each other in the same task', () => {
    const built = build((orders) =>
      orders
        .map((order) => order.amount)
        .filter((amount) => amount > 1)
        .flatMap((n) => [n, n])
        .to('out', sink),
    )
    expect(edgesOf(built)).toEqual([
      'orders[0] -forward-> map-1[0]',
      'map-1[0] -forward-> filter-1[0]',
      'filter-1[0] -forward-> flatMap-1[0]',
      'flatMap-1[0] -forward-> out[0]',
    ])
    expect(operatorOf(built, 'map-1')).toMatchObject({
      kind: 'map',
      parallelism: null,
      states: [],
      outputs: ['out'],
      inputs: [{ name: 'in', kind: 'plain' }],
    })
    expect(built.keys.get(operatorId('map-1'))).toEqual([null])
  })

  test('keep the function and the error policy with the operator', () => {
    const built = build((orders) => void orders.map(double, { name: 'double', onError: 'skip' }))
    expect(built.behaviours.get(operatorId('double'))).toEqual({ kind: 'map', map: double, onError: 'skip' })
    expect(operatorOf(built, 'double').outputs).toEqual(['out'])
  })

  test('a stream may be used several times', () => {
    const built = build((orders) => {
      orders.to('a', sink)
      orders.to('b', sink)
    })
    expect(edgesOf(built)).toEqual(['orders[0] -forward-> a[0]', 'orders[0] -forward-> b[0]'])
  })

  test('rebalance and broadcast say how the next step is fed; the last one counts', () => {
    const built = build((orders) => {
      orders.rebalance().map((order) => order)
      orders.broadcast().map((order) => order)
      orders.broadcast().rebalance().to('out', sink)
      orders
        .keyBy('id')
        .broadcast()
        .keyBy('shop')
        .rebalance()
        .map((order) => order)
    })
    expect(edgesOf(built)).toEqual([
      'orders[0] -rebalance-> map-1[0]',
      'orders[0] -broadcast-> map-2[0]',
      'orders[0] -rebalance-> out[0]',
      'orders[0] -rebalance-> map-3[0]',
    ])
    expect(operatorOf(built, 'map-2').inputs).toEqual([{ name: 'in', kind: 'broadcast' }])
  })
})

describe('union', () => {
  test('leads several edges into one input and keeps how each stream is dealt out', () => {
    const built = build((orders, job) => {
      const more = job.source('more', orderSource)
      orders
        .union(
          more.rebalance(),
          orders.map((order) => order),
        )
        .to('out', sink)
    })
    expect(edgesOf(built)).toEqual([
      'orders[0] -forward-> map-1[0]',
      'orders[0] -forward-> out[0]',
      'more[0] -rebalance-> out[0]',
      'map-1[0] -forward-> out[0]',
    ])
    expect(operatorOf(built, 'out').inputs).toHaveLength(1)
  })

  test('can be keyed', () => {
    const built = build((orders, job) =>
      orders.union(job.source('more', orderSource)).keyBy('id').runningCount('counts').print(),
    )
    expect(edgesOf(built)).toEqual([
      'orders[0] -hash-> counts[0]',
      'more[0] -hash-> counts[0]',
      'counts[0] -forward-> print-1[0]',
    ])
  })
})

describe('keyed streams', () => {
  test('bring records to a task by their key, whatever step follows', () => {
    const built = build((orders) => {
      orders.keyBy('shop').map((order) => order)
      orders.keyBy((order) => [order.shop, order.id]).to('out', sink)
    })
    expect(edgesOf(built)).toEqual(['orders[0] -hash-> map-1[0]', 'orders[0] -hash-> out[0]'])
    expect(operatorOf(built, 'map-1').inputs).toEqual([{ name: 'in', kind: 'keyed' }])
    const order: Order = { id: 'o1', shop: 's1', amount: 1 }
    expect(built.keys.get(operatorId('map-1'))?.[0]?.(order)).toBe('s1')
    expect(built.keys.get(operatorId('out'))?.[0]?.(order)).toEqual(['s1', 'o1'])
  })

  test('scan and runningCount keep one value per key', () => {
    const built = build((orders) => {
      orders.keyBy('shop').scan('totals', zero, addAmount)
      orders.keyBy('shop').runningCount('counts')
    })
    expect(built.behaviours.get(operatorId('totals'))).toEqual({
      kind: 'scan',
      initial: zero,
      step: addAmount,
      onError: 'fail',
    })
    expect(built.behaviours.get(operatorId('counts'))).toEqual({ kind: 'running-count' })
    expect(operatorOf(built, 'totals').states).toEqual([{ name: 'accumulator', kind: 'value', codec: 'value/1' }])
    expect(operatorOf(built, 'counts').states).toEqual([{ name: 'count', kind: 'value', codec: 'value/1' }])
  })
})

describe('process', () => {
  test('has its declared states, outputs and resources', () => {
    const database = resource('database', { open: () => 1 })
    const state = {
      count: value(0),
      last: value<Order>({ movedFrom: 'latest' }),
      recent: list<Order>(),
      byUser: map<string, number>(),
      highest: reducing<number>((left, right) => Math.max(left, right)),
      mean: aggregating({ create: () => 0, add: (total: number, n: number) => total + n, result: (total) => total }),
    }
    const outputs = { alerts: output<string>(), audit: z.object({ n: z.number() }) }
    const built = build((orders) => {
      const streams = orders.keyBy('shop').process('detect', { state, outputs, using: { db: database }, onRecord() {} })
      streams.audit.to('audit', sink)
      expect(Object.keys(streams)).toEqual(['alerts', 'audit'])
    })
    const operator = operatorOf(built, 'detect')
    expect(operator.outputs).toEqual(['alerts', 'audit'])
    expect(operator.states.map(({ name, kind }) => [name, kind])).toEqual([
      ['count', 'value'],
      ['last', 'value'],
      ['recent', 'list'],
      ['byUser', 'map'],
      ['highest', 'reducing'],
      ['mean', 'aggregating'],
    ])
    expect(operator.states[2]).not.toHaveProperty('redistribution')
    expect(processOf(built, 'detect').states).toBe(state)
    expect(processOf(built, 'detect').resources).toEqual({ db: database })
    expect(edgesOf(built)).toContain('detect[1] -forward-> audit[0]')
  })

  test('initial values come from functions, once per key', () => {
    expect(value(7).initial()).toBe(7)
    const makesArray = value(() => [] as string[])
    expect(makesArray.initial()).not.toBe(makesArray.initial())
    expect(value<number>().initial).toBeNull()
  })

  test('may have no outputs', () => {
    let streams: unknown
    const built = build((orders) => {
      streams = orders.process('effect', { onRecord() {} })
    })
    expect(streams).toEqual({})
    expect(operatorOf(built, 'effect').outputs).toEqual([])
  })

  test('without keys has list state, and the redistribution is part of its schema', () => {
    const built = build((orders) => {
      orders.process('buffer', {
        state: { a: list<Order>(), b: list<Order>({ redistribution: 'union' }) },
        onRecord() {},
      })
    })
    expect(operatorOf(built, 'buffer').states).toEqual([
      { name: 'a', kind: 'list', redistribution: 'split', codec: 'value/1' },
      { name: 'b', kind: 'list', redistribution: 'union', codec: 'value/1' },
    ])
  })

  test('callbacks may use their definition as this', () => {
    const seen: unknown[] = []
    const definition = {
      seen,
      onRecord(record: unknown): void {
        this.seen.push(record)
      },
    }
    const { seen: _, ...properties } = definition
    const built = build((orders) => void orders.process('p', Object.assign(Object.create({ seen }), properties)))
    processOf(built, 'p').onRecord[0]?.('r', {} as never)
    expect(seen).toEqual(['r'])
  })
})

describe('dead letters', () => {
  test('leave through the last output to a sink of their own', () => {
    const onError = { deadLetters: transactional, name: 'dead' }
    const built = build((orders) => {
      const { big } = orders.process('p', { outputs: { big: output<Order>() }, onRecord() {}, onError })
      big.to('out', sink, { onError: { deadLetters: sink, name: 'unwritten' } })
    })
    expect(operatorOf(built, 'p').outputs).toEqual(['big', 'dead-letters'])
    expect(processOf(built, 'p').onError).toBe('dead-letter')
    expect(operatorOf(built, 'dead')).toMatchObject({ kind: 'sink', delivery: 'exactly-once', isNamed: true })
    expect(edgesOf(built)).toEqual([
      'orders[0] -forward-> p[0]',
      'p[1] -forward-> dead[0]',
      'p[0] -forward-> out[0]',
      'out[0] -forward-> unwritten[0]',
    ])
  })

  test('of several steps share a sink that is given under one name', () => {
    const onError = { deadLetters: sink, name: 'dead' }
    const built = build(
      (orders) => void orders.map((order) => order, { onError }).map((order) => order, { onError: { ...onError } }),
    )
    expect(edgesOf(built)).toEqual([
      'orders[0] -forward-> map-1[0]',
      'map-1[1] -forward-> dead[0]',
      'map-1[0] -forward-> map-2[0]',
      'map-2[1] -forward-> dead[0]',
    ])
  })
})

describe('connect', () => {
  test('makes one operator with an input for each stream', () => {
    const built = build((orders, job) => {
      const rules = job.source('rules', orderSource)
      const { hits } = connect({ orders: orders.keyBy('shop'), rules: rules.broadcast() }).process('match', {
        state: { last: value<Order>(), limits: broadcastMap<string, number>() },
        outputs: { hits: output<Order>() },
        on: {
          rules: (_, { emit }) => void emit,
          orders: (order, { emit }) => emit.hits(order),
        },
      })
      hits.print('hits')
    })
    expect(operatorOf(built, 'match').inputs).toEqual([
      { name: 'orders', kind: 'keyed' },
      { name: 'rules', kind: 'broadcast' },
    ])
    expect(operatorOf(built, 'match').states.map(({ kind }) => kind)).toEqual(['value', 'broadcast'])
    expect(built.keys.get(operatorId('match'))?.map((key) => typeof key)).toEqual(['function', 'object'])
    expect(edgesOf(built)).toEqual([
      'orders[0] -hash-> match[0]',
      'rules[0] -broadcast-> match[1]',
      'match[0] -forward-> hits[0]',
    ])
    const emitted: unknown[] = []
    processOf(built, 'match').onRecord[0]?.('order', {
      emit: { hits: (record: unknown) => emitted.push(record) },
    } as never)
    expect(emitted).toEqual(['order'])
  })
})

describe('print', () => {
  test('is a sink with one task', () => {
    const built = build((orders) => orders.print())
    expect(operatorOf(built, 'print-1')).toMatchObject({
      kind: 'sink',
      connector: 'print',
      parallelism: 1,
      delivery: 'at-least-once',
      isNamed: false,
    })
  })
})
