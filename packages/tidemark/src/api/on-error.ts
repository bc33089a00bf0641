import type { DeadLetter, ErrorPolicy } from '../core/job.ts'
import type { Sink } from '../core/sink.ts'
import { invalidJob, requireName, requireObject, requireSink, show } from './arguments.ts'
import type { CallSite } from './call-site.ts'

/**
 * What happens to a record whose processing throws. `fail` (the default): the attempt fails with the record's position and value. `skip`: the
 * record is counted and left out, with everything its processing had emitted. Dead letters: as `skip`, and a `DeadLetter` with the record goes
 * to a sink of its own. Steps that give the same name and the same sink share it.
 */
export type OnError<T> = 'fail' | 'skip' | DeadLetters<T>

/** The sink for records that could not be processed, and the name of its step. */
export interface DeadLetters<in T> {
  readonly deadLetters: Sink<DeadLetter<T>>
  readonly name: string
}

/** Options of steps that call a function for every record. */
export interface StepOptions<in T> {
  /** Names the step in errors and metrics. Derived from kind and order where it is left out. */
  readonly name?: string
  readonly onError?: OnError<T>
}

/** Options of steps whose name is a parameter. */
export interface NamedStepOptions<in T> {
  readonly onError?: OnError<T>
}

/** A checked `onError`. */
export interface ErrorHandling {
  readonly policy: ErrorPolicy
  readonly deadLetters: { readonly name: string; readonly sink: Sink<unknown> } | null
}

export const FAIL: ErrorHandling = { policy: 'fail', deadLetters: null }

export function errorHandling(step: string, onError: unknown, at: CallSite | undefined): ErrorHandling {
  if (onError === undefined || onError === 'fail') return FAIL
  if (onError === 'skip') return { policy: 'skip', deadLetters: null }
  if (typeof onError === 'string') {
    throw invalidJob(
      `onError of ${step} is ${show(onError)}`,
      `Give 'fail', 'skip' or { deadLetters: sink, name }.`,
      at,
    )
  }
  requireObject(`onError of ${step}`, onError, at)
  const { name, deadLetters: sink } = onError
  requireName(`the dead-letter sink of ${step}`, name, at)
  requireSink(`the dead-letter sink '${name}' of ${step}`, sink, at)
  return { policy: 'dead-letter', deadLetters: { name, sink } }
}
