import { type ErrorInfo, fromErrorInfo, TidemarkError } from '../../core/errors.ts'
import type { TaskId } from '../../core/ids.ts'

/** Why a thread ended. */
export type ThreadEnd =
  /** `process.exit` was called in it, or nothing kept it alive. */
  | { readonly kind: 'exited'; readonly code: number }
  /** It used up its heap. */
  | { readonly kind: 'out-of-memory'; readonly error: Error }
  /** Something was thrown that nobody caught; or it could not even begin. */
  | { readonly kind: 'threw'; readonly error: Error }
  /** By the engine, since its tasks did not stop. */
  | { readonly kind: 'terminated' }

export interface LostWorker {
  readonly job: string
  readonly worker: number
  readonly workers: number
  /** Those that had not ended. */
  readonly tasks: readonly TaskId[]
}

/** The error that a lost worker fails its attempt with. `crash`: what the worker itself said last. */
export function workerLost(who: LostWorker, end: ThreadEnd, crash: ErrorInfo | null): TidemarkError {
  const { job, worker, workers, tasks } = who
  const { why, action, cause } = explain(end, crash)
  const running = tasks.length === 0 ? '' : ` while it ran ${tasks.join(', ')}`
  return new TidemarkError('WORKER_LOST', `worker ${worker + 1} of ${workers} ${why}${running}`, {
    action,
    context: { job, ...(tasks.length === 1 ? { task: tasks[0] } : {}) },
    ...(cause === undefined ? {} : { cause }),
  })
}

function explain(
  end: ThreadEnd,
  crash: ErrorInfo | null,
): { readonly why: string; readonly action: string; readonly cause?: unknown } {
  switch (end.kind) {
    case 'exited':
      return {
        why: `ended with code ${end.code}`,
        action: 'Something in the job called process.exit: throw an error instead.',
      }
    case 'out-of-memory':
      return {
        why: 'ran out of memory',
        action:
          'Give Node more with NODE_OPTIONS=--max-old-space-size=<megabytes>, spread the job over more workers, or let its functions hold less.',
        cause: end.error,
      }
    case 'threw': {
      const error = crash === null ? end.error : fromErrorInfo(crash)
      return {
        why: `stopped on an error that nobody caught (${error.message})`,
        action:
          'It belongs to no record: it comes from a promise that nobody awaited, a timer or an event. Handle it where it arises.',
        cause: error,
      }
    }
    case 'terminated':
      return {
        why: 'was terminated, since its tasks did not stop in time',
        action: 'Let functions of the job return soon, and close() of sources, sinks and resources end.',
      }
  }
}
