import type { CheckpointId, Clock } from 'tidemark/connector'
import type { KafkaClient, PartitionOffset } from '../client/contract.ts'

const CLOSE_PATIENCE_MS = 1000

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
  private committing: Promise<void> | null = null
  private cancelPatience: (() => void) | null = null
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
    this.committing ??= this.commit()
  }

  /** Lets the last commit come to its end, but not for long: an attempt that fails has better things to do. */
  async close(clock: Clock): Promise<void> {
    if (this.committing !== null) {
      const patience = new Promise<void>((resolve) => {
        this.cancelPatience = clock.schedule(CLOSE_PATIENCE_MS, resolve)
      })
      await Promise.race([this.committing, patience])
      this.cancelPatience?.()
    }
    this.isClosed = true
  }

  /** One at a time; only the newest of those that wait. */
  private async commit(): Promise<void> {
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
    this.committing = null
  }
}
