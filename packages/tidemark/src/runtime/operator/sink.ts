import type { RecordBatch } from '../../core/element.ts'
import { assert, TidemarkError } from '../../core/errors.ts'
import type { CheckpointId } from '../../core/ids.ts'
import { checkpointId } from '../../core/ids.ts'
import type { PreparedCommittable } from '../../core/manifest.ts'
import type { ErrorPolicy } from '../../core/job.ts'
import type { SinkWriter } from '../../core/sink.ts'
import type { Operator, OperatorContext, OperatorSnapshotting } from './contract.ts'
import { RecordErrors } from './record-errors.ts'

/** The end of a chain: hands records to a sink's writer and closes its transaction at every barrier. */
export class SinkOperator implements Operator {
  private readonly writer: SinkWriter<unknown>
  private readonly errors: RecordErrors
  private readonly context: OperatorContext
  private readonly prepared = new Map<CheckpointId, Promise<readonly PreparedCommittable[]>>()

  constructor(context: OperatorContext, writer: SinkWriter<unknown>, onError: ErrorPolicy) {
    this.context = context
    this.writer = writer
    this.errors = new RecordErrors(onError, context)
  }

  open(): void | Promise<void> {
    return this.writer.open?.()
  }

  process(_input: number, batch: RecordBatch, from: number, to: number): number {
    if (this.errors.policy === 'fail') return this.write(batch, from, to)
    for (let index = from; index < to; index++) {
      try {
        if (this.writer.write(batch.values, index, index + 1, batch.timestamps) === index) return index
      } catch (error) {
        if (this.context.outputs.at(-1)?.isFull === true) return index
        this.errors.onError(error, batch, index)
      }
    }
    return to
  }

  /**
   * Hands out what was prepared for this checkpoint and for every earlier one that is not known to be complete: an aborted checkpoint
   * leaves its transactions to the next.
   */
  snapshot(checkpoint: CheckpointId): OperatorSnapshotting {
    this.prepared.set(checkpoint, this.prepare(checkpoint))
    return { committables: allPrepared([...this.prepared.values()]) }
  }

  notifyComplete(checkpoint: CheckpointId): void {
    for (const id of this.prepared.keys()) if (id <= checkpoint) this.prepared.delete(id)
  }

  notifyCommitted(checkpoint: CheckpointId): void {
    this.writer.notifyCommitted?.(checkpoint)
  }

  /** The job ends without a checkpoint: nothing may be left in buffers, and nothing may need a commit. */
  async flush(): Promise<void> {
    const committables = await this.writer.prepareCommit(checkpointId(0))
    assert(committables.length === 0, `sink ${this.context.operator} wrote after its last checkpoint`)
  }

  close(): void | Promise<void> {
    return this.writer.close?.()
  }

  private async prepare(checkpoint: CheckpointId): Promise<readonly PreparedCommittable[]> {
    const committables = await this.writer.prepareCommit(checkpoint)
    return committables.map((committable, index) => ({ checkpoint, index, committable }))
  }

  private write(batch: RecordBatch, from: number, to: number): number {
    try {
      return this.writer.write(batch.values, from, to, batch.timestamps)
    } catch (error) {
      const { job, operator } = this.context
      if (error instanceof TidemarkError && error.context.operator !== undefined) throw error
      const reason = error instanceof Error ? error.message : String(error)
      throw new TidemarkError('SINK_FAILED', `sink ${operator} could not take a record: ${reason}`, {
        context: { job, operator },
        cause: error,
      })
    }
  }
}

/** Settles when all have, also when one fails: what the others still do must not reach into the time of the next attempt. */
async function allPrepared(
  prepared: readonly Promise<readonly PreparedCommittable[]>[],
): Promise<readonly PreparedCommittable[]> {
  await Promise.allSettled(prepared)
  return (await Promise.all(prepared)).flat()
}
