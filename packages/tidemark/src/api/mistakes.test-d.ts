/**
 * Mistakes that must not compile. Each follows a line that says a part of the message which the compiler has to give: this file compiles as it stands,
 * and mistakes.test.ts compiles it without those lines and reads the messages.
 */
import type { Sink } from '../core/sink.ts'
import type { Source } from '../core/source.ts'
import type { BroadcastMap } from '../core/state.ts'
import { connect } from './connect.ts'
import { defineJob } from './define-job.ts'
import { output } from './output.ts'
import { broadcastMap, list, value } from './state.ts'

interface Order {
  readonly id: string
  readonly shop: string
  readonly user: string | undefined
  readonly amount: number
  readonly tags: readonly string[]
}
declare const source: Source<Order>
declare const zero: () => number
declare const write: (limits: BroadcastMap<string, number>) => void
declare const userSink: Sink<{ readonly user: string }>

defineJob('stateless steps', (job) => {
  const orders = job.source('orders', source)
  // @ts-expect-error says: This step is synchronous: return a value, not a promise.
  orders.map(async (order) => order.amount)
  // @ts-expect-error says: This step is synchronous: return a value, not a promise.
  orders.map((order) => (order.amount > 1 ? order : Promise.resolve(order)))
  // @ts-expect-error says: Return a value, or use filter() to drop records.
  orders.map((order) => void order.amount)
  // @ts-expect-error says: return true or false, not a promise.
  orders.filter(async (order) => order.amount > 1)
  // @ts-expect-error says: return an array or another iterable, not a promise.
  orders.flatMap(async (order) => [order])
  // @ts-expect-error says: Type 'undefined' is not assignable to type 'string'
  orders.to('out', userSink)
  // @ts-expect-error says: 'Stream<string>' is not assignable to parameter of type 'StreamHandle<Order>'
  orders.union(orders.map((order) => order.id))
  // @ts-expect-error says: Type '"ignore"' is not assignable to type 'OnError<Order> | undefined'
  orders.map((order) => order.id, { onError: 'ignore' })
  // @ts-expect-error says: is not assignable to type 'Sink<DeadLetter<Order>, Delivery>'
  orders.map((order) => order.id, { onError: { deadLetters: userSink, name: 'dead' } })
})

defineJob('keys', (job) => {
  const orders = job.source('orders', source)
  // @ts-expect-error says: The key may be undefined or null. Filter such records out first, or give a default
  orders.keyBy((order) => order.user)
  // @ts-expect-error says: The key may be undefined or null. Filter such records out first, or give a default
  orders.keyBy('user')
  // @ts-expect-error says: "tags2"' is not assignable to parameter of type '"
  orders.keyBy('tags2')
  // @ts-expect-error says: A key is a string, number, bigint, boolean, or a tuple of them.
  orders.keyBy('tags')
  // @ts-expect-error says: A key is a string, number, bigint, boolean, or a tuple of them.
  orders.keyBy((order) => order)
  // @ts-expect-error says: A key is a string, number, bigint, boolean, or a tuple of them.
  orders.keyBy((order) => [order.shop, order.user])
  // @ts-expect-error says: A key is a string, number, bigint, boolean, or a tuple of them.
  orders.keyBy(async (order) => order.shop)
})

defineJob('stateful steps', (job) => {
  const orders = job.source('orders', source)
  const byShop = orders.keyBy('shop')
  // @ts-expect-error says: Give the step a name first: process(name, { … }).
  byShop.process({ onRecord() {} })
  // @ts-expect-error says: Give the step a name first: process(name, { … }).
  orders.process({ onRecord() {} })
  // @ts-expect-error says: Expected 1 arguments, but got 0
  byShop.runningCount()
  // @ts-expect-error says: This callback is synchronous and returns nothing
  byShop.process('p', { async onRecord() {} })
  // @ts-expect-error says: This callback is synchronous and returns nothing
  orders.process('p', { async onRecord() {} })
  // @ts-expect-error says: Give a function that makes a new one: value(() => …).
  byShop.process('p', { state: { cart: value({ items: [] }) }, onRecord() {} })
  // @ts-expect-error says: Argument of type 'string' is not assignable to parameter of type 'number'
  byShop.process('p', { outputs: { x: output<number>() }, onRecord: (order, { emit }) => emit.x(order.id) })
  // @ts-expect-error says: Property 'y' does not exist on type 'Emitters<{ x: Output<number>; }>'
  byShop.process('p', { outputs: { x: output<number>() }, onRecord: (_, { emit }) => emit.y(1) })
  // @ts-expect-error says: This step is synchronous: return the new accumulator
  byShop.scan('s', zero, async (total) => total + 1)
  // @ts-expect-error says: Without a key there is only list() state. Call keyBy() before process().
  orders.process('p', { state: { seen: value(0) }, onRecord() {} })
  // @ts-expect-error says: broadcastMap() state needs a broadcast side
  byShop.process('p', { state: { limits: broadcastMap<string, number>() }, onRecord() {} })
  // @ts-expect-error says: broadcastMap() state needs a broadcast side
  orders.process('p', { state: { limits: broadcastMap<string, number>() }, onRecord() {} })
  // @ts-expect-error says: Property 'key' does not exist
  orders.process('p', { state: { all: list<string>() }, onRecord: (_, { key, state }) => state.all.push(key) })
})

defineJob('connected steps', (job) => {
  const orders = job.source('orders', source)
  const byId = orders.keyBy('id')
  const rules = orders.broadcast()
  const limits = broadcastMap<string, number>()
  // @ts-expect-error says: must be keyed by the same type
  connect({ a: byId, b: orders.keyBy('amount') })
  // @ts-expect-error says: must be keyed: call keyBy() on the others
  connect({ a: byId, b: orders })
  // @ts-expect-error says: or a broadcast side: keyBy() the inputs, or broadcast() one of them
  connect({ a: orders, b: orders.rebalance() })
  // @ts-expect-error says: needs at least one input that is not broadcast
  connect({ rules })
  // @ts-expect-error says: This callback is synchronous and returns nothing
  connect({ a: byId }).process('m', { on: { async a() {} } })
  // @ts-expect-error says: Give the step a name first: process(name, { … }).
  connect({ a: byId }).process({ on: { a() {} } })
  // @ts-expect-error says: Property 'b' is missing
  connect({ a: byId, b: byId }).process('m', { on: { a() {} } })
  // @ts-expect-error says: broadcastMap() state needs a broadcast side
  connect({ a: byId, b: byId }).process('m', { state: { limits }, on: { a() {}, b() {} } })
  const withRules = connect({ a: byId, rules })
  // @ts-expect-error says: is not assignable to parameter of type 'BroadcastMap<string, number>'
  withRules.process('m', { state: { limits }, on: { a: (_, { state }) => write(state.limits), rules() {} } })
  // @ts-expect-error says: Property 'seen' does not exist on type 'BroadcastHandles<
  withRules.process('m', { state: { seen: value(0) }, on: { a() {}, rules: (_, { state }) => state.seen.set(1) } })
  // @ts-expect-error says: Property 'key' does not exist
  withRules.process('m', { on: { a() {}, rules: (_, { key }) => void key } })
  // @ts-expect-error says: Without a key there is only list() state. Call keyBy() before process().
  connect({ a: orders, rules }).process('m', { state: { seen: value(0) }, on: { a() {}, rules() {} } })
})

// @ts-expect-error says: is not assignable to
defineJob('asynchronous build', async (job) => ({ orders: job.source('orders', source) }))
