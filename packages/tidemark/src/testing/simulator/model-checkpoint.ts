import type { Attempt, CheckpointId, TaskId } from '../../core/ids.ts'

export type Fate = 'pending' | 'writing' | 'complete' | 'aborted' | 'unknown'

/** A checkpoint as tasks, storage and users see it. */
export interface ModelCheckpoint {
  readonly purpose: 'checkpoint' | 'savepoint'
  readonly attempt: Attempt
  /** Tasks that take their part in it when its barriers come. */
  readonly participants: ReadonlySet<TaskId>
  /** Those of them that were sent the trigger; the others wait for barriers. */
  readonly roots: ReadonlySet<TaskId>
  readonly acknowledged: Set<TaskId>
  readonly finished: Set<TaskId>
  fate: Fate
  isConfirmed: boolean
  isDiscarded: boolean
  isRetired: boolean
}

/** Those that the user may restore: complete, not owned by somebody, not retired. */
export function retainedOf(checkpoints: ReadonlyMap<CheckpointId, ModelCheckpoint>): readonly CheckpointId[] {
  return [...checkpoints]
    .filter(([, { fate, purpose, isRetired }]) => fate === 'complete' && purpose === 'checkpoint' && !isRetired)
    .map(([id]) => id)
}

/** A checkpoint of this attempt whose commits are confirmed holds the task as finished. */
export function isSafelyFinished(
  checkpoints: ReadonlyMap<CheckpointId, ModelCheckpoint>,
  task: TaskId,
  attempt: Attempt | null,
): boolean {
  return [...checkpoints.values()].some(
    ({ finished, isConfirmed, attempt: own, participants }) =>
      isConfirmed && own === attempt && participants.has(task) && finished.has(task),
  )
}
