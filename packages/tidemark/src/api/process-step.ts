import type { ProcessBehaviour } from '../core/job.ts'
import type { Resource } from '../core/resource.ts'
import { isStandardSchema } from '../core/standard-schema.ts'
import type { StateDescriptor, StateKind, StateSchema } from '../core/state.ts'
import {
  hasMark,
  invalidJob,
  requireFunction,
  requireName,
  requireObject,
  requireOneOf,
  requireResource,
  show,
} from './arguments.ts'
import type { CallSite } from './call-site.ts'
import { DEAD_LETTERS, type JobGraph, type Step } from './job-graph.ts'
import { errorHandling } from './on-error.ts'
import { OUTPUT } from './output.ts'
import { inputKind, type StreamNode } from './stream-node.ts'

/** The layout of stored keys and values. */
const STATE_CODEC = 'value/1'

const STATE_KINDS: readonly StateKind[] = ['value', 'list', 'map', 'reducing', 'aggregating', 'broadcast']

type Callback = (...args: never) => unknown

/** What `process` was given, whatever its inputs. */
export interface ProcessCall {
  readonly graph: JobGraph
  readonly name: unknown
  readonly definition: unknown
  readonly at: CallSite | undefined
  readonly inputs: readonly { readonly name: string; readonly stream: StreamNode }[]
  /** The callbacks, one per input, out of the checked definition. */
  readonly handlers: (label: string, definition: Readonly<Record<string, unknown>>) => readonly Callback[]
  /** Properties that the definition may have besides those that every process has. */
  readonly ownProperties: readonly string[]
}

/** Checks a call of `process` and makes the step of it. */
export function processStep(call: ProcessCall): Step {
  const { graph, name, definition, at } = call
  requireName('a process step', name, at)
  const label = `process '${name}'`
  requireObject(`the definition of ${label}`, definition, at)
  for (const property of Object.keys(definition)) {
    requireOneOf(
      `a property of ${label}`,
      property,
      ['state', 'outputs', 'using', 'onError', ...call.ownProperties],
      at,
    )
  }
  const errors = errorHandling(label, definition.onError, at)
  const states = declaredStates(label, definition.state, call)
  const resources = declaredResources(label, definition.using, graph, at)
  const onRecord = call.handlers(label, definition)
  if (definition.onEnd !== undefined) requireFunction(`onEnd of ${label}`, definition.onEnd, at)
  const onEnd = definition.onEnd?.bind(definition) as ProcessBehaviour['onEnd']
  return {
    kind: 'process',
    name,
    label: 'process',
    at,
    inputs: call.inputs,
    outputs: declaredOutputs(label, definition.outputs, at),
    states: Object.entries(states).map(([state, descriptor]) => stateSchema(state, descriptor, isKeyed(call))),
    behaviour: {
      kind: 'process',
      states,
      resources,
      onRecord: onRecord as unknown as ProcessBehaviour['onRecord'],
      ...(onEnd === undefined ? {} : { onEnd }),
      onError: errors.policy,
    },
    errors,
  }
}

/** The one state of a step that keeps a value per key. */
export function valueStateSchema(name: string): StateSchema {
  return { name, kind: 'value', codec: STATE_CODEC }
}

function stateSchema(name: string, descriptor: StateDescriptor, isOfKeys: boolean): StateSchema {
  const { kind } = descriptor
  // How a list is dealt out matters only where it belongs to a task.
  if (kind === 'list' && !isOfKeys) return { name, kind, redistribution: descriptor.redistribution, codec: STATE_CODEC }
  return { name, kind, codec: STATE_CODEC }
}

function isKeyed(call: ProcessCall): boolean {
  return call.inputs.some(({ stream }) => inputKind(stream) === 'keyed')
}

function declaredStates(label: string, given: unknown, call: ProcessCall): Readonly<Record<string, StateDescriptor>> {
  if (given === undefined) return {}
  requireObject(`state of ${label}`, given, call.at)
  const oldNames = new Set<string>()
  for (const [name, declaration] of Object.entries(given)) {
    const state = `state '${name}' of ${label}`
    requireStateName(state, name, call.at)
    const descriptor = requireState(state, declaration, call.at)
    requireFittingState(state, descriptor, call)
    const { movedFrom } = descriptor
    if (movedFrom === undefined) continue
    requireStateName(`movedFrom of ${state}`, movedFrom, call.at)
    if (movedFrom in given || oldNames.has(movedFrom)) {
      throw invalidJob(
        `${state} is moved from '${movedFrom}', which another state already is`,
        'Move from a name that no state has any more.',
        call.at,
      )
    }
    oldNames.add(movedFrom)
  }
  return given as Readonly<Record<string, StateDescriptor>>
}

function requireStateName(what: string, name: unknown, at: CallSite | undefined): void {
  requireName(what, name, at)
  if (name.startsWith('@'))
    throw invalidJob(`${what} begins with @`, 'Names that begin with @ belong to the engine.', at)
}

function requireState(what: string, declaration: unknown, at: CallSite | undefined): StateDescriptor {
  const kind =
    typeof declaration === 'object' && declaration !== null ? (declaration as { kind?: unknown }).kind : undefined
  if (STATE_KINDS.includes(kind as StateKind)) return declaration as StateDescriptor
  throw invalidJob(
    `${what} is not declared: got ${show(declaration)}`,
    'Declare it by value(), list(), map(), reducing(), aggregating() or broadcastMap().',
    at,
  )
}

function requireFittingState(what: string, descriptor: StateDescriptor, call: ProcessCall): void {
  const hasBroadcastSide = call.inputs.length > 1 && call.inputs.some(({ stream }) => inputKind(stream) === 'broadcast')
  if (descriptor.kind === 'broadcast') {
    if (hasBroadcastSide) return
    throw invalidJob(`${what} needs a broadcast side`, 'Use connect({ records, rules: rules.broadcast() }).', call.at)
  }
  if (descriptor.kind !== 'list') {
    if (isKeyed(call)) return
    throw invalidJob(
      `${what} is ${descriptor.kind} state, which belongs to a key`,
      'Call keyBy() before process(), or declare list state.',
      call.at,
    )
  }
  requireOneOf(`redistribution of ${what}`, descriptor.redistribution, ['split', 'union'], call.at)
  if (descriptor.redistribution === 'union' && isKeyed(call)) {
    throw invalidJob(
      `${what} has a redistribution, but it belongs to a key`,
      'Leave redistribution out: lists of a key move with it.',
      call.at,
    )
  }
}

function declaredOutputs(label: string, given: unknown, at: CallSite | undefined): readonly string[] {
  if (given === undefined) return []
  requireObject(`outputs of ${label}`, given, at)
  for (const [name, declaration] of Object.entries(given)) {
    requireName(`output '${name}' of ${label}`, name, at)
    if (name === DEAD_LETTERS) {
      throw invalidJob(
        `${label} has an output '${DEAD_LETTERS}'`,
        'Choose another name: this one belongs to onError.',
        at,
      )
    }
    if (!hasMark(declaration, OUTPUT) && !isStandardSchema(declaration)) {
      throw invalidJob(
        `output '${name}' of ${label} is not declared: got ${show(declaration)}`,
        'Declare it by output<Type>() or by a schema.',
        at,
      )
    }
  }
  return Object.keys(given)
}

function declaredResources(
  label: string,
  given: unknown,
  graph: JobGraph,
  at: CallSite | undefined,
): Readonly<Record<string, Resource<unknown>>> {
  if (given === undefined) return {}
  requireObject(`using of ${label}`, given, at)
  for (const [alias, declared] of Object.entries(given)) {
    requireResource(`using.${alias} of ${label}`, declared, at)
    graph.addResource(declared, at)
  }
  return given as Readonly<Record<string, Resource<unknown>>>
}
