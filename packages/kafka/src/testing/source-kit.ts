import type { CheckpointId, OperatorId, Source, SourceReader, Split, SplitEnumerator } from 'tidemark/connector'
import { MemoryFileSystem } from 'tidemark/testing'
import { TurnClock } from './turn-clock.ts'

export interface SourceKitCheckpoint {
  readonly enumerator: unknown
  readonly splits: readonly Split[]
}

export interface SourceKitOptions<T> {
  readonly source: Source<T>
  readonly parallelism?: number
  readonly clock?: TurnClock
  readonly restored?: SourceKitCheckpoint
  readonly secret?: (name: string) => string
  /** Readers are not polled until the test does it. */
  readonly isPaused?: boolean
}

/** Turns of the event loop after which nothing is under way any more. */
const SETTLING_TURNS = 40

/** Runs a source, bounded or not, as the engine does: time stands still until the test lets it pass. */
export class SourceKit<T> {
  readonly records: T[] = []
  readonly timestamps: (number | undefined)[] = []
  readonly rejected: unknown[] = []
  readonly warnings: string[] = []
  readonly clock: TurnClock
  failure: unknown = null
  isPaused = false
  private readonly enumerator: SplitEnumerator
  private readonly readers: SourceReader<T>[] = []
  private readonly ended = new Set<number>()
  private readonly requests: number[] = []
  private readonly messages: (() => void)[] = []
  private checkpoints = 0

  private constructor({ source, parallelism = 1, clock, restored, secret = (name) => name }: SourceKitOptions<T>) {
    this.clock = clock ?? new TurnClock()
    const common = {
      job: 'job',
      operator: 'source' as OperatorId,
      parallelism,
      clock: this.clock,
      files: new MemoryFileSystem(),
      secret,
      warn: (message: string) => void this.warnings.push(message),
      fail: (error: unknown) => void (this.failure ??= error),
    }
    this.enumerator = source.createEnumerator({
      ...common,
      restored: restored?.enumerator,
      assign: (subtask, splits) => void this.messages.push(() => this.readers[subtask]!.addSplits(splits)),
      noMoreSplits: (subtask) => void this.messages.push(() => this.readers[subtask]!.noMoreSplits()),
    })
    for (let subtask = 0; subtask < parallelism; subtask++) {
      const requestSplit = (): void => void this.requests.push(subtask)
      this.readers.push(source.createReader({ ...common, subtask, requestSplit, wake: () => {} }))
      this.requests.push(subtask)
    }
  }

  static async start<T>(options: SourceKitOptions<T>): Promise<SourceKit<T>> {
    const kit = new SourceKit(options)
    kit.isPaused = options.isPaused ?? false
    try {
      for (const reader of kit.readers) await reader.open?.()
      for (const [index, split] of (options.restored?.splits ?? []).entries()) {
        kit.readers[index % kit.readers.length]!.addSplits([split])
      }
      await kit.enumerator.start?.()
      await kit.settle()
      return kit
    } catch (error) {
      await kit.close()
      throw error
    }
  }

  get isFinished(): boolean {
    return this.ended.size === this.readers.length
  }

  /** Lets everything happen that can without time passing. Throws what the source failed with. */
  async settle(turns = SETTLING_TURNS): Promise<void> {
    for (let turn = 0; turn < turns; turn++) {
      await new Promise<void>((resolve) => void setImmediate(resolve))
      this.deliver()
      if (!this.isPaused) for (const subtask of this.readers.keys()) this.poll(subtask, 7)
      if (this.failure !== null) throw this.failure
    }
  }

  /** Lets time pass in steps, so that what takes several attempts gets them. */
  async advance(ms: number, steps = 20): Promise<void> {
    for (let step = 0; step < steps; step++) {
      this.clock.advance(ms / steps)
      await this.settle(4)
    }
    await this.settle()
  }

  poll(subtask: number, max: number): number {
    if (this.ended.has(subtask)) return 0
    let count = 0
    const emit = (record: T, timestamp?: number): void => {
      count++
      this.records.push(record)
      this.timestamps.push(timestamp)
    }
    const reject = (record: unknown): void => {
      count++
      this.rejected.push(record)
    }
    if (this.readers[subtask]!.poll({ emit, reject }, max) === 'end') this.ended.add(subtask)
    return count
  }

  describePosition(subtask: number, index: number): string {
    return this.readers[subtask]!.describePosition!(index)
  }

  splitsOf(subtask: number): readonly Split[] {
    return this.readers[subtask]!.snapshot(++this.checkpoints as CheckpointId)
  }

  snapshot(): SourceKitCheckpoint {
    this.deliver()
    const checkpoint = ++this.checkpoints as CheckpointId
    const enumerator = structuredClone(this.enumerator.snapshot(checkpoint))
    this.deliver()
    return { enumerator, splits: structuredClone(this.readers.flatMap((reader) => reader.snapshot(checkpoint))) }
  }

  /** The newest checkpoint is durable. */
  notifyComplete(): void {
    for (const reader of this.readers) reader.notifyComplete?.(this.checkpoints as CheckpointId)
  }

  async close(): Promise<void> {
    for (const reader of this.readers) await reader.close?.()
    await this.enumerator.close?.()
  }

  private deliver(): void {
    for (const subtask of this.requests.splice(0)) this.enumerator.onSplitRequest(subtask)
    for (const deliver of this.messages.splice(0)) deliver()
  }
}
