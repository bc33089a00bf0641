import { TidemarkError } from '../core/errors.ts'
import { SINK, type Sink, type SinkWriter, type WriterContext } from '../core/sink.ts'

/** What a function of `forEachSink` may know about where it runs. */
export interface ForEachContext {
  readonly subtask: number
  /** Event time in milliseconds; NaN when the record has none. */
  readonly timestamp: number
}

/**
 * Calls a function for every record. At least once: after a crash it is called again for records since the last checkpoint, so what it does should be
 * idempotent. It may be asynchronous: each task calls it for one record at a time, and a checkpoint waits for the call under way, as does the end of the task: no call of one attempt reaches
 * into the time of the next. What it throws fails the job.
 */
export function forEachSink<T>(
  call: (record: T, context: ForEachContext) => void | undefined | Promise<void | undefined>,
): Sink<T, 'at-least-once'> {
  return {
    [SINK]: {},
    kind: 'for-each',
    delivery: 'at-least-once',
    createWriter: (context) => new ForEachWriter<T>(context, call),
  }
}

class ForEachWriter<T> implements SinkWriter<T> {
  private readonly context: WriterContext
  private readonly call: (record: T, context: ForEachContext) => void | undefined | Promise<void | undefined>
  private running: Promise<void> | null = null

  constructor(
    context: WriterContext,
    call: (record: T, context: ForEachContext) => void | undefined | Promise<void | undefined>,
  ) {
    this.context = context
    this.call = call
  }

  write(values: readonly T[], from: number, to: number, timestamps: readonly number[] | null): number {
    const { subtask } = this.context
    for (let index = from; index < to; index++) {
      if (this.running !== null) return index
      const returned = this.call(values[index] as T, { subtask, timestamp: timestamps?.[index] ?? Number.NaN })
      if (returned !== undefined) this.await(Promise.resolve(returned))
    }
    return to
  }

  async prepareCommit(): Promise<readonly []> {
    await this.running
    return []
  }

  async close(): Promise<void> {
    // Its failure has been told.
    await this.running?.catch(() => {})
  }

  private await(returned: Promise<void | undefined>): void {
    const running = returned.then(
      () => {
        this.running = null
        this.context.wake()
      },
      (error: unknown) => {
        throw this.failure(error)
      },
    )
    this.running = running
    running.catch((error: unknown) => this.context.fail(error))
  }

  private failure(error: unknown): TidemarkError {
    const { job, operator } = this.context
    const reason = error instanceof Error ? error.message : String(error)
    return new TidemarkError('USER_FUNCTION', `the function of sink ${operator} failed: ${reason}`, {
      context: { job, operator },
      cause: error,
    })
  }
}
