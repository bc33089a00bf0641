import type { Clock } from '../../core/clock.ts'
import { ByteBuffer } from '../../core/byte-buffer.ts'
import { isOurBug, isTidemarkError, TidemarkError } from '../../core/errors.ts'
import type { FileSystem } from '../../core/file-system.ts'
import { type Attempt, type CheckpointId, type OperatorId, taskId } from '../../core/ids.ts'
import type { BuiltJob } from '../../core/job.ts'
import type { Manifest } from '../../core/manifest.ts'
import type { SplitEnumerator } from '../../core/source.ts'
import { valueCodec } from '../../core/value-codec.ts'
import { inlineHandle } from '../checkpoint/inline-handle.ts'
import type { ToTaskHost } from '../worker/protocol.ts'

export interface SourceEnumeratorsOptions {
  readonly job: BuiltJob
  readonly attempt: Attempt
  readonly clock: Clock
  readonly files: FileSystem
  readonly secret: (name: string) => string
  readonly warn: (message: string) => void
  /** Restored state by source; absent on a fresh start. */
  readonly restored: ReadonlyMap<OperatorId, unknown>
  readonly parallelismOf: (operator: OperatorId) => number
  readonly send: (message: ToTaskHost) => void
  readonly fail: (error: unknown) => void
}

/**
 * The enumerators of one attempt. Splits go out through the same link as checkpoint triggers, so that a snapshot taken just before the
 * trigger is sent and the readers' snapshots together hold every split exactly once.
 */
export class SourceEnumerators {
  private readonly entries = new Map<
    OperatorId,
    { readonly enumerator: SplitEnumerator; isStarted: boolean; readonly requests: number[] }
  >()

  constructor(options: SourceEnumeratorsOptions) {
    for (const [operator, behaviour] of options.job.behaviours) {
      if (behaviour.kind !== 'source') continue
      const { attempt, clock, files, secret, warn, send, fail, restored } = options
      const enumerator = behaviour.source.createEnumerator({
        job: options.job.plan.job,
        operator,
        parallelism: options.parallelismOf(operator),
        restored: restored.get(operator),
        clock,
        files,
        secret,
        warn,
        assign: (subtask, splits) => send({ kind: 'assign-splits', attempt, task: taskId(operator, subtask), splits }),
        noMoreSplits: (subtask) => send({ kind: 'no-more-splits', attempt, task: taskId(operator, subtask) }),
        fail: (error) => fail(sourceFailed(operator, error)),
      })
      this.entries.set(operator, { enumerator, isStarted: false, requests: [] })
    }
  }

  async start(): Promise<void> {
    for (const [operator, { enumerator }] of this.entries) {
      try {
        await enumerator.start?.()
      } catch (error) {
        throw sourceFailed(operator, error)
      }
    }
    for (const [operator, entry] of this.entries) {
      entry.isStarted = true
      for (const subtask of entry.requests.splice(0)) this.onSplitRequest(operator, subtask)
    }
  }

  onSplitRequest(operator: OperatorId, subtask: number): void {
    const entry = this.entries.get(operator)!
    if (!entry.isStarted) {
      entry.requests.push(subtask)
      return
    }
    try {
      entry.enumerator.onSplitRequest(subtask)
    } catch (error) {
      throw sourceFailed(operator, error)
    }
  }

  /** Synchronous: nothing is assigned between this and the trigger that the caller sends next. */
  snapshot(checkpoint: CheckpointId): Manifest['enumerators'] {
    return [...this.entries].map(([operator, { enumerator }]) => {
      const writer = new ByteBuffer()
      valueCodec.encode(enumerator.snapshot(checkpoint), writer)
      return { operator, codec: valueCodec.id, handle: inlineHandle(writer.take()) }
    })
  }

  notifyComplete(checkpoint: CheckpointId): void {
    for (const { enumerator } of this.entries.values()) enumerator.notifyComplete?.(checkpoint)
  }

  async close(): Promise<void> {
    for (const { enumerator } of this.entries.values()) await enumerator.close?.()
  }
}

/** What the world does wrong is told with the source it happened to. */
function sourceFailed(operator: OperatorId, error: unknown): Error {
  if (error instanceof Error && (isTidemarkError(error) || isOurBug(error))) return error
  const reason = error instanceof Error ? error.message : String(error)
  return new TidemarkError('SOURCE_FAILED', `source ${operator} could not find what to read: ${reason}`, {
    context: { operator },
    cause: error,
  })
}
