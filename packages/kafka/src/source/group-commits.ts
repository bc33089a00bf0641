import type { CheckpointId } from 'tidemark/connector'
import type { KafkaClient, PartitionOffset } from '../client/contract.ts'

/**
 * Commits to a consumer group what complete checkpoints hold: information for people and tools that watch the lag. Nothing is ever read from it on a restore, so that a
 * failure is told and no more.
 */
export class GroupCommits {
  private readonly client: KafkaClient
  private readonly group: string
  private readonly warn: (message: string) => void
  private readonly byCheckpoint = new Map<CheckpointId, readonly PartitionOffset[]>()
  private waiting: readonly PartitionOffset[] | null = null
  private isCommitting = false
  private hasFailed = false
  private isClosed = false

  constructor(client: KafkaClient, group: string, warn: (message: string) => void) {
    this.client = client
    this.group = group
    this.warn = warn
  }

  snapshot(checkpoint: CheckpointId, offsets: readonly PartitionOffset[]): void {
    this.byCheckpoint.set(checkpoint, offsets)
  }

  complete(checkpoint: CheckpointId): void {
    const offsets = this.byCheckpoint.get(checkpoint)
    for (const older of this.byCheckpoint.keys()) if (older <= checkpoint) this.byCheckpoint.delete(older)
    if (offsets === undefined || offsets.length === 0) return
    this.waiting = offsets
    if (!this.isCommitting) void this.commit()
  }

  close(): void {
    this.isClosed = true
  }

  /** One at a time; only the newest of those that wait. */
  private async commit(): Promise<void> {
    this.isCommitting = true
    for (let offsets = this.waiting; offsets !== null && !this.isClosed; offsets = this.waiting) {
      this.waiting = null
      try {
        await this.client.commitOffsets(this.group, offsets)
        this.hasFailed = false
      } catch (error) {
        if (!this.isClosed && !this.hasFailed) {
          const reason = error instanceof Error ? error.message : String(error)
          this.warn(`offsets could not be committed to group ${this.group} (the job goes on without): ${reason}`)
        }
        this.hasFailed = true
      }
    }
    this.isCommitting = false
  }
}
