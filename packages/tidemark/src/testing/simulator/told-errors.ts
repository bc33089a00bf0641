import { isTidemarkError } from '../../core/errors.ts'

/** Where in the program an error was made says nothing about the run: for `JSON.stringify`. */
export function withoutStack(key: string, value: unknown): unknown {
  return key === 'stack' ? undefined : value
}

export function isLockedError(error: unknown): boolean {
  return isTidemarkError(error) && error.code === 'JOB_LOCKED'
}

/** What a job that is simulated may end with, to be started again: the world's failures, told as such. */
export function isExpectedError(error: unknown): boolean {
  return isTidemarkError(error) && (error.isRetryable || error.code === 'RESTARTS_EXHAUSTED')
}

/** The refusal of a damaged checkpoint. */
export function namesDamage(error: unknown, file: string): boolean {
  const isRefusal = isTidemarkError(error) && (error.code === 'CHECKPOINT_CORRUPT' || error.code === 'UNSUPPORTED')
  return isRefusal && error.context.file === file
}

/** The name of an error that only a mistake in the engine makes, if it is one or was caused by one. */
export function bugIn(error: { readonly name: string; readonly cause?: unknown }): string | null {
  if (['AssertionError', 'TypeError', 'RangeError', 'ReferenceError'].includes(error.name)) return error.name
  return error.cause === undefined ? null : bugIn(error.cause as typeof error)
}

export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const code = isTidemarkError(error) ? `${error.code} ` : ''
  const cause = error.cause === undefined ? '' : ` (${describeError(error.cause)})`
  return `${code}${error.stack ?? error.message}${cause}`
}
