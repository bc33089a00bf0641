import { assert } from '../../../core/errors.ts'
import {
  type Committable,
  type CommitResult,
  type Committer,
  type CommitterContext,
  SINK,
  type Sink,
  type SinkWriter,
  type WriterContext,
} from '../../../core/sink.ts'
import { isRefusal, type Ledger, withTimeout } from './toy-ledger.ts'

/** Mistakes that authors of sinks make. */
export type SinkMistake =
  | 'writes outside of the transaction'
  | 'says committed and does nothing'
  | 'commits only the first'
  | 'commits twice'
  | 'says lost for what was committed before'
  | 'says lost for what failed'
  | 'says committed for what failed'
  | 'puts a date into the committable'
  | 'names transactions without the attempt'
  | 'names transactions without the epoch'
  | 'prepares empty transactions'
  | 'switches the transaction after the flush'
  | 'acknowledges before the flush'
  | 'aborts only what is not prepared'
  | 'aborts only those of two subtasks'
  | 'aborts nothing'
  | 'takes without end'
  | 'forgets to wake'
  | 'drops what fails'
  | 'waits for ever'
  | 'leaves its connection open'
  | 'leaves a timer behind'
  | 'writes in any order'

const CAPACITY = 100
const TIMEOUT_MS = 1000

/** A transactional sink as it should be, or with one mistake. */
export function toySink<T>(ledger: Ledger<T>, mistake: SinkMistake | null = null): Sink<T, 'exactly-once'> {
  return {
    [SINK]: {},
    kind: 'toy',
    delivery: 'exactly-once',
    createWriter: (context) => new ToyWriter(ledger, context, mistake),
    createCommitter: (context) => new ToyCommitter(ledger, context, mistake),
  }
}

class ToyWriter<T> implements SinkWriter<T> {
  private readonly ledger: Ledger<T>
  private readonly context: WriterContext
  private readonly mistake: SinkMistake | null
  private name: string | null = null
  private transactions = 0
  /** Records taken whose arrival is not confirmed. */
  private waiting = 0
  private queue: Promise<void> = Promise.resolve()
  private isClosed = false

  constructor(ledger: Ledger<T>, context: WriterContext, mistake: SinkMistake | null) {
    this.ledger = ledger
    this.context = context
    this.mistake = mistake
  }

  open(): void {
    this.ledger.connections++
    if (this.mistake === 'leaves a timer behind') this.context.clock.schedule(1e9, () => undefined)
  }

  write(values: readonly T[], from: number, to: number): number {
    const room = this.mistake === 'takes without end' ? to : CAPACITY - this.waiting
    const end = Math.min(to, from + room)
    const records = values.slice(from, end)
    if (records.length === 0) return from
    if (this.mistake === 'writes in any order') records.reverse()
    if (this.mistake === 'writes outside of the transaction') this.ledger.committed.push(...records)
    else this.send(records)
    return end
  }

  async prepareCommit(): Promise<readonly Committable[]> {
    const { mistake } = this
    if (mistake === 'switches the transaction after the flush') await this.queue
    if (this.name === null && mistake !== 'prepares empty transactions') return []
    const name = this.currentName()
    const prepared = this.queue.then(() => this.call(() => this.ledger.prepare(name)))
    this.name = null
    if (mistake === 'acknowledges before the flush') prepared.catch(() => undefined)
    else await prepared
    const data = mistake === 'puts a date into the committable' ? { name, at: new Date(0) as never } : { name }
    return [{ version: 1, data }]
  }

  close(): void {
    this.isClosed = true
    if (this.mistake !== 'leaves its connection open') this.ledger.connections--
  }

  private send(records: readonly T[]): void {
    const name = this.currentName()
    this.waiting += records.length
    this.queue = this.queue.then(() => this.add(name, records))
    this.queue.then(
      () => {
        this.waiting -= records.length
        if (this.mistake !== 'forgets to wake') this.context.wake()
      },
      (error: unknown) => this.context.fail(error),
    )
  }

  private async add(name: string, records: readonly T[]): Promise<void> {
    if (this.mistake === 'acknowledges before the flush')
      await new Promise<void>((resolve) => void this.context.clock.schedule(10, resolve))
    try {
      await this.call(() => this.ledger.add(name, records))
    } catch (error) {
      if (this.mistake !== 'drops what fails' || !isRefusal(error)) throw error
    }
  }

  private call<R>(effect: () => R): Promise<R> {
    const answer = this.ledger.call(() => {
      assert(!this.isClosed, 'the connection is closed')
      return effect()
    })
    return this.mistake === 'waits for ever' ? answer : withTimeout(this.context.clock, answer, TIMEOUT_MS)
  }

  private currentName(): string {
    if (this.name !== null) return this.name
    const { run, epoch, attempt, operator, subtask } = this.context
    const parts: (string | number)[] = [run, operator]
    if (this.mistake !== 'names transactions without the epoch') parts.push(epoch)
    if (this.mistake !== 'names transactions without the attempt') parts.push(attempt)
    this.name = [...parts, subtask, this.transactions++].join('-')
    return this.name
  }
}

class ToyCommitter<T> implements Committer {
  private readonly ledger: Ledger<T>
  private readonly context: CommitterContext
  private readonly mistake: SinkMistake | null

  constructor(ledger: Ledger<T>, context: CommitterContext, mistake: SinkMistake | null) {
    this.ledger = ledger
    this.context = context
    this.mistake = mistake
  }

  async commit(committables: readonly Committable[]): Promise<readonly CommitResult[]> {
    const results: CommitResult[] = []
    for (const { data } of committables) results.push(await this.commitOne(String(data['name'])))
    return this.mistake === 'commits only the first' ? results.slice(0, 1) : results
  }

  async abortOthers(): Promise<void> {
    const { mistake } = this
    if (mistake === 'aborts nothing') return
    await this.call(() => {
      for (const [name, { isPrepared }] of this.ledger.transactions) {
        if (mistake === 'aborts only what is not prepared' && isPrepared) continue
        if (mistake === 'aborts only those of two subtasks' && /-2-\d+$/.test(name)) continue
        this.ledger.transactions.delete(name)
      }
    })
  }

  private async commitOne(name: string): Promise<CommitResult> {
    const { ledger, mistake } = this
    try {
      if (mistake === 'says committed and does nothing') return { kind: 'committed' }
      const records = mistake === 'commits twice' ? (ledger.transactions.get(name)?.records ?? []) : []
      const kind = await this.call(() => ledger.commit(name))
      ledger.committed.push(...records)
      if (kind === 'lost') return { kind, error: new Error(`transaction ${name} is unknown`) }
      if (mistake === 'says lost for what was committed before' && kind === 'already-committed')
        return { kind: 'lost', error: new Error(`transaction ${name} is unknown`) }
      return { kind }
    } catch (error) {
      if (mistake === 'says committed for what failed') return { kind: 'committed' }
      return { kind: mistake === 'says lost for what failed' ? 'lost' : 'retry', error }
    }
  }

  private call<R>(effect: () => R): Promise<R> {
    return withTimeout(this.context.clock, this.ledger.call(effect), TIMEOUT_MS)
  }
}
