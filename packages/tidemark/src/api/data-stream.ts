import type { Behaviour, ErrorPolicy } from '../core/job.ts'
import type { OperatorId } from '../core/ids.ts'
import type { Key } from '../core/key.ts'
import type { StateSchema } from '../core/state.ts'
import {
  invalidJob,
  requireFunction,
  requireName,
  requireObject,
  requireOneOf,
  requireSink,
  show,
} from './arguments.ts'
import { type CallSite, methodCallSite } from './call-site.ts'
import { sinkStep } from './job-graph.ts'
import { type ErrorHandling, errorHandling, FAIL } from './on-error.ts'
import { printSink } from './print-sink.ts'
import { processStep, valueStateSchema } from './process-step.ts'
import { type BroadcastStream, type KeyedStream, STREAM, type Stream } from './stream.ts'
import { inputKind, repartition, requireStream, type StreamNode } from './stream-node.ts'

type Handler = (...args: never) => unknown
type Shape<S> = { readonly [Method in keyof S]: unknown }

/** How a step that applies one function is called and what becomes of it. */
interface FunctionStep {
  readonly label: string
  readonly make: (called: Handler, onError: ErrorPolicy) => Behaviour
}

const MAP: FunctionStep = {
  label: 'map',
  make: (called, onError) => ({ kind: 'map', map: called as (record: unknown) => unknown, onError }),
}
const FILTER: FunctionStep = {
  label: 'filter',
  make: (called, onError) => ({ kind: 'filter', test: called as (record: unknown) => boolean, onError }),
}
const FLAT_MAP: FunctionStep = {
  label: 'flatMap',
  make: (called, onError) => ({ kind: 'flat-map', expand: called as (record: unknown) => Iterable<unknown>, onError }),
}

/**
 * What streams are made of. Arguments are `unknown` because callers without types are checked like all others; users see it through
 * the types of stream.ts.
 */
export class DataStream implements Shape<Stream<unknown>>, Shape<BroadcastStream<unknown>> {
  readonly [STREAM]: StreamNode

  constructor(node: StreamNode) {
    this[STREAM] = node
  }

  map(convert: unknown, options?: unknown): DataStream {
    return this.addFunctionStep(MAP, convert, options, methodCallSite(this, 'map'))
  }

  filter(test: unknown, options?: unknown): DataStream {
    return this.addFunctionStep(FILTER, test, options, methodCallSite(this, 'filter'))
  }

  flatMap(expand: unknown, options?: unknown): DataStream {
    return this.addFunctionStep(FLAT_MAP, expand, options, methodCallSite(this, 'flatMap'))
  }

  keyBy(key: unknown): KeyedDataStream {
    return new KeyedDataStream(repartition(this[STREAM], 'hash', keySelector(key, methodCallSite(this, 'keyBy'))))
  }

  process(name: unknown, definition?: unknown): Readonly<Record<string, DataStream>> {
    return addProcess(this, name, definition, ['onRecord', 'onEnd'], methodCallSite(this, 'process'))
  }

  union(...others: readonly unknown[]): DataStream {
    const at = methodCallSite(this, 'union')
    const { graph } = this[STREAM]
    if (others.length === 0) throw invalidJob('union() was given no other stream', 'Give at least one: a.union(b).', at)
    const nodes = [this[STREAM], ...others.map((other) => requireStream('an argument of union()', other, graph, at))]
    for (const node of nodes) {
      const kind = inputKind(node)
      if (kind === 'plain') continue
      throw invalidJob(
        `a ${kind} stream cannot be part of a union`,
        'Call union() first, then keyBy() or broadcast().',
        at,
      )
    }
    const origins = nodes.flatMap((node) => node.origins)
    const outputs = new Set(origins.map(({ operator, output }) => `${output} ${operator}`))
    if (outputs.size < origins.length)
      throw invalidJob('union() was given the same stream twice', 'Give each stream once.', at)
    return new DataStream({ graph, origins, key: null })
  }

  rebalance(): DataStream {
    return new DataStream(repartition(this[STREAM], 'rebalance'))
  }

  broadcast(): DataStream {
    return new DataStream(repartition(this[STREAM], 'broadcast'))
  }

  to(name: unknown, sink: unknown, options?: unknown): void {
    const at = methodCallSite(this, 'to')
    requireName('a sink', name, at)
    requireSink(`sink '${name}'`, sink, at)
    const { errors } = stepOptions(`sink '${name}'`, options, ['onError'], at)
    this[STREAM].graph.add(sinkStep(name, 'to', sink, this[STREAM], errors, at))
  }

  print(name?: unknown): void {
    const at = methodCallSite(this, 'print')
    if (name !== undefined) requireName('print()', name, at)
    const step = sinkStep(name ?? null, 'print', printSink(name ?? null), this[STREAM], FAIL, at)
    this[STREAM].graph.add({ ...step, parallelism: 1 })
  }

  private addFunctionStep(step: FunctionStep, called: unknown, options: unknown, at: CallSite | undefined): DataStream {
    const { label } = step
    requireFunction(`the argument of ${label}()`, called, at)
    const { name, errors } = stepOptions(`${label}()`, options, ['name', 'onError'], at)
    const behaviour = step.make(called, errors.policy)
    return addSingleOutput(this, label, name, [], behaviour, errors, at)
  }
}

/** A stream whose records are brought together by key. */
export class KeyedDataStream extends DataStream implements Shape<KeyedStream<unknown, Key>> {
  override process(name: unknown, definition?: unknown): Readonly<Record<string, DataStream>> {
    return addProcess(this, name, definition, ['onRecord'], methodCallSite(this, 'process'))
  }

  scan(name: unknown, initial: unknown, step: unknown, options?: unknown): DataStream {
    const at = methodCallSite(this, 'scan')
    requireName('a scan step', name, at)
    const label = `scan '${name}'`
    requireFunction(`the initial accumulator of ${label}`, initial, at)
    requireFunction(`the step of ${label}`, step, at)
    const { errors } = stepOptions(label, options, ['onError'], at)
    const behaviour: Behaviour = {
      kind: 'scan',
      initial,
      step: step as (accumulator: unknown, record: unknown) => unknown,
      onError: errors.policy,
    }
    return addSingleOutput(this, 'scan', name, [valueStateSchema('accumulator')], behaviour, errors, at)
  }

  runningCount(name: unknown): DataStream {
    const at = methodCallSite(this, 'runningCount')
    requireName('a runningCount step', name, at)
    return addSingleOutput(this, 'runningCount', name, [valueStateSchema('count')], { kind: 'running-count' }, FAIL, at)
  }
}

function addSingleOutput(
  stream: DataStream,
  label: string,
  name: string | null,
  states: readonly StateSchema[],
  behaviour: Behaviour,
  errors: ErrorHandling,
  at: CallSite | undefined,
): DataStream {
  const node = stream[STREAM]
  const { kind } = behaviour
  const operator = node.graph.add({
    kind,
    name,
    label,
    at,
    inputs: [{ name: 'in', stream: node }],
    outputs: ['out'],
    states,
    behaviour,
    errors,
  })
  return outputStream(node.graph, operator, 0)
}

function addProcess(
  stream: DataStream,
  name: unknown,
  definition: unknown,
  ownProperties: readonly string[],
  at: CallSite | undefined,
): Readonly<Record<string, DataStream>> {
  const node = stream[STREAM]
  const step = processStep({
    graph: node.graph,
    name,
    definition,
    at,
    ownProperties,
    inputs: [{ name: 'in', stream: node }],
    handlers: (label, given) => {
      requireFunction(`onRecord of ${label}`, given.onRecord, at)
      return [given.onRecord.bind(given)]
    },
  })
  return outputStreams(node.graph, node.graph.add(step), step.outputs)
}

/** The streams of an operator's declared outputs, by name. */
export function outputStreams(
  graph: StreamNode['graph'],
  operator: OperatorId,
  outputs: readonly string[],
): Readonly<Record<string, DataStream>> {
  return Object.freeze(Object.fromEntries(outputs.map((name, output) => [name, outputStream(graph, operator, output)])))
}

/** The stream of one output. */
export function outputStream(graph: StreamNode['graph'], operator: OperatorId, output: number): DataStream {
  return new DataStream({ graph, origins: [{ operator, output, partitioning: 'forward' }], key: null })
}

function keySelector(key: unknown, at: CallSite | undefined): (record: unknown) => Key {
  if (typeof key === 'function') return key as (record: unknown) => Key
  if (typeof key === 'string' && key !== '') return (record) => (record as Readonly<Record<string, Key>>)[key]!
  throw invalidJob(
    `keyBy() was given ${show(key)}`,
    "Give the name of a property, or a function: keyBy('shop'), keyBy((order) => order.shop).",
    at,
  )
}

function stepOptions(
  what: string,
  options: unknown,
  allowed: readonly string[],
  at: CallSite | undefined,
): { readonly name: string | null; readonly errors: ErrorHandling } {
  if (options === undefined) return { name: null, errors: FAIL }
  requireObject(`the options of ${what}`, options, at)
  for (const option of Object.keys(options)) requireOneOf(`an option of ${what}`, option, allowed, at)
  const { name } = options
  if (name !== undefined) requireName(what, name, at)
  return { name: name ?? null, errors: errorHandling(what, options.onError, at) }
}
