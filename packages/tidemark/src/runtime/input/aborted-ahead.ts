import type { CheckpointId } from '../../core/ids.ts'

/** More than any coordinator lets run at once; bounds what is remembered of ids whose barriers never come. */
const MAX_REMEMBERED = 50

/**
 * Checkpoints that the coordinator aborted before a barrier of them was seen. They cannot simply raise the handler's current id: an older
 * checkpoint may still be on its way and complete. Beyond the bound, the smallest id becomes a floor below which everything counts as aborted:
 * forgetting errs towards ignoring a checkpoint, never towards waiting for a dead one.
 */
export class AbortedAhead {
  private readonly ids = new Set<CheckpointId>()
  private floor = -1

  add(checkpoint: CheckpointId): void {
    if (this.has(checkpoint)) return
    this.ids.add(checkpoint)
    if (this.ids.size <= MAX_REMEMBERED) return
    const smallest = Math.min(...this.ids) as CheckpointId
    this.ids.delete(smallest)
    this.floor = smallest
  }

  has(checkpoint: CheckpointId): boolean {
    return checkpoint <= this.floor || this.ids.has(checkpoint)
  }

  /** The handler ignores ids up to this one by itself from now on. */
  forgetUpTo(checkpoint: CheckpointId): void {
    if (this.ids.size === 0) return
    for (const id of this.ids) if (id <= checkpoint) this.ids.delete(id)
  }
}
