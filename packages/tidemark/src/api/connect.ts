import { invalidJob, requireFunction, requireName, requireObject, requireOneOf } from './arguments.ts'
import { type CallSite, callSite, methodCallSite } from './call-site.ts'
import { type DataStream, outputStreams } from './data-stream.ts'
import type { JobGraph } from './job-graph.ts'
import type { WidenKey } from './key.ts'
import type { NamedStepOptions } from './on-error.ts'
import type { OutputDeclarations } from './output.ts'
import type { Problem, ProblemTexts } from './problem.ts'
import type { KeyedContext, Nothing, ProcessContext, ProcessDeclarations } from './process.ts'
import { processStep } from './process-step.ts'
import type { ResourceDeclarations } from './resource.ts'
import type { BroadcastHandles, KeyedStates, PlainBroadcastStates, ReadingHandles, StateDeclarations } from './state.ts'
import { graphOf, inputKind, requireStream, type StreamNode } from './stream-node.ts'
import type { BroadcastHandle, KeyedHandle, OutputStreams, StreamHandle } from './stream.ts'

/** The inputs of `connect`, by name. */
export type ConnectInputs = Readonly<Record<string, StreamHandle<unknown>>>

type KindOf<S> =
  S extends BroadcastHandle<unknown> ? 'broadcast' : S extends KeyedHandle<unknown, unknown> ? 'keyed' : 'plain'
type KindsOf<I> = { [Name in keyof I]: KindOf<I[Name]> }[keyof I]
type BoxedKeys<I> = {
  [Name in keyof I]: I[Name] extends KeyedHandle<unknown, infer K> ? [WidenKey<K>] : never
}[keyof I]
type KeyOfInputs<I> = { [Name in keyof I]: I[Name] extends KeyedHandle<unknown, infer K> ? K : never }[keyof I]
type RecordOfInput<S> = S extends StreamHandle<infer T> ? T : never
type IsUnion<T, U = T> = [T] extends [never] ? false : T extends unknown ? ([U] extends [T] ? false : true) : never

/** `unknown` for inputs that go together, otherwise the problem with them. */
export type CheckedInputs<I> =
  'keyed' extends KindsOf<I>
    ? 'plain' extends KindsOf<I>
      ? Problem<ProblemTexts['mixedInputs']>
      : true extends IsUnion<BoxedKeys<I>>
        ? Problem<ProblemTexts['differentKeys']>
        : unknown
    : 'plain' extends KindsOf<I>
      ? 'broadcast' extends KindsOf<I>
        ? unknown
        : Problem<ProblemTexts['noBroadcastSide']>
      : Problem<ProblemTexts['onlyBroadcastSides']>

/** What the handler of one input gets. */
type SideContext<I, Side, S, O, U> =
  Side extends BroadcastHandle<unknown>
    ? ProcessContext<BroadcastHandles<S>, O, U>
    : Side extends KeyedHandle<unknown, unknown>
      ? KeyedContext<KeyOfInputs<I>, ReadingHandles<S>, O, U>
      : ProcessContext<ReadingHandles<S>, O, U>

type AllowedStates<I, S> =
  'broadcast' extends KindsOf<I> ? ('keyed' extends KindsOf<I> ? S : PlainBroadcastStates<S>) : KeyedStates<S>

/** A step over several inputs: one handler for each, by the input's name. */
export interface ConnectedProcess<I, S, O, U>
  extends ProcessDeclarations<S, O, U>, NamedStepOptions<RecordOfInput<I[keyof I]>> {
  readonly on: {
    readonly [Name in keyof I]: (
      record: RecordOfInput<I[Name]>,
      context: SideContext<I, I[Name], S, O, U>,
    ) => Nothing<ProblemTexts['callbackReturnsOther']>
  }
}

/** Inputs that one step handles together. */
export interface Connected<I> {
  /**
   * A step of one's own over all inputs. Keyed inputs share the state of their key. The broadcast side's handler writes `broadcastMap` state and sees no
   * keyed state; the other handlers read it. Every task must write the same, in the order in which records come: the handler may use nothing but
   * the record and the broadcast state.
   */
  process<S extends StateDeclarations = {}, O extends OutputDeclarations = {}, U extends ResourceDeclarations = {}>(
    name: string,
    process: ConnectedProcess<I, S, O, U> & { readonly state?: AllowedStates<I, S> },
  ): OutputStreams<O>
  process(process: Problem<ProblemTexts['nameIsMissing']>): never
}

/**
 * Brings streams together in one step that has a handler for each: `connect({ orders: orders.keyBy('id'), payments: payments.keyBy('order') })`.
 * Inputs are keyed by the same type; a side that is broadcast has no key: `connect({ orders: orders.keyBy('shop'), rules: rules.broadcast() })`.
 */
export function connect<I extends ConnectInputs>(inputs: I & CheckedInputs<I>): Connected<I> {
  const at = callSite(connect)
  requireObject('the argument of connect()', inputs, at)
  const [first] = Object.values(inputs)
  if (first === undefined)
    throw invalidJob('connect() was given no streams', 'Give streams by name: connect({ orders, payments }).', at)
  const graph = graphOf(first, at)
  const sides = Object.entries(inputs).map(([name, stream]) => {
    requireName(`input '${name}' of connect()`, name, at)
    return { name, stream: requireStream(`input '${name}' of connect()`, stream, graph, at) }
  })
  requireMatchingSides(sides, at)
  return new ConnectedStreams(graph, sides) as unknown as Connected<I>
}

type Sides = readonly { readonly name: string; readonly stream: StreamNode }[]

class ConnectedStreams implements Record<keyof Connected<ConnectInputs>, unknown> {
  private readonly graph: JobGraph
  private readonly sides: Sides

  constructor(graph: JobGraph, sides: Sides) {
    this.graph = graph
    this.sides = sides
  }

  process(name: unknown, definition?: unknown): Readonly<Record<string, DataStream>> {
    const { graph, sides } = this
    const at = methodCallSite(this, 'process')
    const step = processStep({
      graph,
      name,
      definition,
      at,
      inputs: sides,
      ownProperties: ['on'],
      handlers: (label, { on }) => {
        requireObject(`on of ${label}`, on, at)
        const names = sides.map((side) => side.name)
        for (const handled of Object.keys(on)) requireOneOf(`a handler in on of ${label}`, handled, names, at)
        return names.map((side) => {
          const handle = on[side]
          requireFunction(`on.${side} of ${label}`, handle, at)
          return handle.bind(on)
        })
      },
    })
    return outputStreams(graph, graph.add(step), step.outputs)
  }
}

function requireMatchingSides(sides: Sides, at: CallSite | undefined): void {
  const kinds = new Set(sides.map(({ stream }) => inputKind(stream)))
  if (kinds.has('keyed') && kinds.has('plain')) {
    throw invalidJob(
      'connect() was given streams with and without keys',
      'Call keyBy() on the others, or broadcast() on the side that all tasks need.',
      at,
    )
  }
  if (kinds.has('plain') && !kinds.has('broadcast')) {
    throw invalidJob(
      'connect() was given streams without keys',
      'Call keyBy() on each of them, or broadcast() on the side that all tasks need.',
      at,
    )
  }
  if (kinds.size === 1 && kinds.has('broadcast')) {
    throw invalidJob('connect() was given broadcast sides only', 'Add the stream whose records they are for.', at)
  }
}
