import type { Key } from '../core/key.ts'
import type { NamedStepOptions } from './on-error.ts'
import type { Emitters, OutputDeclarations } from './output.ts'
import type { Problem, ProblemTexts } from './problem.ts'
import type { Opened, ResourceDeclarations } from './resource.ts'
import type { Handles, StateDeclarations } from './state.ts'

/**
 * What a callback may return. `void` alone would let asynchronous functions in, whose work the engine could neither wait for nor
 * repeat after a crash.
 */
export type Nothing<Text extends string> = void | undefined | Problem<Text>

/** What every callback of a process gets. Valid only during the call. */
interface CallbackContext<O, U> {
  /** One function per declared output. */
  readonly emit: Emitters<O>
  /** The opened resources. */
  readonly use: Opened<U>
  /** Which of the parallel tasks this is, from 0. */
  readonly subtask: number
}

/** What a handler gets that has no key. */
export interface ProcessContext<State, O, U> extends CallbackContext<O, U> {
  /** One handle per declared state. What is read is immutable. */
  readonly state: State
  /** Event time of the record in milliseconds; NaN when its source gave none. */
  readonly timestamp: number
}

/** What a handler gets that has a key: its state is that of the key. */
export interface KeyedContext<K, State, O, U> extends ProcessContext<State, O, U> {
  readonly key: K
}

/** The declarations that every process may have. */
export interface ProcessDeclarations<S, O, U> {
  /** State that survives crashes, by name: `{ seen: value(0) }`. */
  readonly state?: S
  /** Outputs by name: `{ alerts: output<Alert>() }`. They come back as a record of streams. */
  readonly outputs?: O
  /** Resources by the name under which callbacks find them in `use`. */
  readonly using?: U
}

/** A step of one's own on a stream without keys. */
export interface Process<in T, S, O, U> extends ProcessDeclarations<S, O, U>, NamedStepOptions<T> {
  onRecord(record: T, context: ProcessContext<Handles<S>, O, U>): Nothing<ProblemTexts['callbackReturnsOther']>
  /** The input has ended by itself: the last chance to emit. Not called when the job is stopped. */
  onEnd?(context: EndContext<Handles<S>, O, U>): Nothing<ProblemTexts['callbackReturnsOther']>
}

/** What `onEnd` gets. */
interface EndContext<State, O, U> extends CallbackContext<O, U> {
  readonly state: State
}

/** A step of one's own on a stream with keys. */
export interface KeyedProcess<in T, K, S, O, U> extends ProcessDeclarations<S, O, U>, NamedStepOptions<T> {
  onRecord(record: T, context: KeyedContext<K, Handles<S>, O, U>): Nothing<ProblemTexts['callbackReturnsOther']>
}

/** Gives a keyed process its types where it stands by itself, to be used by several jobs or tests. */
export function defineProcess<
  T,
  K extends Key,
  S extends StateDeclarations = {},
  O extends OutputDeclarations = {},
  U extends ResourceDeclarations = {},
>(process: KeyedProcess<T, K, S, O, U>): KeyedProcess<T, K, S, O, U> {
  return process
}
