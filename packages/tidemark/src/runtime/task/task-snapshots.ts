import { ByteBuffer } from '../../core/byte-buffer.ts'
import type { CheckpointId } from '../../core/ids.ts'
import type { SnapshotWriter } from './snapshot-writer.ts'

interface Underway {
  readonly writer: SnapshotWriter
  readonly buffer: ByteBuffer
  readonly acknowledge: () => void
}

/** The snapshots of one task that are being written while it goes on. */
export class TaskSnapshots {
  private underway: readonly Underway[] = []
  private readonly releasing = new Set<Promise<void>>()
  /** Of the last snapshot, for the next one: what grows anew is fresh memory, which has to be cleared and faulted in. */
  private spare: ByteBuffer | null = null

  get isEmpty(): boolean {
    return this.underway.length === 0
  }

  /** `make` is given an empty buffer to write into. */
  add(make: (buffer: ByteBuffer) => SnapshotWriter, acknowledge: (writer: SnapshotWriter) => void): void {
    const buffer = this.spare ?? new ByteBuffer()
    this.spare = null
    const writer = make(buffer)
    this.underway = [...this.underway, { writer, buffer, acknowledge: () => acknowledge(writer) }]
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
      this.release(entry)
      // Last: it throws when the attempt is to fail, and then other pre-commits of this snapshot are still to be waited for.
      if (progress === 'failed') onFailed(entry.writer)
    }
    return hasMore
  }

  /** The checkpoint will not happen: what was written of it goes. */
  drop(checkpoint: CheckpointId): void {
    for (const entry of this.underway) if (entry.writer.checkpoint === checkpoint) this.release(entry)
    this.underway = this.underway.filter(({ writer }) => writer.checkpoint !== checkpoint)
  }

  dropAll(): void {
    for (const entry of this.underway) this.release(entry)
    this.underway = []
  }

  /** When nothing of dropped or finished snapshots is under way any more: the next attempt may not meet their files. */
  async released(): Promise<void> {
    await Promise.all(this.releasing)
  }

  private release({ writer, buffer }: Underway): void {
    const released = writer.release().finally(() => {
      this.releasing.delete(released)
      // Not before: the storage may have been reading it.
      buffer.clear()
      this.spare = buffer
    })
    this.releasing.add(released)
  }
}
