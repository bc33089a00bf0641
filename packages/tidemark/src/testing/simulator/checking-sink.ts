import type { CheckpointId } from '../../core/ids.ts'
import {
  type Committable,
  type CommitResult,
  type Committer,
  SINK,
  type Sink,
  type SinkWriter,
  type WriterContext,
} from '../../core/sink.ts'
import type { SimulatedWorld } from './simulated-world.ts'
import { TransactionStore } from './transaction-store.ts'

export interface CheckingSinkOptions<T> {
  /** Called for every record that arrives. */
  readonly onWrite?: (record: T) => void
}

/** A transactional sink over a `TransactionStore`: slow, refusing records now and then, failing by seed before or after an effect. */
export function checkingSink<T>(
  world: SimulatedWorld,
  name: string,
  options: CheckingSinkOptions<T> = {},
): { readonly sink: Sink<T, 'exactly-once'>; readonly store: TransactionStore<T> } {
  const store = new TransactionStore<T>(world, name)
  const sink: Sink<T, 'exactly-once'> = {
    [SINK]: {},
    kind: 'checking',
    delivery: 'exactly-once',
    createWriter: (context) => new CheckingWriter(world, name, store, context, options),
    createCommitter: () => new CheckingCommitter(world, name, store),
  }
  return { sink, store }
}

class CheckingWriter<T> implements SinkWriter<T> {
  private readonly world: SimulatedWorld
  private readonly name: string
  private readonly store: TransactionStore<T>
  private readonly context: WriterContext
  private readonly options: CheckingSinkOptions<T>
  private records: T[] = []
  private transactions = 0
  private era = -1
  private isClosed = false
  private newestCommitted = 0

  constructor(
    world: SimulatedWorld,
    name: string,
    store: TransactionStore<T>,
    context: WriterContext,
    options: CheckingSinkOptions<T>,
  ) {
    this.world = world
    this.name = name
    this.store = store
    this.context = context
    this.options = options
    world.opened(`writer of ${name}`)
  }

  async open(): Promise<void> {
    this.era = this.store.begin()
    await this.world.outside(`opening ${this.name}`, () => undefined)
  }

  write(values: readonly T[], from: number, to: number): number {
    if (this.isClosed) this.world.violate('one process, one attempt', `${this.name} is written to after it was closed`)
    this.world.disturb(`sink ${this.name}`)
    const { clock, wake } = this.context
    let end = to
    if (this.world.random.chance(0.1)) {
      end = from + Math.floor(this.world.random.next() * (to - from))
      clock.schedule(this.world.random.next() * 3, wake)
    }
    for (let index = from; index < end; index++) {
      this.records.push(values[index] as T)
      this.options.onWrite?.(values[index] as T)
    }
    return end
  }

  async prepareCommit(): Promise<readonly Committable[]> {
    const { records } = this
    this.records = []
    if (records.length === 0) return []
    const { run, epoch, attempt, operator, subtask } = this.context
    const half = this.world.random.chance(0.2) ? records.length >> 1 : 0
    const parts = half === 0 ? [records] : [records.slice(0, half), records.slice(half)]
    const committables: Committable[] = []
    for (const part of parts) {
      const id = `${run}-${epoch}-${attempt}-${operator}-${subtask}-${this.transactions++}`
      await this.world.outside(`preparing ${id}`, () => this.store.prepare(id, part, this.era))
      committables.push({ version: 1, data: { id } })
    }
    return committables
  }

  notifyCommitted(checkpoint: CheckpointId): void {
    if (checkpoint <= this.newestCommitted)
      this.world.violate('errors are told', `${this.name} hears of ${checkpoint} twice`)
    this.newestCommitted = checkpoint
  }

  async close(): Promise<void> {
    this.isClosed = true
    await this.world.outside(`closing ${this.name}`, () => undefined).catch(() => undefined)
    this.world.closed(`writer of ${this.name}`)
  }
}

class CheckingCommitter<T> implements Committer {
  private readonly world: SimulatedWorld
  private readonly name: string
  private readonly store: TransactionStore<T>
  private calls = 0

  constructor(world: SimulatedWorld, name: string, store: TransactionStore<T>) {
    this.world = world
    this.name = name
    this.store = store
    world.opened(`committer of ${name}`)
  }

  async start(): Promise<void> {
    await this.alone('start', () => undefined)
  }

  commit(committables: readonly Committable[]): Promise<readonly CommitResult[]> {
    const ids = new Set(committables.map(({ data }) => data['id']))
    if (ids.size < committables.length)
      this.world.violate('output exactly once', `${this.name} is asked to commit twice at once`)
    return this.exclusively(async () => {
      const results: CommitResult[] = []
      for (const { data } of committables) results.push(await this.commitOne(String(data['id'])))
      return results
    })
  }

  async abortOthers(): Promise<void> {
    await this.alone('abort', () => this.store.abortOthers())
  }

  close(): void {
    this.world.closed(`committer of ${this.name}`)
  }

  private async commitOne(id: string): Promise<CommitResult> {
    try {
      const kind = await this.world.outside(`committing ${id}`, () => this.store.commit(id))
      if (kind === 'lost') return { kind, error: new Error(`transaction ${id} is not there`) }
      return { kind }
    } catch (error) {
      return { kind: 'retry', error }
    }
  }

  private alone(what: string, effect: () => void): Promise<void> {
    return this.exclusively(() => this.world.outside(`${what} of ${this.name}`, effect))
  }

  /** Calls to a committer never overlap. */
  private async exclusively<R>(work: () => Promise<R>): Promise<R> {
    if (this.calls++ > 0) this.world.violate('errors are told', `calls to the committer of ${this.name} overlap`)
    try {
      return await work()
    } finally {
      this.calls--
    }
  }
}
