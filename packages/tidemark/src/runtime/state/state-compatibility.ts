import { TidemarkError } from '../../core/errors.ts'
import type { ListStateSnapshot } from '../../core/manifest.ts'
import type { StateDescriptor, StateSchema } from '../../core/state.ts'
import { valueCodec } from '../../core/value-codec.ts'

/** The layout of values in keyed state. That of keys is part of the block format. */
const STATE_CODEC = valueCodec.id

export function stateSchemasOf(states: Readonly<Record<string, StateDescriptor>>): readonly StateSchema[] {
  return Object.entries(states).map(([name, { kind }]) => ({ name, kind, codec: STATE_CODEC }))
}

/** What a state of a checkpoint becomes: the number of the declared state, or null with the error to throw if a key has it. */
export interface MatchedState {
  readonly schema: StateSchema
  readonly state: number | null
  readonly refuse: () => TidemarkError
}

/**
 * Finds for each state of a checkpoint the declared one: of its name, or one that says `movedFrom` its name. A state of another kind or codec is refused
 * (`STATE_INCOMPATIBLE`). One that is not declared any more is refused only if some key has it: dropping what is stored must be said, not happen.
 */
export function matchStates(
  operator: string,
  stored: readonly StateSchema[],
  names: readonly string[],
  descriptors: readonly StateDescriptor[],
): readonly MatchedState[] {
  return stored.map((schema) => {
    const named = names.indexOf(schema.name)
    const state = named >= 0 ? named : descriptors.findIndex(({ movedFrom }) => movedFrom === schema.name)
    if (state < 0) return { schema, state: null, refuse: () => goneState(operator, schema) }
    const { kind } = descriptors[state]!
    if (kind !== schema.kind) throw otherKind(operator, schema, names[state]!, kind)
    if (schema.codec !== STATE_CODEC) throw otherCodec(operator, schema)
    return { schema, state, refuse: () => goneState(operator, schema) }
  })
}

/** The name under which the job now declares the state of tasks (a list, a broadcast map) that a checkpoint holds; `STATE_INCOMPATIBLE` when it does not. */
export function matchTaskState(
  operator: string,
  { name, mode }: Pick<ListStateSnapshot, 'name' | 'mode'>,
  states: Readonly<Record<string, StateDescriptor>>,
): string {
  const stored = mode === 'broadcast' ? 'broadcast' : 'list'
  const found = Object.entries(states).find(([own, { movedFrom }]) => own === name || movedFrom === name)
  if (found === undefined) throw goneState(operator, { name, kind: stored, codec: STATE_CODEC })
  const [own, { kind }] = found
  if (kind !== stored) throw otherKind(operator, { name, kind: stored, codec: STATE_CODEC }, own, kind)
  return own
}

function goneState(operator: string, { name, kind }: StateSchema): TidemarkError {
  return incompatible(
    operator,
    `${operator} has no state '${name}' any more, but the checkpoint holds ${kind} state of that name`,
    `Declare '${name}' again (and clear it where it is not wanted), or say movedFrom: '${name}' in the state that replaces it, or start afresh with --fresh.`,
  )
}

function otherKind(operator: string, schema: StateSchema, name: string, kind: string): TidemarkError {
  return incompatible(
    operator,
    `state '${name}' of ${operator} is ${kind} state, but in the checkpoint '${schema.name}' is ${schema.kind} state`,
    `Declare '${name}' as ${schema.kind} again, or give the new state another name, or start afresh with --fresh.`,
  )
}

function otherCodec(operator: string, { name, codec }: StateSchema): TidemarkError {
  return incompatible(
    operator,
    `state '${name}' of ${operator} was written with codec '${codec}', this version writes '${STATE_CODEC}'`,
    'Use the version of Tidemark that wrote the checkpoint, or a newer one.',
  )
}

function incompatible(operator: string, message: string, action: string): TidemarkError {
  return new TidemarkError('STATE_INCOMPATIBLE', message, { action, context: { operator } })
}
