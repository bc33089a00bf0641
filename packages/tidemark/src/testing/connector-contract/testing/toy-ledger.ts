import type { Clock } from '../../../core/clock.ts'
import type { Disturbance } from '../disturbance.ts'

/** An outside system with transactions: records are added to open ones, which are prepared, then committed or aborted. Every call takes a turn of the event loop. */
export class Ledger<T> {
  readonly committed: T[] = []
  readonly committedNames = new Set<string>()
  /** Open and prepared ones. */
  readonly transactions = new Map<string, { readonly records: T[]; isPrepared: boolean }>()
  connections = 0
  private disturbance: Disturbance | null = null
  private stalled: (() => void)[] = []

  disturb(how: Disturbance): () => void {
    this.disturbance = how
    return () => {
      this.disturbance = null
      const { stalled } = this
      this.stalled = []
      for (const go of stalled) go()
    }
  }

  /** One call: its effect, or what the disturbance makes of it. */
  async call<R>(effect: () => R): Promise<R> {
    await new Promise<void>((resolve) => void setImmediate(resolve))
    if (this.disturbance === 'fails') throw new Error('the ledger is closed')
    if (this.disturbance === 'stalls') await new Promise<void>((resolve) => void this.stalled.push(resolve))
    const result = effect()
    if (this.disturbance === 'loses-answers') throw new Error('the ledger did not answer')
    return result
  }

  /** The first record opens a transaction. */
  add(name: string, records: readonly T[]): void {
    let transaction = this.transactions.get(name)
    if (transaction === undefined) {
      transaction = { records: [], isPrepared: false }
      this.transactions.set(name, transaction)
    }
    if (transaction.isPrepared) throw new Error(`transaction ${name} is prepared already`)
    transaction.records.push(...records)
  }

  prepare(name: string): void {
    const transaction = this.transactions.get(name) ?? { records: [], isPrepared: false }
    this.transactions.set(name, transaction)
    transaction.isPrepared = true
  }

  commit(name: string): 'committed' | 'already-committed' | 'lost' {
    if (this.committedNames.has(name)) return 'already-committed'
    const transaction = this.transactions.get(name)
    if (transaction === undefined) return 'lost'
    this.transactions.delete(name)
    this.committedNames.add(name)
    this.committed.push(...transaction.records)
    return 'committed'
  }
}

/** The system said no; not: it said nothing. */
export function isRefusal(error: unknown): boolean {
  return error instanceof Error && error.message.includes('the ledger')
}

/** Rejects after a time on the given clock. */
export function withTimeout<R>(clock: Clock, promise: Promise<R>, timeoutMs: number): Promise<R> {
  return new Promise<R>((resolve, reject) => {
    const cancel = clock.schedule(timeoutMs, () => reject(new Error(`no answer within ${timeoutMs} ms`)))
    promise.then(resolve, reject).finally(cancel)
  })
}
