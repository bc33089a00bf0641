import { type ErrorContext, TidemarkError } from '../core/errors.ts'
import { type Resource, RESOURCE } from '../core/resource.ts'
import { type Sink, SINK } from '../core/sink.ts'
import { type Source, SOURCE } from '../core/source.ts'
import type { CallSite } from './call-site.ts'

/** An error in the definition of a job. `at` is where the user made the call. */
export function invalidJob(message: string, action: string, at?: CallSite, context: ErrorContext = {}): TidemarkError {
  const place = at?.()
  return new TidemarkError('INVALID_JOB', place === undefined ? message : `${message} (${place})`, { action, context })
}

const MAX_NAME_LENGTH = 128
// Names become parts of paths, of transaction ids and of lines for people.
// eslint-disable-next-line no-control-regex
const UNUSABLE_IN_NAMES = /[\u0000-\u001F\u007F/\\]/

/** Names are what state and transactions are found by: `what` says of which kind of thing. */
export function requireName(what: string, name: unknown, at: CallSite | undefined): asserts name is string {
  if (typeof name !== 'string' || name.trim() === '') {
    throw invalidJob(
      `${what} has no name: got ${show(name)}`,
      'Give it a name that is not empty; its state is stored under this name.',
      at,
    )
  }
  if (
    UNUSABLE_IN_NAMES.test(name) ||
    name !== name.trim() ||
    name === '.' ||
    name === '..' ||
    name.length > MAX_NAME_LENGTH
  ) {
    throw invalidJob(
      `${what} has the name ${show(name)}, which cannot be used`,
      `Use at most ${MAX_NAME_LENGTH} characters, without slashes, control characters and surrounding spaces.`,
      at,
    )
  }
}

export function requireFunction(
  what: string,
  value: unknown,
  at: CallSite | undefined,
): asserts value is (...args: never) => unknown {
  if (typeof value !== 'function')
    throw invalidJob(`${what} is not a function: got ${show(value)}`, 'Give a function.', at)
}

export function requireObject(
  what: string,
  value: unknown,
  at: CallSite | undefined,
): asserts value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalidJob(`${what} is not an object: got ${show(value)}`, 'Give an object literal.', at)
  }
}

export function requireOneOf(what: string, value: unknown, allowed: readonly string[], at: CallSite | undefined): void {
  if (!allowed.includes(value as string)) {
    throw invalidJob(`${what} is ${show(value)}`, `Give one of ${allowed.map((one) => `'${one}'`).join(', ')}.`, at)
  }
}

export function requireSource(
  what: string,
  value: unknown,
  at: CallSite | undefined,
): asserts value is Source<unknown> {
  if (hasMark(value, SOURCE)) return
  throw invalidJob(
    `${what} is not a source: got ${show(value)}`,
    `Give what a connector's source function returns: lines(…), jsonLines(…).`,
    at,
  )
}

export function requireSink(what: string, value: unknown, at: CallSite | undefined): asserts value is Sink<unknown> {
  if (!hasMark(value, SINK)) {
    throw invalidJob(`${what} is not a sink: got ${show(value)}`, `Give what a connector's sink function returns.`, at)
  }
  const sink = value as unknown as Sink<unknown>
  if (sink.delivery === 'exactly-once' && sink.createCommitter === undefined) {
    throw invalidJob(
      `${what} promises exactly-once delivery but cannot commit`,
      'Add createCommitter to the sink, or declare at-least-once.',
      at,
    )
  }
}

export function requireResource(
  what: string,
  value: unknown,
  at: CallSite | undefined,
): asserts value is Resource<unknown> {
  if (!hasMark(value, RESOURCE))
    throw invalidJob(`${what} is not a resource: got ${show(value)}`, 'Give what resource(name, { open }) returns.', at)
}

/** Recognises by symbol, never `instanceof`: the value may come from another copy of the package. */
export function hasMark(value: unknown, mark: symbol): value is object {
  return typeof value === 'object' && value !== null && mark in value
}

/** What a value is, in a few words. */
export function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value)
  if (typeof value === 'function') return 'a function'
  if (Array.isArray(value)) return 'an array'
  if (typeof value === 'object' && value !== null)
    return typeof (value as { then?: unknown }).then === 'function' ? 'a promise' : 'an object'
  return String(value)
}
