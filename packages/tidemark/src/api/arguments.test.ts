import { describe, expect, test } from 'vitest'
import { isTidemarkError } from '../core/errors.ts'
import { type Sink, SINK } from '../core/sink.ts'
import { type Source, SOURCE } from '../core/source.ts'
import { connect } from './connect.ts'
import { defineJob } from './define-job.ts'
import { output } from './output.ts'
import { broadcastMap, list, value } from './state.ts'

const never = (): never => {
  throw new Error('a build starts nothing')
}
const orderSource: Source<unknown> = {
  [SOURCE]: {},
  kind: 'orders',
  isBounded: false,
  replay: 'exact',
  createEnumerator: never,
  createReader: never,
}
const sink: Sink<unknown> = { [SINK]: {}, kind: 'nowhere', delivery: 'at-least-once', createWriter: never }
const looseConnect = connect as unknown as Untyped
const onRecord = () => undefined

function problemOf(add: (orders: Loose) => void): string {
  try {
    defineJob('test', (job) => add(job.source('orders', orderSource) as unknown as Loose)).build(undefined)
  } catch (error) {
    if (isTidemarkError(error) && error.code === 'INVALID_JOB' && error.action !== undefined) return error.message
    throw error
  }
  return 'builds'
}

describe('arguments are checked where they are given:', () => {
  test.each<[string, (orders: Loose) => void, RegExp]>([
    ['map of no function', (orders) => orders.map('x'), /the argument of map\(\) is not a function: got "x"/],
    ['an unknown option', (orders) => orders.map(String, { nam: 'x' }), /an option of map\(\) is "nam"/],
    ['an empty name', (orders) => orders.map(String, { name: ' ' }), /map\(\) has no name: got " "/],
    ['an unknown policy', (orders) => orders.map(String, { onError: 'ignore' }), /onError of map\(\) is "ignore"/],
    [
      'dead letters to no sink',
      (orders) => orders.map(String, { onError: { name: 'd', deadLetters: {} } }),
      /the dead-letter sink 'd' of map\(\) is not a sink/,
    ],
    [
      'dead letters without name',
      (orders) => orders.map(String, { onError: { deadLetters: sink } }),
      /the dead-letter sink of map\(\) has no name/,
    ],
    ['a key of no kind', (orders) => orders.keyBy(3), /keyBy\(\) was given 3/],
    ['a sink that is none', (orders) => orders.to('out', orderSource), /sink 'out' is not a sink: got an object/],
    ['a sink without name', (orders) => orders.to(sink), /a sink has no name/],
    [
      'a sink that cannot commit',
      (orders) => orders.to('out', { ...sink, delivery: 'exactly-once' }),
      /promises exactly-once delivery but cannot commit/,
    ],
    ['a union with nothing', (orders) => orders.union(), /union\(\) was given no other stream/],
    ['a union with no stream', (orders) => orders.union([]), /is not a stream: got an array/],
    ['a union with itself', (orders) => orders.union(orders.rebalance()), /the same stream twice/],
    [
      'a union of keyed streams',
      (orders) => orders.union(orders.map(String).keyBy('length')),
      /a keyed stream cannot be part of a union/,
    ],
    [
      'a union of broadcast streams',
      (orders) => orders.broadcast().union(orders),
      /a broadcast stream cannot be part of a union/,
    ],
    ['a process without name', (orders) => orders.process({ onRecord }), /a process step has no name/],
    [
      'a process without onRecord',
      (orders) => orders.process('p', {}),
      /onRecord of process 'p' is not a function: got undefined/,
    ],
    [
      'a process with a property too many',
      (orders) => orders.process('p', { onRecord, onTimer: onRecord }),
      /a property of process 'p' is "onTimer"/,
    ],
    [
      'onEnd of a keyed process',
      (orders) => orders.keyBy('id').process('p', { onRecord, onEnd: onRecord }),
      /is "onEnd"/,
    ],
    [
      'a state that is not declared',
      (orders) => orders.process('p', { onRecord, state: { x: 0 } }),
      /state 'x' of process 'p' is not declared: got 0/,
    ],
    [
      'a state of the engine',
      (orders) => orders.process('p', { onRecord, state: { '@splits': list() } }),
      /begins with @/,
    ],
    [
      'a keyed state without key',
      (orders) => orders.process('p', { onRecord, state: { x: value(0) } }),
      /belongs to a key/,
    ],
    [
      'a broadcast state without broadcast side',
      (orders) => orders.keyBy('id').process('p', { onRecord, state: { x: broadcastMap() } }),
      /needs a broadcast side/,
    ],
    [
      'a redistribution of a list of a key',
      (orders) => orders.keyBy('id').process('p', { onRecord, state: { x: list({ redistribution: 'union' }) } }),
      /it belongs to a key/,
    ],
    [
      'a state moved from one that is there',
      (orders) => orders.process('p', { onRecord, state: { x: list({ movedFrom: 'y' }), y: list() } }),
      /is moved from 'y', which another state already is/,
    ],
    [
      'an object as the initial value',
      (orders) =>
        orders.process('p', {
          onRecord,
          state: { x: (value as unknown as (initial: unknown) => unknown)({ items: [] }) },
        }),
      /value\(\) got an object as the initial value/,
    ],
    [
      'an output that is not declared',
      (orders) => orders.process('p', { onRecord, outputs: { x: 'number' } }),
      /output 'x' of process 'p' is not declared: got "number"/,
    ],
    [
      'an output of the engine',
      (orders) => orders.process('p', { onRecord, outputs: { 'dead-letters': output() } }),
      /has an output 'dead-letters'/,
    ],
    [
      'a resource that is none',
      (orders) => orders.process('p', { onRecord, using: { db: {} } }),
      /using\.db of process 'p' is not a resource/,
    ],
    [
      'a scan without initial',
      (orders) => orders.keyBy('id').scan('s', 0, onRecord),
      /the initial accumulator of scan 's' is not a function: got 0/,
    ],
    [
      'a count without name',
      (orders) => orders.keyBy('id').runningCount(),
      /a runningCount step has no name: got undefined/,
    ],
    ['a connect of nothing', () => looseConnect({}), /connect\(\) was given no streams/],
    ['a connect of no streams', () => looseConnect({ a: 1 }), /is not a stream: got 1/],
    [
      'a connect of keyed and plain',
      (orders) => looseConnect({ a: orders, b: orders.keyBy('id') }),
      /with and without keys/,
    ],
    ['a connect of plain streams', (orders) => looseConnect({ a: orders, b: orders }), /streams without keys/],
    ['a connect of broadcast sides', (orders) => looseConnect({ a: orders.broadcast() }), /broadcast sides only/],
    [
      'a side without handler',
      (orders) => looseConnect({ a: orders.keyBy('id') }).process('p', { on: {} }),
      /on\.a of process 'p' is not a function/,
    ],
    [
      'a handler without side',
      (orders) => looseConnect({ a: orders.keyBy('id') }).process('p', { on: { b: onRecord } }),
      /a handler in on of process 'p' is "b"/,
    ],
  ])('%s', (_, add, message) => {
    const problem = problemOf(add)
    expect(problem).toMatch(message)
    expect(problem).toMatch(/arguments\.test\.ts:\d+:\d+/)
  })
})

describe('names', () => {
  test('of two dead-letter sinks must differ', () => {
    const other = { ...sink }
    const message = problemOf((orders) => {
      orders.map(String, { onError: { deadLetters: sink, name: 'dead' } })
      orders.map(String, { onError: { deadLetters: other, name: 'dead' } })
    })
    expect(message).toMatch(/two steps have the name 'dead', defined at .+ and at .+/)
  })
})

type Untyped = (...args: readonly unknown[]) => Loose

/** A stream as plain JavaScript sees it. */
interface Loose {
  map: Untyped
  keyBy: Untyped
  to: Untyped
  union: Untyped
  rebalance: Untyped
  broadcast: Untyped
  process: Untyped
  scan: Untyped
  runningCount: Untyped
}
