import {
  type EnumeratorContext,
  type PollResult,
  type ReaderContext,
  SOURCE,
  type Source,
  type SourceOutput,
  type SourceReader,
  type Split,
  type SplitEnumerator,
} from '../../../core/source.ts'
import { withTimeout } from './toy-ledger.ts'
import type { Disturbance } from '../disturbance.ts'

/** Mistakes that authors of sources make. */
export type SourceMistake =
  | 'moves its position when it fetches'
  | 'stores the position of the first poll'
  | 'moves its position in a snapshot'
  | 'forgets splits that came before the first poll'
  | 'assigns splits again after a restore'
  | 'emits more than it is asked for'
  | 'emits outside of poll'
  | 'forgets to wake'
  | 'fetches without end'
  | 'skips what fails'
  | 'leaves its connection open'
  | 'leaves a timer behind'
  | 'rejects again after a restore'
  | 'reads in any order'
  | 'tells one position for all'
  | 'looks for input only once'
  | 'discovers without remembering'
  | 'acknowledges what it has emitted since'

const FETCH = 10
const AHEAD = 20
const TIMEOUT_MS = 1000
const DISCOVERY_MS = 100

export interface ToyRecord {
  readonly partition: number
  readonly offset: number
}

/** Every seventh record of the log is broken. */
export function isBroken({ offset }: ToyRecord): boolean {
  return offset % 7 === 6
}

/** An outside system: partitions of records, which grow. */
export class ToyLog {
  /** How many records each partition has. */
  readonly partitions: number[]
  readonly deleted = new Map<number, number>()
  fetched = 0
  connections = 0
  private disturbance: Disturbance | null = null
  private stalled: (() => void)[] = []

  constructor(partitions: readonly number[]) {
    this.partitions = [...partitions]
  }

  disturb(how: Disturbance): () => void {
    this.disturbance = how
    return () => {
      this.disturbance = null
      for (const go of this.stalled.splice(0)) go()
    }
  }

  async fetch(partition: number, offset: number): Promise<readonly ToyRecord[]> {
    await this.answer()
    const from = Math.max(offset, this.deleted.get(partition) ?? 0)
    const count = Math.max(0, Math.min(FETCH, this.partitions[partition]! - from))
    this.fetched += count
    return Array.from({ length: count }, (_, index) => ({ partition, offset: from + index }))
  }

  async count(): Promise<number> {
    await this.answer()
    return this.partitions.length
  }

  private async answer(): Promise<void> {
    await new Promise<void>((resolve) => void setImmediate(resolve))
    if (this.disturbance === 'stalls') await new Promise<void>((resolve) => void this.stalled.push(resolve))
    else if (this.disturbance !== null) throw new Error('the log is closed')
  }
}

interface ToySplit extends Split {
  readonly partition: number
  readonly next: number
}

export interface ToySourceOptions {
  readonly mistake?: SourceMistake | null
  /** Looks for new partitions, and never ends. */
  readonly isDiscovering?: boolean
}

/** A source with a position per partition, as it should be or with one mistake. */
export function toySource(
  log: ToyLog,
  { mistake = null, isDiscovering = false }: ToySourceOptions = {},
): Source<ToyRecord> {
  return {
    [SOURCE]: {},
    kind: 'toy',
    isBounded: !isDiscovering,
    replay: 'exact',
    createEnumerator: (context) => new ToyEnumerator(log, context, mistake, isDiscovering),
    createReader: (context) => new ToyReader(log, context, mistake, isDiscovering),
  }
}

class ToyEnumerator implements SplitEnumerator {
  private readonly log: ToyLog
  private readonly context: EnumeratorContext
  private readonly mistake: SourceMistake | null
  private readonly isDiscovering: boolean
  /** Partitions below this have been assigned. */
  private known: number
  private cancel: () => void = () => undefined
  private isClosed = false

  constructor(log: ToyLog, context: EnumeratorContext, mistake: SourceMistake | null, isDiscovering: boolean) {
    this.log = log
    this.context = context
    this.mistake = mistake
    this.isDiscovering = isDiscovering
    const isForgotten = mistake === 'assigns splits again after a restore'
    this.known = isForgotten ? 0 : ((context.restored as { readonly known: number } | undefined)?.known ?? 0)
  }

  async start(): Promise<void> {
    const count = await withTimeout(this.context.clock, this.log.count(), TIMEOUT_MS)
    this.assignUpTo(count)
    if (this.isDiscovering) this.schedule()
    else for (let subtask = 0; subtask < this.context.parallelism; subtask++) this.context.noMoreSplits(subtask)
  }

  onSplitRequest(): void {}

  snapshot(): unknown {
    if (this.mistake === 'discovers without remembering' && this.isDiscovering)
      return { known: Math.min(this.known, 2) }
    return { known: this.known }
  }

  close(): void {
    this.isClosed = true
    if (this.mistake !== 'leaves a timer behind') this.cancel()
  }

  private assignUpTo(count: number): void {
    for (let partition = this.known; partition < count; partition++) {
      const split: ToySplit = { id: `partition ${partition}`, partition, next: 0 }
      this.context.assign(partition % this.context.parallelism, [split])
    }
    this.known = Math.max(this.known, count)
  }

  private schedule(): void {
    if (this.mistake === 'looks for input only once' || this.isClosed) return
    this.cancel = this.context.clock.schedule(DISCOVERY_MS, () => {
      this.log
        .count()
        .then((count) => this.assignUpTo(count))
        .catch(() => undefined)
        .finally(() => this.schedule())
    })
  }
}

interface ToyPartition {
  readonly partition: number
  readonly id: string
  /** What comes next for the stream. */
  next: number
  /** What is fetched next. */
  fetchFrom: number
  readonly fetched: ToyRecord[]
  isFetching: boolean
  isAtEnd: boolean
}

class ToyReader implements SourceReader<ToyRecord> {
  private readonly log: ToyLog
  private readonly context: ReaderContext
  private readonly mistake: SourceMistake | null
  private readonly isDiscovering: boolean
  private readonly partitions: ToyPartition[] = []
  private polled: ToyRecord[] = []
  private hasAllSplits = false
  private hasPolled = false
  private isClosed = false
  private stored: readonly Split[] | null = null
  private cancel: () => void = () => undefined

  constructor(log: ToyLog, context: ReaderContext, mistake: SourceMistake | null, isDiscovering: boolean) {
    this.log = log
    this.context = context
    this.mistake = mistake
    this.isDiscovering = isDiscovering
  }

  open(): void {
    this.log.connections++
  }

  addSplits(splits: readonly Split[]): void {
    if (this.mistake === 'forgets splits that came before the first poll' && !this.hasPolled) return
    for (const { id, partition, next } of splits as readonly ToySplit[]) {
      const added = { id, partition, next, fetchFrom: next, fetched: [], isFetching: false, isAtEnd: false }
      this.partitions.push(added)
      this.fetch(added)
    }
    this.context.wake()
  }

  noMoreSplits(): void {
    this.hasAllSplits = true
    this.context.wake()
  }

  poll(output: SourceOutput<ToyRecord>, max: number): PollResult {
    this.hasPolled = true
    this.polled = []
    const most = this.mistake === 'emits more than it is asked for' ? max + 1 : max
    for (const partition of this.partitions) {
      while (this.polled.length < most && partition.fetched.length > 0) this.emitNext(partition, output)
      this.fetch(partition)
    }
    if (this.mistake === 'stores the position of the first poll') this.stored ??= this.splits()
    if (this.mistake === 'emits outside of poll' && this.polled.length > 0)
      setImmediate(() => output.emit({ partition: -1, offset: 0 }))
    if (this.polled.length >= max) return 'more'
    const isDone = this.partitions.every(({ isAtEnd, fetched }) => isAtEnd && fetched.length === 0)
    return isDone && this.hasAllSplits && !this.isDiscovering ? 'end' : 'nothing-now'
  }

  describePosition(index: number): string {
    if (this.mistake === 'tells one position for all') return 'the log'
    const { partition, offset } = this.polled[index]!
    return `${partition}@${offset}`
  }

  snapshot(): readonly Split[] {
    const splits = this.stored ?? this.splits()
    if (this.mistake === 'moves its position in a snapshot') for (const partition of this.partitions) partition.next++
    return splits
  }

  notifyComplete(): void {
    if (this.mistake !== 'acknowledges what it has emitted since') return
    for (const { partition, next } of this.partitions) this.log.deleted.set(partition, next + 1)
  }

  close(): void {
    this.isClosed = true
    this.cancel()
    if (this.mistake !== 'leaves its connection open') this.log.connections--
  }

  private splits(): readonly ToySplit[] {
    return this.partitions.map(({ id, partition, next, fetchFrom }) => ({
      id,
      partition,
      next: this.mistake === 'moves its position when it fetches' ? fetchFrom : next,
    }))
  }

  private emitNext(partition: ToyPartition, output: SourceOutput<ToyRecord>): void {
    const { fetched } = partition
    const record = (this.mistake === 'reads in any order' ? fetched.pop() : fetched.shift())!
    this.polled.push(record)
    if (!isBroken(record)) output.emit(record)
    else output.reject(record)
    if (isBroken(record) && this.mistake === 'rejects again after a restore') return
    partition.next = Math.max(partition.next, record.offset + 1)
  }

  private fetch(partition: ToyPartition): void {
    const isFull = partition.fetched.length >= AHEAD && this.mistake !== 'fetches without end'
    if (partition.isFetching || isFull || this.isClosed || (partition.isAtEnd && !this.isDiscovering)) return
    partition.isFetching = true
    this.fetchFor(partition).catch((error: unknown) => {
      if (this.mistake !== 'skips what fails') return this.context.fail(error)
      partition.isFetching = false
      partition.fetchFrom += 1
      this.fetch(partition)
    })
  }

  private async fetchFor(partition: ToyPartition): Promise<void> {
    const answer = this.log.fetch(partition.partition, partition.fetchFrom)
    const records = await withTimeout(this.context.clock, answer, TIMEOUT_MS)
    if (this.isClosed) return
    partition.isFetching = false
    partition.fetched.push(...records)
    partition.fetchFrom += records.length
    partition.isAtEnd = records.length < FETCH
    if (this.mistake !== 'forgets to wake') this.context.wake()
    if (!partition.isAtEnd) this.fetch(partition)
    else if (this.isDiscovering) {
      this.cancel()
      this.cancel = this.context.clock.schedule(DISCOVERY_MS, () => {
        for (const each of this.partitions) this.fetch(each)
      })
    }
  }
}
