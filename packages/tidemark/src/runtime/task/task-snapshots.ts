import type { CheckpointId } from '../../core/ids.ts'
import type { SnapshotWriter } from './snapshot-writer.ts'

interface Underway {
  readonly writer: SnapshotWriter
  readonly acknowledge: () => void
}

/** The snapshots of one task that are being written while it goes on. */
export class TaskSnapshots {
  private underway: readonly Underway[] = []
  private readonly releasing = new Set<Promise<void>>()

  get isEmpty(): boolean {
    return this.underway.length === 0
  }

  add(writer: SnapshotWriter, acknowledge: () => void): void {
    this.underway = [...this.underway, { writer, acknowledge }]
  }

  /** Writes a slice of every snapshot; true when one has to go on at once. */
  step(onFailed: (writer: SnapshotWriter) => void): boolean {
    if (this.underway.length === 0) return false
    let hasMore = false
    for (const entry of this.underway) {
      const progress = entry.writer.step()
      if (progress === 'more') hasMore = true
      if (progress === 'more' || progress === 'waiting') continue
      this.underway = this.underway.filter((other) => other !== entry)
      if (progress === 'done') entry.acknowledge()
      this.release(entry.writer)
      // Last: it throws when the attempt is to fail, and then other pre-commits of this snapshot are still to be waited for.
      if (progress === 'failed') onFailed(entry.writer)
    }
    return hasMore
  }

  /** The checkpoint will not happen: what was written of it goes. */
  drop(checkpoint: CheckpointId): void {
    for (const { writer } of this.underway) if (writer.checkpoint === checkpoint) this.release(writer)
    this.underway = this.underway.filter(({ writer }) => writer.checkpoint !== checkpoint)
  }

  dropAll(): void {
    for (const { writer } of this.underway) this.release(writer)
    this.underway = []
  }

  /** When nothing of dropped or finished snapshots is under way any more: the next attempt may not meet their files. */
  async released(): Promise<void> {
    await Promise.all(this.releasing)
  }

  private release(writer: SnapshotWriter): void {
    const released = writer.release().finally(() => this.releasing.delete(released))
    this.releasing.add(released)
  }
}
