import { expectTypeOf } from 'vitest'
import { z } from 'zod'
import type { DeadLetter } from '../core/job.ts'
import type { Sink } from '../core/sink.ts'
import type { Source } from '../core/source.ts'
import type { List, ReadonlyBroadcastMap, Value } from '../core/state.ts'
import { connect } from './connect.ts'
import { defineJob, type PortsOf } from './define-job.ts'
import { output } from './output.ts'
import { defineProcess } from './process.ts'
import { resource } from './resource.ts'
import { aggregating, broadcastMap, list, map, reducing, value } from './state.ts'
import type { BroadcastStream, KeyedStream, SourceHandle, SourceStream, Stream, StreamHandle } from './stream.ts'

interface Order {
  readonly id: string
  readonly shop: string
  readonly user: string | undefined
  readonly amount: number
  readonly kind: 'buy' | 'sell'
}
interface Alert {
  readonly user: string
  readonly amount: number
}
interface Rule {
  readonly shop: string
  readonly limit: number
}
type Status = 'idle' | 'busy'
type ShopId = string & { readonly brand: 'ShopId' }

declare const orderSource: Source<Order>
declare const ruleSource: Source<Rule>
declare const lineSource: Source<string>
declare function anySink<T>(): Sink<T, 'exactly-once'>

const database = resource('database', {
  open: async (context) => ({ url: context.secret('DATABASE_URL'), isOpen: true }),
  close: (client) => expectTypeOf(client.isOpen).toEqualTypeOf<boolean>() as never,
})

// Types follow through ten steps, with one annotation at the source.
defineJob('ten-steps', (job) => {
  job
    .source('lines', lineSource)
    .flatMap((line) => line.match(/\p{L}+/gu) ?? [])
    .map((word) => ({ word, length: word.length }))
    .filter(({ length }) => length > 2)
    .map((entry) => (entry.length > 9 ? { ...entry, size: 'long' as const } : undefined))
    .filter((entry) => entry !== undefined)
    .keyBy('word')
    .scan(
      'longest',
      () => ({ longest: 0 }),
      (best, { length }) => ({ longest: Math.max(best.longest, length) }),
    )
    .keyBy(([word, { longest }]) => [word.slice(0, 1), longest])
    .process('totals', {
      state: { seen: value(0) },
      outputs: { totals: output<{ letter: string; seen: number }>() },
      onRecord([word, best], { key, state, emit }) {
        expectTypeOf(word).toEqualTypeOf<string>()
        expectTypeOf(best).toEqualTypeOf<{ longest: number }>()
        expectTypeOf(key).toEqualTypeOf<readonly [string, number]>()
        emit.totals({ letter: key[0], seen: state.seen.update((seen) => seen + 1) })
      },
    })
    .totals.keyBy('letter')
    .runningCount('counts')
    .map((pair) => {
      expectTypeOf(pair).toEqualTypeOf<readonly [string, number]>()
      return pair
    })
    .to('out', anySink())
})

defineJob('keys', (job) => {
  const orders = job.source('orders', orderSource)
  expectTypeOf(orders).toEqualTypeOf<SourceStream<Order>>()
  expectTypeOf(orders.keyBy('shop')).toEqualTypeOf<KeyedStream<Order, string>>()
  expectTypeOf(orders.keyBy('kind')).toEqualTypeOf<KeyedStream<Order, 'buy' | 'sell'>>()
  expectTypeOf(orders.keyBy((order) => order.kind)).toEqualTypeOf<KeyedStream<Order, 'buy' | 'sell'>>()
  expectTypeOf(orders.keyBy((order) => order.user ?? '')).toEqualTypeOf<KeyedStream<Order, string>>()
  expectTypeOf(orders.keyBy((order) => [order.shop, order.amount])).toEqualTypeOf<
    KeyedStream<Order, readonly [string, number]>
  >()
  expectTypeOf(orders.map((order) => order.shop as ShopId).keyBy((shop) => shop)).toEqualTypeOf<
    KeyedStream<ShopId, ShopId>
  >()
  expectTypeOf(orders.broadcast()).toEqualTypeOf<BroadcastStream<Order>>()
  expectTypeOf(orders.union(orders.rebalance())).toEqualTypeOf<Stream<Order>>()
  // Keyed streams are streams; streams of a narrower type can be used for a wider one.
  expectTypeOf(orders.keyBy('shop')).toExtend<Stream<Order>>()
  expectTypeOf(orders).toExtend<StreamHandle<{ readonly id: string }>>()
})

defineJob('states', (job) => {
  const byShop = job.source('orders', orderSource).keyBy('shop')
  const { alerts, audit } = byShop.process('detect', {
    // Callbacks may stand before what they use.
    onRecord(order, { key, state, emit, use, timestamp, subtask }) {
      expectTypeOf(order).toEqualTypeOf<Order>()
      expectTypeOf(key).toEqualTypeOf<string>()
      expectTypeOf(state.count).toEqualTypeOf<Value<number, never>>()
      expectTypeOf(state.flag).toEqualTypeOf<Value<boolean, never>>()
      expectTypeOf(state.status).toEqualTypeOf<Value<Status, never>>()
      expectTypeOf(state.last.get()).toEqualTypeOf<Order | undefined>()
      expectTypeOf(state.cart.get()).toEqualTypeOf<{ items: string[] }>()
      expectTypeOf(state.tags).toEqualTypeOf<Value<string[], never>>()
      expectTypeOf(state.recent).toEqualTypeOf<List<Order>>()
      expectTypeOf(state.byUser.get('a')).toEqualTypeOf<number | undefined>()
      expectTypeOf(state.highest.add(3)).toEqualTypeOf<number>()
      expectTypeOf(state.mean.get()).toEqualTypeOf<string | undefined>()
      state.mean.add(1)
      expectTypeOf(use.database.url).toEqualTypeOf<string>()
      expectTypeOf([timestamp, subtask]).toEqualTypeOf<number[]>()
      emit.alerts({ user: order.user ?? '?', amount: order.amount })
      emit.audit({ seen: 1 })
    },
    state: {
      count: value(0),
      flag: value(false),
      status: value<Status>('idle'),
      last: value<Order>(),
      cart: value(() => ({ items: [] as string[] })),
      tags: value<string[]>(() => []),
      recent: list<Order>({ movedFrom: 'latest' }),
      byUser: map<string, number>(),
      highest: reducing<number>((left, right) => Math.max(left, right)),
      mean: aggregating({
        create: () => 0,
        add: (total, more: number) => total + more,
        result: (total) => String(total),
      }),
    },
    outputs: { alerts: output<Alert>(), audit: z.object({ seen: z.number() }) },
    using: { database },
    onError: { deadLetters: anySink<DeadLetter<Order>>(), name: 'dead' },
  })
  expectTypeOf(alerts).toEqualTypeOf<Stream<Alert>>()
  expectTypeOf(audit).toEqualTypeOf<Stream<{ seen: number }>>()
  expectTypeOf(byShop.process('no outputs', { onRecord() {} })).toEqualTypeOf<{}>()
})

defineJob('plain-process', (job) => {
  const orders = job.source('orders', orderSource)
  orders.process('buffer', {
    state: { waiting: list<Order>({ redistribution: 'union' }) },
    outputs: { batches: output<readonly Order[]>() },
    onRecord: (order, { state }) => state.waiting.push(order),
    onEnd: ({ state, emit }) => emit.batches([...state.waiting]),
  })
})

const largest = defineProcess({
  state: { amount: value(0) },
  outputs: { records: output<number>() },
  onRecord(order: { readonly amount: number }, { state, emit }) {
    if (order.amount > state.amount.get()) emit.records(state.amount.update(() => order.amount))
  },
})

defineJob('connected', (job) => {
  const orders = job.source('orders', orderSource)
  const rules = job.source('rules', ruleSource)
  const { records } = orders.keyBy('shop').process('largest', largest)
  expectTypeOf(records).toEqualTypeOf<Stream<number>>()

  connect({ orders: orders.keyBy('shop'), rules: rules.keyBy((rule) => rule.shop) }).process('keyed', {
    state: { last: value<Order>() },
    outputs: { over: output<Order>() },
    on: {
      orders: (order, { state }) => state.last.set(order),
      rules(rule, { key, state, emit }) {
        expectTypeOf(rule).toEqualTypeOf<Rule>()
        expectTypeOf(key).toEqualTypeOf<string>()
        const last = state.last.get()
        if (last !== undefined && last.amount > rule.limit) emit.over(last)
      },
    },
  })
  // A literal key is keyed like its primitive.
  connect({ orders: orders.keyBy('kind'), rules: rules.keyBy('shop') })

  connect({ orders: orders.keyBy('shop'), rules: rules.broadcast() }).process('keyed and broadcast', {
    state: { last: value<Order>(), limits: broadcastMap<string, number>() },
    on: {
      orders(order, { key, state }) {
        expectTypeOf(state.limits).toEqualTypeOf<ReadonlyBroadcastMap<string, number>>()
        if (order.amount > (state.limits.get(key) ?? 0)) state.last.set(order)
      },
      rules(rule, context) {
        expectTypeOf(context.state).not.toHaveProperty('last')
        expectTypeOf(context).not.toHaveProperty('key')
        context.state.limits.set(rule.shop, rule.limit)
      },
    },
  })
  connect({ orders, rules: rules.broadcast() }).process('plain and broadcast', {
    state: { waiting: list<Order>(), limits: broadcastMap<string, number>() },
    on: {
      orders(order, context) {
        expectTypeOf(context).not.toHaveProperty('key')
        if (!context.state.limits.has(order.shop)) context.state.waiting.push(order)
      },
      rules: (rule, { state }) => state.limits.set(rule.shop, rule.limit),
    },
  })
})

const withPorts = defineJob({
  name: 'ports',
  params: z.object({ input: z.string(), limit: z.number().default(100) }),
  build(job, params) {
    expectTypeOf(params).toEqualTypeOf<{ input: string; limit: number }>()
    const orders = job.source('orders', orderSource)
    return { orders, byShop: orders.keyBy('shop'), shops: orders.map((order) => order.shop) }
  },
})
type TestedPorts = PortsOf<typeof withPorts>
type Pushed<S> = S extends SourceHandle<infer T> ? T : never
expectTypeOf<TestedPorts['shops']>().toEqualTypeOf<Stream<string>>()
expectTypeOf<Pushed<TestedPorts['orders']>>().toEqualTypeOf<Order>()
expectTypeOf<Pushed<TestedPorts['shops']>>().toEqualTypeOf<never>()
expectTypeOf(withPorts.resolveParams({})).resolves.toEqualTypeOf<{ input: string; limit: number }>()
