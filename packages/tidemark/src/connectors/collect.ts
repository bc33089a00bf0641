import { assert, TidemarkError } from '../core/errors.ts'
import { SINK, type Committable, type CommitResult, type Committer, type Sink } from '../core/sink.ts'
import type { CommitterContext, SinkWriter, StartKind, WriterContext } from '../core/sink.ts'

/** A sink that keeps what was committed in an array. */
export interface Collector<T> extends Sink<T, 'exactly-once'> {
  /** All records that are committed, in the order of their commits. */
  readonly records: readonly T[]
}

/**
 * Collects records in memory, for tests and for jobs run from code. Exactly once: a record appears in `records` when the checkpoint that holds it is
 * complete, and once, through any number of restarts.
 *
 * Only within one process and one thread (`workers: 0`): after a restart of the process, or from a worker, what was collected is gone and the
 * commit fails with `COMMIT_LOST`. A fresh start of a run empties it. One collector belongs to one `to(…)` of one running job.
 */
export function collect<T>(): Collector<T> {
  const store = new CollectorStore<T>()
  return {
    [SINK]: {},
    kind: 'collect',
    delivery: 'exactly-once',
    get records() {
      return store.records
    },
    createWriter: (context) => new CollectorWriter<T>(context, store),
    createCommitter: (context) => new CollectorCommitter<T>(context, store),
  }
}

/** Plays the outside system: what is prepared and what is committed outlives writers and committers. */
class CollectorStore<T> {
  run: string | null = null
  records: T[] = []
  readonly prepared = new Map<string, readonly T[]>()
  readonly committed = new Set<string>()

  clear(run: string): void {
    this.run = run
    this.records = []
    this.prepared.clear()
    this.committed.clear()
  }
}

class CollectorWriter<T> implements SinkWriter<T> {
  private readonly context: WriterContext
  private readonly store: CollectorStore<T>
  private batch: T[] = []
  private batches = 0

  constructor(context: WriterContext, store: CollectorStore<T>) {
    this.context = context
    this.store = store
  }

  write(values: readonly T[], from: number, to: number): number {
    for (let index = from; index < to; index++) this.batch.push(values[index] as T)
    return to
  }

  async prepareCommit(): Promise<readonly Committable[]> {
    if (this.batch.length === 0) return []
    const { run, epoch, attempt, operator, subtask } = this.context
    const batch = `${run}-${epoch}-${attempt}-${operator}-${subtask}-${this.batches++}`
    assert(!this.store.prepared.has(batch) && !this.store.committed.has(batch), `batch ${batch} is prepared once`)
    this.store.prepared.set(batch, this.batch)
    const records = this.batch.length
    this.batch = []
    return [{ version: 1, data: { batch, records } }]
  }
}

class CollectorCommitter<T> implements Committer {
  private readonly context: CommitterContext
  private readonly store: CollectorStore<T>

  constructor(context: CommitterContext, store: CollectorStore<T>) {
    this.context = context
    this.store = store
  }

  async start(start: StartKind): Promise<void> {
    if (start.kind === 'fresh') this.store.clear(this.context.run)
  }

  async commit(committables: readonly Committable[]): Promise<readonly CommitResult[]> {
    return committables.map(({ data }) => this.commitOne(String(data['batch']), Number(data['records'])))
  }

  async abortOthers(): Promise<void> {
    this.store.prepared.clear()
  }

  private commitOne(batch: string, records: number): CommitResult {
    const { prepared, committed } = this.store
    if (committed.has(batch)) return { kind: 'already-committed' }
    const collected = prepared.get(batch)
    if (collected === undefined) return { kind: 'lost', error: this.lost(records) }
    prepared.delete(batch)
    committed.add(batch)
    for (const record of collected) this.store.records.push(record)
    return { kind: 'committed' }
  }

  private lost(records: number): TidemarkError {
    const { job, operator } = this.context
    return new TidemarkError('COMMIT_LOST', `collector ${operator} no longer has ${records} records to commit`, {
      action:
        'collect() works within one process and one thread: use workers: 0 and no restart of the process, or write to files.',
      context: { job, operator },
    })
  }
}
