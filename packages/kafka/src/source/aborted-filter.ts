import type { AbortedTransaction } from '../client/contract.ts'
import type { BatchHeader } from '../records/contract.ts'

/**
 * Tells which batches of one fetch belong to aborted transactions. Brokers list those that reach into the fetch in the order of their ends; a producer may
 * have several, and one may have begun before the fetch or end after it. A producer's records are aborted from the first offset of a listed
 * transaction to its next abort marker.
 */
export class AbortedFilter {
  private pending: readonly AbortedTransaction[] = []
  private next = 0
  private readonly active = new Set<bigint>()

  /** Batches of another fetch follow. */
  begin(aborted: readonly AbortedTransaction[]): void {
    this.active.clear()
    this.next = 0
    this.pending = aborted.length < 2 ? aborted : [...aborted].sort((a, b) => a.firstOffset - b.firstOffset)
  }

  /** To be asked for every batch, in order: whether its records are not to be seen. Markers never are. */
  isHidden(batch: BatchHeader): boolean {
    while (this.next < this.pending.length && this.pending[this.next]!.firstOffset <= batch.lastOffset) {
      this.active.add(this.pending[this.next++]!.producerId)
    }
    if (batch.control !== null) {
      if (batch.control === 'abort') this.active.delete(batch.producerId)
      return true
    }
    return batch.isTransactional && this.active.size > 0 && this.active.has(batch.producerId)
  }
}
