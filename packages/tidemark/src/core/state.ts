/** How an operator list state is handed out when the parallelism changes: dealt out evenly, or everything to everybody. */
export type Redistribution = 'split' | 'union'

/** What every declared state has. The name is the property it is declared under. */
export interface StateOptions {
  /** The name that this state had in older checkpoints. */
  readonly movedFrom?: string
}

/** A declared state, as the engine sees it. What users get from `value()`, `list()`, `map()`, `reducing()`, `aggregating()`, `broadcastMap()`. */
export type StateDescriptor =
  | (StateOptions & { readonly kind: 'value'; readonly initial: (() => unknown) | null })
  | (StateOptions & { readonly kind: 'list'; readonly redistribution: Redistribution })
  | (StateOptions & { readonly kind: 'map' })
  | (StateOptions & { readonly kind: 'reducing'; readonly reduce: (left: unknown, right: unknown) => unknown })
  | (StateOptions & { readonly kind: 'aggregating'; readonly aggregate: AggregateFunction<unknown, unknown, unknown> })
  | (StateOptions & { readonly kind: 'broadcast' })

export type StateKind = StateDescriptor['kind']

/** Folds inputs into an accumulator. All functions are pure; `add` returns the new accumulator. */
export interface AggregateFunction<In, Acc, Out> {
  create(): Acc
  add(accumulator: Acc, input: In): Acc
  result(accumulator: Acc): Out
}

/** One value per key. What is read is immutable: change it with `set` or `update`, never in place. */
export interface Value<T, Empty> {
  get(): T | Empty
  set(value: T): void
  /** Sets and returns what `change` makes of the present value. */
  update(change: (old: T | Empty) => T): T
  clear(): void
}

/** A list per key (or per task in an operator without keys). */
export interface List<T> extends Iterable<T> {
  readonly size: number
  push(value: T): void
  replace(values: Iterable<T>): void
  clear(): void
}

/** A map per key. Iterates in insertion order. */
export interface MapHandle<K, V> extends Iterable<readonly [K, V]> {
  readonly size: number
  get(key: K): V | undefined
  set(key: K, value: V): void
  has(key: K): boolean
  delete(key: K): void
  clear(): void
}

/** A value per key to which inputs are added by a reduce function of one type. */
export interface Reducing<T> {
  get(): T | undefined
  add(value: T): T
  clear(): void
}

/** A value per key to which inputs are added by an aggregate function. */
export interface Aggregating<In, Out> {
  get(): Out | undefined
  add(input: In): void
  clear(): void
}

/** A map that every task holds a copy of; written from the broadcast side only, and there deterministically. */
export interface BroadcastMap<K, V> extends ReadonlyBroadcastMap<K, V> {
  set(key: K, value: V): void
  delete(key: K): void
  clear(): void
}

export interface ReadonlyBroadcastMap<K, V> extends Iterable<readonly [K, V]> {
  readonly size: number
  get(key: K): V | undefined
  has(key: K): boolean
}

/** A state as the plan and the manifest know it. */
export interface StateSchema {
  readonly name: string
  readonly kind: StateKind
  readonly redistribution?: Redistribution
  /** `Codec.id` of key and value layouts. */
  readonly codec: string
}
