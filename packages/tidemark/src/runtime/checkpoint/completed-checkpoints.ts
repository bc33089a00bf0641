import { assert } from '../../core/errors.ts'
import type { Attempt, CheckpointId, TaskId } from '../../core/ids.ts'

/** Whose snapshots a checkpoint holds. */
export interface SnapshotOwners {
  readonly attempt: Attempt
  readonly participants: ReadonlySet<TaskId>
}

/** Which checkpoints exist, how many of them stay, and which files must therefore never be touched. */
export class CompletedCheckpoints {
  private readonly retained: number
  /** Oldest first, without savepoints. */
  private ids: CheckpointId[] = []
  /** Of checkpoints that this process completed (or may have): a repeated acknowledgement of them names files in use. */
  private readonly owners = new Map<CheckpointId, SnapshotOwners>()

  constructor(retained: number) {
    assert(retained >= 1, 'at least one checkpoint has to be retained')
    this.retained = retained
  }

  get newest(): CheckpointId | null {
    return this.ids.at(-1) ?? null
  }

  /** What storage really holds. */
  restore(ids: readonly CheckpointId[]): void {
    assert(
      ids.every((id, index) => index === 0 || id > ids[index - 1]!),
      'complete checkpoints are not in order',
    )
    this.ids = [...ids]
  }

  /** The checkpoint is durable; returns those that may go now, oldest first. */
  add(checkpoint: CheckpointId, owners: SnapshotOwners): readonly CheckpointId[] {
    assert(this.newest === null || checkpoint > this.newest, `checkpoint ${checkpoint} completed after a newer one`)
    this.ids.push(checkpoint)
    this.protect(checkpoint, owners)
    const retired = this.ids.splice(0, Math.max(0, this.ids.length - this.retained))
    for (const id of retired) this.owners.delete(id)
    return retired
  }

  /** Its files are not ours to remove: a savepoint, or a checkpoint of which nobody knows whether it exists. */
  protect(checkpoint: CheckpointId, owners: SnapshotOwners): void {
    this.owners.set(checkpoint, owners)
  }

  /** Whether a snapshot of this task may be part of an existing checkpoint. */
  isInUse(checkpoint: CheckpointId, attempt: Attempt, task: TaskId): boolean {
    const owners = this.owners.get(checkpoint)
    if (owners !== undefined) return owners.attempt === attempt && owners.participants.has(task)
    return this.ids.includes(checkpoint)
  }
}
