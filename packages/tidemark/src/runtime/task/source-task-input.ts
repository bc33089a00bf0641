import type { BatchOrigin } from '../../core/element.ts'
import type { CheckpointId } from '../../core/ids.ts'
import { isTidemarkError, TidemarkError } from '../../core/errors.ts'
import type { PollResult, SourceOutput, SourceReader, Split } from '../../core/source.ts'
import type { BatchCollector } from '../operator/batch-collector.ts'
import type { Chain } from '../operator/chain.ts'
import type { ListSnapshot } from '../state/contract.ts'
import { type InputProgress, NOTHING_NOW, type TaskInput, WORKED } from './task-input.ts'

/** The name under which a source's splits lie in checkpoints. */
export const SPLITS = '@splits'

/** Where the records of a source go. */
export interface SourceOutputs {
  readonly records: BatchCollector
  /** Null: rejected records are only counted. */
  readonly deadLetters: BatchCollector | null
  readonly countRejected: () => void
}

/** Polls a source reader into the collector of the chain's first node. */
export class SourceTaskInput implements TaskInput {
  private readonly reader: SourceReader<unknown>
  private readonly chain: Chain
  private readonly output: PollOutput
  private hasPolledLast = false
  private isEnded = false
  records = 0

  constructor(reader: SourceReader<unknown>, chain: Chain, outputs: SourceOutputs) {
    this.reader = reader
    this.chain = chain
    this.output = new PollOutput(outputs, {
      describe: (index) => reader.describePosition?.(index) ?? 'unknown position',
    })
  }

  get isExhausted(): boolean {
    return this.isEnded
  }

  assign(splits: readonly Split[]): void {
    this.reader.addSplits(splits)
  }

  noMoreSplits(): void {
    this.reader.noMoreSplits()
  }

  advance(max: number): InputProgress {
    if (this.isEnded) return NOTHING_NOW
    if (this.hasPolledLast) {
      this.isEnded = true
      return { kind: 'ended', drain: true }
    }
    this.output.start()
    const result = this.poll(max)
    const { count } = this.output
    if (count > 0) {
      this.records += count
      this.chain.nodes[0]!.recordsIn += count
      this.chain.run()
    }
    // The end is reported by the next call, when the last records have left the chain.
    this.hasPolledLast = result === 'end'
    if (this.hasPolledLast) return WORKED
    return count > 0 || result === 'more' ? WORKED : NOTHING_NOW
  }

  private poll(max: number): PollResult {
    try {
      return this.reader.poll(this.output, max)
    } catch (error) {
      throw sourceFailed(error, this.chain.nodes[0]!.id)
    }
  }

  abort(): void {}

  snapshot(checkpoint: CheckpointId): ListSnapshot {
    return { name: SPLITS, mode: 'split', items: this.reader.snapshot(checkpoint) }
  }

  notifyComplete(checkpoint: CheckpointId): void {
    this.reader.notifyComplete?.(checkpoint)
  }

  close(): void | Promise<void> {
    return this.reader.close?.()
  }
}

/** Every error of a source names the source. */
function sourceFailed(error: unknown, operator: string): TidemarkError {
  const reason = error instanceof Error ? error.message : String(error)
  if (!isTidemarkError(error))
    return new TidemarkError('SOURCE_FAILED', `source ${operator} failed: ${reason}`, {
      context: { operator },
      cause: error,
    })
  if (error.context.operator !== undefined) return error
  const { code, action, context, cause } = error
  return new TidemarkError(code, reason, {
    ...(action === undefined ? {} : { action }),
    context: { operator, ...context },
    cause: cause ?? error,
  })
}

class PollOutput implements SourceOutput<unknown> {
  /** Of what was emitted and rejected in this poll. */
  count = 0
  private readonly collector: BatchCollector
  private readonly outputs: SourceOutputs
  private readonly origin: BatchOrigin

  constructor(outputs: SourceOutputs, origin: BatchOrigin) {
    this.collector = outputs.records
    this.outputs = outputs
    this.origin = origin
  }

  start(): void {
    this.count = 0
    this.collector.startInput(this.origin, null)
  }

  emit(record: unknown, timestamp = Number.NaN): void {
    this.collector.emit(record, timestamp, this.count++)
  }

  reject(record: unknown, timestamp = Number.NaN): void {
    const { deadLetters, countRejected } = this.outputs
    countRejected()
    const index = this.count++
    if (deadLetters === null) return
    deadLetters.startInput(this.origin, null)
    deadLetters.emit(record, timestamp, index)
  }
}
