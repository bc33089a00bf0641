import type { Key } from '../core/key.ts'
import type {
  AggregateFunction,
  Aggregating,
  BroadcastMap,
  List,
  MapHandle,
  ReadonlyBroadcastMap,
  Redistribution,
  Reducing,
  StateDescriptor,
  StateOptions,
  Value,
} from '../core/state.ts'
import { invalidJob, requireFunction, requireObject } from './arguments.ts'
import { type CallSite, callSite } from './call-site.ts'
import type { Widen } from './key.ts'
import type { Problem, ProblemTexts } from './problem.ts'

declare const stored: unique symbol

/** A value per key; `undefined` until it is set. */
export interface ValueState<T> extends StateOptions {
  readonly kind: 'value'
  readonly initial: null
  readonly [stored]?: T
}

/** A value per key that begins as an initial one. */
export interface DefaultedState<T> extends StateOptions {
  readonly kind: 'value'
  readonly initial: () => T
}

/** A list per key; in a process without keys, a list per task. */
export interface ListState<T> extends StateOptions {
  readonly kind: 'list'
  readonly redistribution: Redistribution
  readonly [stored]?: T
}

/** A map per key. */
export interface MapState<K, V> extends StateOptions {
  readonly kind: 'map'
  readonly [stored]?: readonly [K, V]
}

/** A value per key to which others of its type are added. */
export interface ReducingState<T> extends StateOptions {
  readonly kind: 'reducing'
  readonly reduce: (left: T, right: T) => T
}

/** A value per key to which inputs are added by an aggregate function. */
export interface AggregatingState<In, Out> extends StateOptions {
  readonly kind: 'aggregating'
  readonly aggregate: AggregateFunction<In, unknown, Out>
}

/** A map that every task holds a copy of, written from a broadcast side. */
export interface BroadcastState<K, V> extends StateOptions {
  readonly kind: 'broadcast'
  readonly [stored]?: readonly [K, V]
}

/** Any declared state. */
interface StateDeclaration extends StateOptions {
  readonly kind: StateDescriptor['kind']
}

/** Declared states by name. Each is stored under its name. */
export type StateDeclarations = Readonly<Record<string, StateDeclaration>>

type Primitive = string | number | bigint | boolean | null

/** A value per key: `value<Order>()` is `undefined` until it is set. */
export function value<T>(options?: StateOptions): ValueState<T>
/** A value per key that begins as what `initial` makes: `value(() => ({ items: [] as string[] }))`. */
export function value<T>(initial: () => T, options?: StateOptions): DefaultedState<T>
/** A value per key that begins as a primitive: `value(0)`, `value<'idle' | 'busy'>('idle')`. */
export function value<T = never, I extends Primitive = Primitive>(
  initial: I & ([T] extends [never] ? unknown : NoInfer<T>),
  options?: StateOptions,
): DefaultedState<[T] extends [never] ? Widen<I> : T>
export function value(initial: Problem<ProblemTexts['initialIsShared']>, options?: StateOptions): never
export function value(first?: unknown, second?: StateOptions): StateDescriptor {
  if (typeof first === 'function') return { ...second, kind: 'value', initial: first as () => unknown }
  const hasOptionsOnly = first === undefined || (typeof first === 'object' && first !== null)
  if (!hasOptionsOnly) return { ...second, kind: 'value', initial: () => first }
  requireStateOptions(first, callSite(value))
  return { ...first, kind: 'value', initial: null }
}

/** A forgotten arrow, `value({ items: [] })`, would otherwise pass for options where types are not checked. */
function requireStateOptions(options: unknown, at: CallSite | undefined): asserts options is StateOptions | undefined {
  const unknown = Object.keys(options ?? {}).filter((name) => name !== 'movedFrom')
  if (unknown.length > 0 || Array.isArray(options)) {
    throw invalidJob(
      'value() got an object as the initial value',
      'Give a function that makes a new one: value(() => …).',
      at,
    )
  }
}

/**
 * A list per key. In a process without keys it belongs to the task, and `redistribution` says how its items are dealt out
 * when the parallelism changes: `split` (each item to one task, the default) or `union` (all items to every task).
 */
export function list<T>(options: StateOptions & { readonly redistribution?: Redistribution } = {}): ListState<T> {
  return { ...options, kind: 'list', redistribution: options.redistribution ?? 'split' }
}

/** A map per key: entries are read and written one by one. */
export function map<K extends Key, V>(options: StateOptions = {}): MapState<K, V> {
  return { ...options, kind: 'map' }
}

/** A value per key to which others are added: `reducing<number>((a, b) => Math.max(a, b))`. */
export function reducing<T>(reduce: (left: T, right: T) => T, options: StateOptions = {}): ReducingState<T> {
  requireFunction('the function of reducing()', reduce, callSite(reducing))
  return { ...options, kind: 'reducing', reduce }
}

/** A value per key to which inputs are added by an aggregate function: its accumulator is what is stored. */
export function aggregating<In, Acc, Out>(
  aggregate: AggregateFunction<In, Acc, Out>,
  options: StateOptions = {},
): AggregatingState<In, Out> {
  requireAggregate(aggregate, callSite(aggregating))
  return { ...options, kind: 'aggregating', aggregate }
}

function requireAggregate(aggregate: unknown, at: CallSite | undefined): void {
  requireObject('the argument of aggregating()', aggregate, at)
  for (const part of ['create', 'add', 'result']) requireFunction(`${part} of aggregating()`, aggregate[part], at)
}

/**
 * A map that every task holds a copy of. Only in `connect` with a broadcast side: that side's handler writes it (the same way in every task),
 * the others read it.
 */
export function broadcastMap<K extends Key, V>(options: StateOptions = {}): BroadcastState<K, V> {
  return { ...options, kind: 'broadcast' }
}

/** What a handler gets for a declared state. */
type Handle<S> =
  S extends DefaultedState<infer T>
    ? Value<T, never>
    : S extends ValueState<infer T>
      ? Value<T, undefined>
      : S extends ListState<infer T>
        ? List<T>
        : S extends MapState<infer K, infer V>
          ? MapHandle<K, V>
          : S extends ReducingState<infer T>
            ? Reducing<T>
            : S extends AggregatingState<infer In, infer Out>
              ? Aggregating<In, Out>
              : S extends BroadcastState<infer K, infer V>
                ? BroadcastMap<K, V>
                : never

/** The handles of all declared states. */
export type Handles<S> = { readonly [Name in keyof S]: Handle<S[Name]> }

/** What a handler that has a key gets in connect() with a broadcast side: broadcast state is for reading. */
export type ReadingHandles<S> = {
  readonly [Name in keyof S]: S[Name] extends BroadcastState<infer K, infer V>
    ? ReadonlyBroadcastMap<K, V>
    : Handle<S[Name]>
}

/** What the handler of a broadcast side gets: broadcast state only. */
export type BroadcastHandles<S> = {
  readonly [Name in keyof S as S[Name] extends BroadcastState<unknown, unknown> ? Name : never]: Handle<S[Name]>
}

/** The declarations that fit where, and the problem with the others. */
export type KeyedStates<S> = {
  readonly [Name in keyof S]: S[Name] extends { readonly kind: 'broadcast' }
    ? Problem<ProblemTexts['broadcastOnly']>
    : S[Name]
}
export type OperatorStates<S> = {
  readonly [Name in keyof S]: S[Name] extends { readonly kind: 'list' }
    ? S[Name]
    : S[Name] extends { readonly kind: 'broadcast' }
      ? Problem<ProblemTexts['broadcastOnly']>
      : Problem<ProblemTexts['keyedOnly']>
}
export type PlainBroadcastStates<S> = {
  readonly [Name in keyof S]: S[Name] extends { readonly kind: 'list' | 'broadcast' }
    ? S[Name]
    : Problem<ProblemTexts['keyedOnly']>
}
