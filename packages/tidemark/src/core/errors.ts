/** Every error a user can meet. `retryable`: whether restarting the job from its newest checkpoint may help. */
export const ERROR_CODES = {
  INVALID_OPTION: { retryable: false, summary: 'An option has a value that is not allowed.' },
  INVALID_JOB: { retryable: false, summary: 'The job definition is not valid.' },
  INVALID_PARAMS: { retryable: false, summary: 'The parameters do not fit the schema of the job.' },
  JOB_MODULE: { retryable: false, summary: 'The job file could not be bundled or loaded.' },
  JOB_REPLACED: { retryable: false, summary: 'The job file was replaced while the job ran.' },
  INVALID_KEY: { retryable: false, summary: 'A key is not a string, number, bigint, boolean or a tuple of them.' },
  NOT_ENCODABLE: { retryable: false, summary: 'A value cannot be stored or sent between tasks.' },
  CORRUPT_DATA: { retryable: false, summary: 'Bytes do not decode to what they should hold.' },
  USER_FUNCTION: { retryable: true, summary: 'A function of the job threw.' },
  TOO_MANY_OUTPUTS: {
    retryable: false,
    summary: 'A callback emitted more records for one input than may be held in memory.',
  },
  STALE_OUTPUT: { retryable: false, summary: 'An output was used after its callback or its attempt had ended.' },
  STATE_ACCESS: { retryable: false, summary: 'State was used where it is not available.' },
  STATE_INCOMPATIBLE: { retryable: false, summary: 'The state of the checkpoint does not fit the job.' },
  SOURCE_FAILED: { retryable: true, summary: 'A source could not read.' },
  INPUT_LOST: { retryable: false, summary: 'Input that is still to be read is gone.' },
  SINK_FAILED: { retryable: true, summary: 'A sink could not write.' },
  COMMIT_FAILED: { retryable: true, summary: 'A transaction could not be committed yet.' },
  COMMIT_LOST: { retryable: false, summary: 'A transaction that belongs to a complete checkpoint is gone.' },
  OUTPUT_EXISTS: { retryable: false, summary: 'The output already holds results of another run.' },
  OUTPUT_WITHOUT_CHECKPOINT: {
    retryable: false,
    summary: 'Traces of this job were found in the output, but no checkpoint.',
  },
  NEEDS_CHECKPOINTS: { retryable: false, summary: 'A transactional sink needs checkpoints.' },
  CHECKPOINT_FAILED: { retryable: true, summary: 'A checkpoint did not complete.' },
  CHECKPOINT_CORRUPT: { retryable: false, summary: 'A file of a checkpoint is damaged or missing.' },
  CHECKPOINT_NOT_FOUND: { retryable: false, summary: 'There is no such checkpoint.' },
  CHECKPOINT_THRESHOLD: { retryable: true, summary: 'Exceeded checkpoint tolerable failure threshold.' },
  STORAGE_FAILED: { retryable: true, summary: 'The checkpoint storage failed.' },
  STORAGE_OUTCOME_UNKNOWN: {
    retryable: true,
    summary: 'It is not known whether a checkpoint was written: it must be read again.',
  },
  JOB_LOCKED: { retryable: false, summary: 'Another process runs this job.' },
  FENCED: { retryable: false, summary: 'Another process has taken over this job.' },
  RESTARTS_EXHAUSTED: { retryable: false, summary: 'The restart strategy allows no further attempt.' },
  CANCELED: { retryable: false, summary: 'The job was cancelled.' },
  TASK_LOST: { retryable: true, summary: 'A task stopped without saying why.' },
  WORKER_LOST: { retryable: true, summary: 'A worker thread stopped.' },
  SECRET_MISSING: { retryable: false, summary: 'A secret is not set.' },
  RESOURCE_FAILED: { retryable: true, summary: 'A resource could not be opened.' },
  UNSUPPORTED: { retryable: false, summary: 'This is not supported.' },
} as const satisfies Record<string, { readonly retryable: boolean; readonly summary: string }>

export type ErrorCode = keyof typeof ERROR_CODES

/** Where it happened. Every part is optional: what is known is said. */
export interface ErrorContext {
  readonly job?: string | undefined
  readonly operator?: string | undefined
  readonly task?: string | undefined
  /** The source position of the record, for people. */
  readonly position?: string | undefined
  /** A short rendering of the record or value. */
  readonly value?: string | undefined
  readonly checkpoint?: number | undefined
  readonly file?: string | undefined
  readonly path?: string | undefined
}

/**
 * The user's or the world's fault, never ours (that is `assert`). Callers branch on `code`. The message says what is
 * wrong and where; `action` says what to do about it.
 */
export class TidemarkError extends Error {
  readonly code: ErrorCode
  readonly action: string | undefined
  readonly context: ErrorContext

  constructor(
    code: ErrorCode,
    message: string,
    options: { action?: string; context?: ErrorContext; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'TidemarkError'
    this.code = code
    this.action = options.action
    this.context = options.context ?? {}
  }

  get isRetryable(): boolean {
    return ERROR_CODES[this.code].retryable
  }
}

/** Recognises errors of any copy of the package (never `instanceof`: bundles may carry their own copy). */
export function isTidemarkError(error: unknown): error is TidemarkError {
  return (
    error instanceof Error && error.name === 'TidemarkError' && 'code' in error && (error.code as string) in ERROR_CODES
  )
}

/** Marks our own bugs, also those of another copy of the package. Other libraries have errors of the same name, which are the user's. */
const BUG = Symbol.for('tidemark.bug')

/** Our own bug: stops everything. Never for what a user or the world can cause. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError'
  readonly [BUG] = true
}

/** The error is a bug of ours, or was caused by one: it would happen again, and state may be wrong. */
export function isOurBug(error: unknown, depth = 0): boolean {
  if (!(error instanceof Error) || depth > 8) return false
  return BUG in error || isOurBug(error.cause, depth + 1)
}

export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionError(message)
}

/** For the end of an exhaustive switch. */
export function unreachable(value: never): never {
  throw new AssertionError(`unexpected ${JSON.stringify(value)}`)
}

/** An error as plain data, for messages between threads, logs and REST. */
export interface ErrorInfo {
  readonly name: string
  readonly message: string
  readonly code?: ErrorCode
  readonly action?: string
  readonly context?: ErrorContext
  readonly stack?: string
  /** Our own bug. */
  readonly isBug?: true
  readonly cause?: ErrorInfo
}

export function toErrorInfo(error: unknown, depth = 0): ErrorInfo {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error) }
  const cause = error.cause !== undefined && depth < 8 ? toErrorInfo(error.cause, depth + 1) : undefined
  return {
    name: error.name,
    message: error.message,
    ...(isTidemarkError(error) ? { code: error.code, context: error.context } : {}),
    ...(isTidemarkError(error) && error.action !== undefined ? { action: error.action } : {}),
    ...(error.stack === undefined ? {} : { stack: error.stack }),
    ...(BUG in error ? { isBug: true as const } : {}),
    ...(cause === undefined ? {} : { cause }),
  }
}

export function fromErrorInfo(info: ErrorInfo): Error {
  const cause = info.cause === undefined ? undefined : fromErrorInfo(info.cause)
  const error =
    info.code === undefined
      ? new Error(info.message, cause === undefined ? undefined : { cause })
      : new TidemarkError(info.code, info.message, {
          ...(info.action === undefined ? {} : { action: info.action }),
          ...(info.context === undefined ? {} : { context: info.context }),
          ...(cause === undefined ? {} : { cause }),
        })
  if (info.code === undefined) error.name = info.name
  if (info.isBug === true) Object.defineProperty(error, BUG, { value: true })
  if (info.stack !== undefined) error.stack = info.stack
  return error
}
