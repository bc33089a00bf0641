import type { Sink } from '../core/sink.ts'
import type { KeyOf, KeyProperty, Selected, SelectedKey } from './key.ts'
import type { NamedStepOptions, StepOptions } from './on-error.ts'
import type { OutputDeclarations, RecordOf } from './output.ts'
import type { Problem, ProblemTexts } from './problem.ts'
import type { KeyedProcess, Process } from './process.ts'
import type { ResourceDeclarations } from './resource.ts'
import type { KeyedStates, OperatorStates, StateDeclarations } from './state.ts'

/** Marks streams, also those of another copy of the package. */
export const STREAM = Symbol.for('tidemark.stream')

/** What `map` may return: any value, but neither a promise nor nothing. */
type Mapped<R> = [R] extends [never]
  ? R
  : [Extract<R, PromiseLike<unknown>>] extends [never]
    ? [R] extends [void]
      ? Problem<ProblemTexts['mapReturnsNothing']>
      : R
    : Problem<ProblemTexts['mapReturnsPromise']>

/** The streams of a process's outputs, by name. */
export type OutputStreams<O> = { readonly [Name in keyof O]: Stream<RecordOf<O[Name]>> }

/** What all streams of records of type `T` have in common. */
export interface StreamHandle<out T> {
  readonly [STREAM]: { readonly record?: T }
}

/** A stream with keys of type `K`. */
export interface KeyedHandle<out T, out K> extends StreamHandle<T> {
  readonly [STREAM]: { readonly record?: T; readonly key?: K; readonly isKeyed: true }
}

/** A stream that every task gets whole. */
export interface BroadcastHandle<out T> extends StreamHandle<T> {
  readonly [STREAM]: { readonly record?: T; readonly isBroadcast: true }
}

/** What `job.source` returns: tests push records where the source would have emitted them. */
export interface SourceHandle<out T> extends StreamHandle<T> {
  readonly [STREAM]: { readonly record?: T; readonly isSource: true }
}

/**
 * Records of type `T`, on their way from step to step. Methods add a step to the job and return what comes out of it; nothing runs yet. A stream
 * may be used any number of times: each use sees all records.
 *
 * Functions given to steps are pure: after a crash they run again over the same records, in every task they run alone.
 */
export interface Stream<T> extends StreamHandle<T> {
  /** One record for every record. */
  map<R>(convert: (record: T) => Mapped<R>, options?: StepOptions<T>): Stream<R>

  /** The records for which `test` is true; a type guard narrows their type. */
  filter<R extends T>(test: (record: T) => record is R, options?: StepOptions<T>): Stream<R>
  filter(
    test: (record: T) => boolean | Problem<ProblemTexts['filterReturnsOther']>,
    options?: StepOptions<T>,
  ): Stream<T>

  /** Any number of records for every record. Iterables are pulled as fast as the next step takes records, so they may be long. */
  flatMap<R>(
    expand: (record: T) => Iterable<R> | Problem<ProblemTexts['flatMapReturnsOther']>,
    options?: StepOptions<T>,
  ): Stream<R>

  /**
   * Brings records of one key to one task, and gives the steps that follow state per key. The key is a property by its name, or what a function
   * returns: a string, number, bigint, boolean, or a tuple of them. The function is called more than once per record.
   */
  keyBy<P extends keyof T & string = never, K extends Selected = never>(
    key: KeyProperty<T, P> | ((record: T) => SelectedKey<K>),
  ): KeyedStream<T, KeyOf<T, P, K>>

  /** A step of one's own: declared state, any number of named outputs. Without a key there is list state, one per task. */
  process<S extends StateDeclarations = {}, O extends OutputDeclarations = {}, U extends ResourceDeclarations = {}>(
    name: string,
    process: Process<T, S, O, U> & { readonly state?: OperatorStates<S> },
  ): OutputStreams<O>
  process(process: Problem<ProblemTexts['nameIsMissing']>): never

  /** The records of this stream and of the others, in any order between streams. Comes before `keyBy` and `broadcast`. */
  union(other: StreamHandle<T>, ...others: readonly StreamHandle<T>[]): Stream<T>

  /** The next step's tasks get equal shares of the records, in turn. */
  rebalance(): Stream<T>

  /** Every task of the next step gets every record. As a side of `connect` it may write `broadcastMap` state. */
  broadcast(): BroadcastStream<T>

  /** Writes the records to a sink. The name is part of what makes its transactions recognisable: keep it. */
  to(name: string, sink: Sink<T>, options?: NamedStepOptions<T>): void

  /** Writes the records to the console, with the name in front of each when there is one. For looking, not for results. */
  print(name?: string): void
}

/** A stream whose records are brought together by key. Every step on it sees all records of a key in one task. */
export interface KeyedStream<T, K> extends Stream<T>, KeyedHandle<T, K> {
  readonly [STREAM]: KeyedHandle<T, K>[typeof STREAM]

  /** A step of one's own: declared state per key, any number of named outputs. */
  process<S extends StateDeclarations = {}, O extends OutputDeclarations = {}, U extends ResourceDeclarations = {}>(
    name: string,
    process: KeyedProcess<T, K, S, O, U> & { readonly state?: KeyedStates<S> },
  ): OutputStreams<O>
  process(process: Problem<ProblemTexts['nameIsMissing']>): never

  /**
   * A running fold per key: for every record, its key and the new accumulator. `step` returns the new accumulator and leaves
   * the old one as it is.
   */
  scan<A>(
    name: string,
    initial: () => A,
    step: (accumulator: A, record: T) => NoInfer<A> | Problem<ProblemTexts['scanReturnsOther']>,
    options?: NamedStepOptions<T>,
  ): Stream<readonly [K, A]>

  /** How many records of the key there have been: for every record, its key and the count. */
  runningCount(name: string): Stream<readonly [K, number]>
}

/** A stream of which every task of the next step gets every record. */
export interface BroadcastStream<T> extends Stream<T>, BroadcastHandle<T> {
  readonly [STREAM]: BroadcastHandle<T>[typeof STREAM]
}

/** A stream that comes from a source. */
export interface SourceStream<T> extends Stream<T>, SourceHandle<T> {
  readonly [STREAM]: SourceHandle<T>[typeof STREAM]
}
