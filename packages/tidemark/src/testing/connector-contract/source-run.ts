import { ByteBuffer } from '../../core/byte-buffer.ts'
import { ByteBufferReader } from '../../core/byte-buffer-reader.ts'
import type { FileSystem } from '../../core/file-system.ts'
import { type CheckpointId, checkpointId, operatorId } from '../../core/ids.ts'
import type { PollResult, Source, SourceOutput, SourceReader, Split, SplitEnumerator } from '../../core/source.ts'
import { valueCodec } from '../../core/value-codec.ts'
import type { VirtualClock } from './virtual-clock.ts'

/** What a checkpoint holds of a source, after it went through the codec that checkpoints use. */
export interface SourceCheckpoint {
  readonly enumerator: unknown
  readonly splits: readonly Split[]
}

export interface SourceRunOptions<T> {
  readonly source: Source<T>
  readonly parallelism: number
  readonly clock: VirtualClock
  readonly files: FileSystem
  readonly restored?: SourceCheckpoint
}

type Message = { readonly subtask: number; readonly splits: readonly Split[] | 'no-more' }

/** Runs a source as the engine does, without the engine: one enumerator, a reader per subtask, messages between them in one FIFO. */
export class SourceRun<T> {
  readonly records: T[] = []
  readonly rejected: unknown[] = []
  private readonly options: SourceRunOptions<T>
  private readonly enumerator: SplitEnumerator
  private readonly readers: SourceReader<T>[] = []
  private readonly hasEnded: boolean[] = []
  private readonly isAwake: boolean[] = []
  private readonly requests: number[] = []
  private readonly messages: Message[] = []
  private failure: { readonly error: unknown } | null = null
  private checkpoints = 0

  private constructor(options: SourceRunOptions<T>) {
    this.options = options
    const { source, parallelism, clock, files, restored } = options
    const operator = operatorId('source')
    const fail = (error: unknown): void => void (this.failure ??= { error })
    this.enumerator = source.createEnumerator({
      job: 'job',
      operator,
      parallelism,
      restored: restored?.enumerator,
      clock,
      files,
      secret: (name) => name,
      warn: () => {},
      assign: (subtask, splits) => void this.messages.push({ subtask, splits: plainCopy(splits) as readonly Split[] }),
      noMoreSplits: (subtask) => void this.messages.push({ subtask, splits: 'no-more' }),
      fail,
    })
    for (let subtask = 0; subtask < parallelism; subtask++) {
      const reader = source.createReader({
        job: 'job',
        operator,
        subtask,
        parallelism,
        clock,
        files,
        secret: (name) => name,
        requestSplit: () => void this.requests.push(subtask),
        wake: () => void (this.isAwake[subtask] = true),
        warn: () => {},
        fail,
      })
      this.readers.push(reader)
      this.hasEnded.push(false)
      this.isAwake.push(true)
    }
  }

  static async start<T>(options: SourceRunOptions<T>): Promise<SourceRun<T>> {
    const run = new SourceRun(options)
    const restored = options.restored?.splits ?? []
    for (const [subtask, reader] of run.readers.entries()) {
      await reader.open?.()
      const share = restored.filter((_, index) => index % options.parallelism === subtask)
      if (share.length > 0) reader.addSplits(share)
    }
    await turningUntil(options.clock, run.enumerator.start?.())
    for (const subtask of run.readers.keys()) run.requests.push(subtask)
    return run
  }

  get isFinished(): boolean {
    return !this.hasEnded.includes(false)
  }

  /** Lets one reader emit at most `max` records. Errors of the source are thrown. */
  poll(subtask: number, max: number): PollResult {
    this.deliver()
    if (this.hasEnded[subtask]!) return 'end'
    this.isAwake[subtask] = false
    const output: SourceOutput<T> = {
      emit: (record) => void this.records.push(record),
      reject: (record) => void this.rejected.push(record),
    }
    const result = this.readers[subtask]!.poll(output, max)
    if (result === 'more') this.isAwake[subtask] = true
    if (result === 'end') this.hasEnded[subtask] = true
    return result
  }

  /** Position of a record of the last poll of this reader. */
  describePosition(subtask: number, index: number): string | undefined {
    return this.readers[subtask]!.describePosition?.(index)
  }

  /** A checkpoint as the coordinator takes it: the enumerator first, the readers after all messages sent before. */
  snapshot(): SourceCheckpoint {
    this.deliver()
    const checkpoint: CheckpointId = checkpointId(++this.checkpoints)
    const enumerator = plainCopy(this.enumerator.snapshot(checkpoint))
    this.deliverMessages()
    const splits = this.readers.flatMap((reader) => reader.snapshot(checkpoint))
    return { enumerator, splits: plainCopy(splits) as readonly Split[] }
  }

  /** Waits until a reader may have something to emit. */
  async settle(): Promise<void> {
    for (let turns = 0; turns < 100_000; turns++) {
      this.deliver()
      if (this.isFinished || this.isAwake.some((isAwake, subtask) => isAwake && !this.hasEnded[subtask]!)) return
      await this.options.clock.turn()
    }
    throw new Error('the source neither emits nor wakes its task')
  }

  /** Reads until the source has ended or `limit` records were emitted, a few at a time from each reader in turn. */
  async read(limit: number, max: number): Promise<void> {
    while (!this.isFinished && this.records.length < limit) {
      await this.settle()
      for (const subtask of this.readers.keys()) {
        const rest = limit - this.records.length
        if (rest > 0) this.poll(subtask, Math.min(max, rest))
      }
    }
  }

  async close(): Promise<void> {
    for (const reader of this.readers) await reader.close?.()
    await this.enumerator.close?.()
  }

  private deliver(): void {
    if (this.failure !== null) throw this.failure.error
    for (let subtask = this.requests.shift(); subtask !== undefined; subtask = this.requests.shift()) {
      this.enumerator.onSplitRequest(subtask)
    }
    this.deliverMessages()
  }

  private deliverMessages(): void {
    for (let message = this.messages.shift(); message !== undefined; message = this.messages.shift()) {
      const { subtask, splits } = message
      this.isAwake[subtask] = true
      if (splits === 'no-more') this.readers[subtask]!.noMoreSplits()
      else this.readers[subtask]!.addSplits(splits)
    }
  }
}

/** Lets time pass while something is awaited that may wait for it. */
async function turningUntil(clock: VirtualClock, awaited: void | Promise<void>): Promise<void> {
  const progress = { isDone: false }
  const done = (): void => void (progress.isDone = true)
  const settled = Promise.resolve(awaited)
  settled.then(done, done)
  for (let turns = 0; turns < 100_000 && !progress.isDone; turns++) await clock.turn()
  return settled
}

/** Through the codec and back: what is not plain data fails here. */
function plainCopy(value: unknown): unknown {
  const buffer = new ByteBuffer()
  valueCodec.encode(value, buffer)
  return valueCodec.decode(new ByteBufferReader(buffer.take()))
}
