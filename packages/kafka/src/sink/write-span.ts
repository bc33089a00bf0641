import type { ProducerIdentity, TopicPartition } from '../client/contract.ts'
import type { PartitionQueue } from './partition-queue.ts'

/** Who writes: a transaction, or (null id) a producer without. */
export interface WriterIdentity extends ProducerIdentity {
  readonly transactionalId: string | null
}

/** Where a record of a span was acknowledged: later the log itself can be asked what became of the transaction. */
export interface Landmark extends TopicPartition {
  readonly offset: number
}

/** What is written between two barriers: a transaction, where delivery is exactly-once. */
export class WriteSpan {
  /** Null while the transaction is being initialized: records wait meanwhile. */
  identity: WriterIdentity | null = null
  recordCount = 0
  /** Batches that were begun and not yet acknowledged. */
  unacknowledged = 0
  isSealed = false
  landmark: Landmark | null = null
  /** Partitions that the coordinator has yet to be told of, and those that it knows. */
  readonly toAdd = new Set<PartitionQueue>()
  readonly added = new Set<PartitionQueue>()
  /** The first request to add partitions was sent: the transaction may be open. */
  hasBegun = false
  isAdding = false
  private settled: { readonly resolve: () => void; readonly reject: (error: unknown) => void } | null = null

  get isEmpty(): boolean {
    return this.recordCount === 0
  }

  get isAcknowledged(): boolean {
    return this.isSealed && this.unacknowledged === 0
  }

  /** Resolves when everything in it is acknowledged. */
  seal(): Promise<void> {
    this.isSealed = true
    return new Promise((resolve, reject) => {
      this.settled = { resolve, reject }
      this.onAcknowledged()
    })
  }

  onAcknowledged(): void {
    if (!this.isAcknowledged || this.settled === null) return
    this.settled.resolve()
    this.settled = null
  }

  /** Whether somebody waited for it: then it will never be acknowledged. */
  fail(error: unknown): void {
    this.settled?.reject(error)
    this.settled = null
  }
}
