import type { RecordBatch } from '../../core/element.ts'
import { isTidemarkError, TidemarkError } from '../../core/errors.ts'
import type { DeadLetter, ErrorPolicy } from '../../core/job.ts'
import type { Collector, OperatorContext } from './contract.ts'

const ACCEPT_OR_POLICY = "Make the function accept it, or give the step a policy: onError 'skip' or dead letters."

/** What to do with a record whose processing throws: the one place that knows the policy. */
export class RecordErrors {
  readonly policy: ErrorPolicy
  private readonly context: OperatorContext
  private readonly deadLetters: Collector | null

  constructor(policy: ErrorPolicy, context: OperatorContext) {
    this.policy = policy
    this.context = context
    this.deadLetters = policy === 'dead-letter' ? context.outputs.at(-1)! : null
  }

  /** Throws the complete error under the policy `fail`; returns when the record is to be passed over. */
  onError(error: unknown, batch: RecordBatch, index: number): void {
    // Misuse of the engine is never a matter of one record.
    if (isTidemarkError(error) && error.code !== 'USER_FUNCTION') throw this.locate(error, batch, index)
    if (this.policy === 'fail') throw this.describe(error, batch, index)
    if (this.deadLetters === null) {
      this.context.countError('skipped')
      return
    }
    this.context.countError('dead-letter')
    const letter: DeadLetter = {
      operator: this.context.operator,
      position: positionOf(batch, index),
      value: batch.values[index],
      error: error instanceof Error ? `${error.name}: ${error.message}` : String(error),
    }
    this.deadLetters.emit(letter, batch.timestamps === null ? Number.NaN : batch.timestamps[index]!, index)
  }

  private locate(error: TidemarkError, batch: RecordBatch, index: number): TidemarkError {
    if (error.context.position !== undefined) return error
    const { action } = error
    return new TidemarkError(error.code, error.message, {
      ...(action === undefined ? {} : { action }),
      context: { ...this.where(batch, index), ...error.context },
      cause: error.cause ?? error,
    })
  }

  private describe(error: unknown, batch: RecordBatch, index: number): TidemarkError {
    const where = this.where(batch, index)
    const at = where.position === undefined ? '' : ` at ${where.position}`
    const reason = error instanceof Error ? error.message : String(error)
    return new TidemarkError('USER_FUNCTION', `operator ${where.operator} failed on a record${at}: ${reason}`, {
      // What our own check advises is not about this record.
      action:
        (isTidemarkError(error) ? error.action : undefined) ?? `The record is ${where.value}. ${ACCEPT_OR_POLICY}`,
      context: where,
      cause: error,
    })
  }

  private where(batch: RecordBatch, index: number) {
    const { job, operator, subtask } = this.context
    const position = positionOf(batch, index) ?? undefined
    return { job, operator, task: `${operator}#${subtask}`, position, value: render(batch.values[index]) }
  }
}

/** The source position of a record, where the batch still knows it. */
function positionOf(batch: RecordBatch, index: number): string | null {
  if (batch.origin === null) return null
  return batch.origin.describe(batch.origins === null ? index : batch.origins[index]!)
}

/** A value in at most 200 characters, for errors. */
export function render(value: unknown): string {
  let text: string
  try {
    text =
      typeof value === 'string'
        ? JSON.stringify(value)
        : typeof value === 'bigint'
          ? `${value}n`
          : (JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? `${part}n` : part)) ??
            String(value))
  } catch {
    text = Object.prototype.toString.call(value)
  }
  return text.length > 200 ? `${text.slice(0, 197)}...` : text
}

/** A synchronous step that returned a promise: the user meant an asynchronous one. */
export function isPromiseLike(value: unknown): boolean {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
}

export function refusePromise(context: OperatorContext): never {
  throw new TidemarkError(
    // No matter of one record, which a policy could pass over.
    'INVALID_JOB',
    `the function of ${context.operator} returned a promise, but this step is synchronous`,
    {
      action:
        'Return the value itself. What has to be awaited belongs into a source, a sink or the opening of a resource.',
    },
  )
}
