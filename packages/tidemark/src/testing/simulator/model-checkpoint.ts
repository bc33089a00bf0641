import type { Attempt, CheckpointId, TaskId } from '../../core/ids.ts'

/** Of a task. */
export type Stage = 'running' | 'data-finished' | 'released' | 'gone'

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

/** One whose trigger was sent to `roots`; `finished`: those that have left before. */
export function triggeredCheckpoint(
  purpose: ModelCheckpoint['purpose'],
  attempt: Attempt,
  participants: ReadonlySet<TaskId>,
  roots: readonly TaskId[],
  finished: readonly TaskId[],
): ModelCheckpoint {
  return {
    purpose,
    attempt,
    participants,
    roots: new Set(roots),
    acknowledged: new Set(),
    finished: new Set(finished),
    fate: 'pending',
    isConfirmed: false,
    isDiscarded: false,
    isRetired: false,
  }
}

/** Whether one of the tasks that a trigger is sent to still waits for the barrier of an older checkpoint from upstream. */
export function overtakesBarrier(
  checkpoints: ReadonlyMap<CheckpointId, ModelCheckpoint>,
  tasks: readonly TaskId[],
): boolean {
  return [...checkpoints.values()].some(({ fate, participants, roots, acknowledged }) => {
    const isWaiting = (task: TaskId) => participants.has(task) && !roots.has(task) && !acknowledged.has(task)
    return fate === 'pending' && tasks.some(isWaiting)
  })
}

/** Those that the user may restore: complete, not owned by somebody, not retired. */
export function retainedOf(checkpoints: ReadonlyMap<CheckpointId, ModelCheckpoint>): readonly CheckpointId[] {
  return [...checkpoints]
    .filter(([, { fate, purpose, isRetired }]) => fate === 'complete' && purpose === 'checkpoint' && !isRetired)
    .map(([id]) => id)
}

/** What the storage may show to the next attempt. */
export function durableOf(
  checkpoints: ReadonlyMap<CheckpointId, ModelCheckpoint>,
): readonly (readonly [CheckpointId, ModelCheckpoint])[] {
  return [...checkpoints].filter(([, { fate, purpose, isRetired }]) => {
    return purpose === 'checkpoint' && !isRetired && (fate === 'complete' || fate === 'unknown')
  })
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
