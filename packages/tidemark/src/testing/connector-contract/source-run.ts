import { ByteBuffer } from '../../core/byte-buffer.ts'
import { ByteBufferReader } from '../../core/byte-buffer-reader.ts'
import type { FileSystem } from '../../core/file-system.ts'
import { type CheckpointId, checkpointId, operatorId } from '../../core/ids.ts'
import type { PollResult, Source, SourceOutput, SourceReader, Split, SplitEnumerator } from '../../core/source.ts'
import { valueCodec } from '../../core/value-codec.ts'
import { keep } from './rules.ts'
import type { VirtualClock } from './virtual-clock.ts'

const MOST_IDLE_TURNS = 20_000
const MOST_IDLE_POLLS = 5_000

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
  readonly secret?: (name: string) => string
}

type Message = { readonly subtask: number; readonly splits: readonly Split[] | 'no-more' }

/** Runs a source as the engine does, without the engine: one enumerator, a reader per subtask, messages between them in one FIFO. */
export class SourceRun<T> {
  readonly records: T[] = []
  readonly rejected: unknown[] = []
  private readonly options: SourceRunOptions<T>
  private readonly clock: VirtualClock
  private readonly enumerator: SplitEnumerator
  private readonly readers: SourceReader<T>[] = []
  private readonly hasEnded: boolean[] = []
  private readonly isAwake: boolean[] = []
  private readonly requests: number[] = []
  private readonly messages: Message[] = []
  /** A record was emitted after its poll had returned. */
  private isLate = false
  private failure: { readonly error: unknown } | null = null
  private checkpoints = 0

  private constructor(options: SourceRunOptions<T>) {
    this.options = options
    this.clock = options.clock
    const { source, parallelism, clock, files, restored } = options
    const operator = operatorId('source')
    const fail = (error: unknown): void => void (this.failure ??= { error })
    const secret = (name: string): string => options.secret?.(name) ?? name
    this.enumerator = source.createEnumerator({
      job: 'job',
      operator,
      parallelism,
      restored: restored?.enumerator,
      clock,
      files,
      secret,
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
        secret,
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

  /** Rejects, after closing all of it, when the source cannot be opened. */
  static async start<T>(options: SourceRunOptions<T>): Promise<SourceRun<T>> {
    const run = new SourceRun(options)
    try {
      await run.open()
    } catch (error) {
      await run.close().catch(() => undefined)
      throw error
    }
    return run
  }

  /** Timers that are set, apart from those of calls that are being answered. */
  async alarms(): Promise<number> {
    await this.clock.arrive()
    return this.clock.waiting
  }

  get isFinished(): boolean {
    return !this.hasEnded.includes(false)
  }

  /** Lets one reader emit at most `max` records. Errors of the source are thrown. */
  poll(subtask: number, max: number): PollResult {
    this.deliver()
    if (this.hasEnded[subtask]!) return 'end'
    this.isAwake[subtask] = false
    const output = new CheckedOutput(this.records, this.rejected, () => void (this.isLate = true))
    const result = this.readers[subtask]!.poll(output, max)
    output.isOpen = false
    keep('at most what is asked', output.count <= max, `poll emitted ${output.count} records, asked for ${max}`)
    this.checkPositions(subtask, output.count)
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

  /** The newest checkpoint is durable. */
  confirm(): void {
    const checkpoint = checkpointId(this.checkpoints)
    this.enumerator.notifyComplete?.(checkpoint)
    for (const reader of this.readers) reader.notifyComplete?.(checkpoint)
  }

  /** Waits until a reader may have something to emit. */
  async settle(): Promise<void> {
    for (let turns = 0; turns < MOST_IDLE_TURNS; turns++) {
      if (this.hasWork()) return
      await this.clock.turn()
    }
    keep('wakes when there is work', false, 'the source neither emits nor wakes its task')
  }

  /** Reads until the source has ended or `limit` records were emitted, a few at a time from each reader in turn. */
  async read(limit: number, max: number): Promise<void> {
    let [idle, before] = [0, this.records.length]
    while (!this.isFinished && this.records.length < limit) {
      await this.settle()
      this.pollAll(limit, max)
      idle = this.records.length === before ? idle + 1 : 0
      before = this.records.length
      keep('wakes when there is work', idle < MOST_IDLE_POLLS, `the source wakes its task ${idle} times for nothing`)
    }
  }

  /** Reads whatever comes within so many turns. */
  async readFor(turns: number, max: number): Promise<void> {
    for (let turn = 0; turn < turns && !this.isFinished; turn++) {
      if (this.hasWork()) this.pollAll(Infinity, max)
      await this.clock.turn()
    }
  }

  /** Lets time pass without a poll: messages arrive, nothing is emitted. */
  async pass(turns: number): Promise<void> {
    for (let turn = 0; turn < turns; turn++) {
      this.deliver()
      await this.clock.turn()
    }
  }

  async close(): Promise<void> {
    const failures: unknown[] = []
    for (const part of [...this.readers, this.enumerator]) {
      try {
        await this.settled(part.close?.(), 'close')
      } catch (error) {
        failures.push(error)
      }
    }
    this.checkLate()
    if (failures.length > 0) throw failures[0]
  }

  private checkLate(): void {
    keep('at most what is asked', !this.isLate, 'a record was emitted after poll had returned')
  }

  private async open(): Promise<void> {
    const restored = this.options.restored?.splits ?? []
    for (const [subtask, reader] of this.readers.entries()) {
      await this.settled(reader.open?.(), 'open of a reader')
      const share = restored.filter((_, index) => index % this.options.parallelism === subtask)
      if (share.length > 0) reader.addSplits(share)
    }
    await this.settled(this.enumerator.start?.(), 'start of the enumerator')
    for (const subtask of this.readers.keys()) this.requests.push(subtask)
  }

  private hasWork(): boolean {
    this.deliver()
    return this.isFinished || this.isAwake.some((isAwake, subtask) => isAwake && !this.hasEnded[subtask]!)
  }

  private pollAll(limit: number, max: number): void {
    for (const subtask of this.readers.keys()) {
      const rest = limit - this.records.length
      if (rest > 0) this.poll(subtask, Math.min(max, rest))
    }
  }

  private checkPositions(subtask: number, count: number): void {
    const reader = this.readers[subtask]!
    if (reader.describePosition === undefined || count < 2) return
    const positions = Array.from({ length: count }, (_, index) => reader.describePosition!(index))
    const twice = positions.find((position, index) => positions.indexOf(position) !== index)
    keep('positions are told', twice === undefined, `two records of one poll have the position '${twice}'`)
  }

  private deliver(): void {
    this.checkLate()
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

  private settled<R>(result: R | Promise<R>, what: string): R | Promise<R> {
    return result instanceof Promise ? this.clock.settle(result, what) : result
  }
}

/** What a reader may use for the time of one poll. */
class CheckedOutput<T> implements SourceOutput<T> {
  isOpen = true
  count = 0
  private readonly records: T[]
  private readonly rejected: unknown[]
  private readonly onLate: () => void

  constructor(records: T[], rejected: unknown[], onLate: () => void) {
    this.records = records
    this.rejected = rejected
    this.onLate = onLate
  }

  emit(record: T): void {
    this.take(this.records, record)
  }

  reject(record: unknown): void {
    this.take(this.rejected, record)
  }

  private take<R>(into: R[], record: R): void {
    if (!this.isOpen) return this.onLate()
    this.count++
    into.push(record)
  }
}

/** Through the codec and back: what is not plain data fails here. */
function plainCopy(value: unknown): unknown {
  const buffer = new ByteBuffer()
  valueCodec.encode(value, buffer)
  return valueCodec.decode(new ByteBufferReader(buffer.take()))
}
