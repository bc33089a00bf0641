import type { SimulatedWorld } from './simulated-world.ts'
import { durableManifests } from './checking-source.ts'

type State = 'prepared' | 'committed' | 'aborted'

interface Transaction<T> {
  readonly id: string
  readonly records: readonly T[]
  readonly era: number
  state: State
}

/**
 * An outside system with transactions in two phases, as a message broker has them: what was prepared survives every crash of the job. Watches that
 * only what a durable checkpoint names is committed, that nothing a checkpoint names is aborted, that recovery leaves nothing open, and that writers
 * from before a recovery are silent.
 */
export class TransactionStore<T> {
  /** What a reader that honours commits sees. */
  readonly visible: T[] = []
  private readonly world: SimulatedWorld
  private readonly name: string
  private readonly transactions = new Map<string, Transaction<T>>()
  /** Counts recoveries. */
  private era = 0

  constructor(world: SimulatedWorld, name: string) {
    this.world = world
    this.name = name
  }

  /** A writer begins: recovery must be over. */
  begin(): number {
    for (const { id, state } of this.transactions.values()) {
      if (state === 'prepared') {
        const what = `${this.name}: a writer starts while transaction ${id} of an earlier attempt is open`
        this.world.violate('recovery commits, then aborts', what)
      }
    }
    return this.era
  }

  prepare(id: string, records: readonly T[], era: number): void {
    if (era !== this.era)
      this.world.violate('one process, one attempt', `${this.name}: ${id} is prepared after a recovery`)
    if (this.transactions.has(id))
      this.world.violate('one process, one attempt', `${this.name}: ${id} is prepared twice`)
    this.transactions.set(id, { id, records, era, state: 'prepared' })
  }

  commit(id: string): 'committed' | 'already-committed' | 'lost' {
    const transaction = this.transactions.get(id)
    if (transaction === undefined || transaction.state === 'aborted') return 'lost'
    if (transaction.state === 'committed') return 'already-committed'
    if (!this.isInDurableManifest(id)) {
      const what = `${this.name}: ${id} is committed, but no durable manifest names it`
      this.world.violate('acknowledged only when complete', what)
    }
    transaction.state = 'committed'
    for (const record of transaction.records) this.visible.push(record)
    return 'committed'
  }

  abortOthers(): void {
    this.era++
    for (const transaction of this.transactions.values()) {
      if (transaction.state !== 'prepared') continue
      if (this.isInDurableManifest(transaction.id)) {
        const what = `${this.name}: ${transaction.id} is aborted, but a checkpoint names it`
        this.world.violate('recovery commits, then aborts', what)
      }
      transaction.state = 'aborted'
    }
  }

  /** Nothing may be left in between when the job has finished. */
  checkAtEnd(): void {
    for (const { id, state } of this.transactions.values()) {
      if (state === 'prepared') this.world.violate('nothing is left behind', `${this.name}: ${id} is still open`)
    }
  }

  private isInDurableManifest(id: string): boolean {
    const { disk } = this.world.machine
    return durableManifests(this.world).some((path) => disk.text(path)!.includes(JSON.stringify(id)))
  }
}
