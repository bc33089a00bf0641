import type { Clock } from '../../core/clock.ts'
import { ALIGNED_CHECKPOINT, type CheckpointBarrier } from '../../core/element.ts'
import type { Attempt, CheckpointId, TaskId } from '../../core/ids.ts'
import type { Split } from '../../core/source.ts'
import type { TaskCheckpointStorage } from '../checkpoint/contract.ts'
import type { FromTaskHost } from '../worker/protocol.ts'

/**
 * `waiting` for the start message · `running` · `finishing`: the input has ended, operators emit their last · `data-finished`: serves barriers until released ·
 * `ending`: last events leave · `closing` → `closed`.
 */
export type TaskPhase = 'waiting' | 'running' | 'finishing' | 'data-finished' | 'ending' | 'closing' | 'closed'

/** Messages that a task handles between two records, in order. */
export type TaskMessage =
  | { readonly kind: 'trigger'; readonly barrier: CheckpointBarrier }
  | { readonly kind: 'complete' | 'committed' | 'aborted'; readonly checkpoint: CheckpointId }
  | { readonly kind: 'assign-splits'; readonly splits: readonly Split[] }
  | { readonly kind: 'no-more-splits' }
  | { readonly kind: 'release' }

export interface TaskEnvironment {
  readonly task: TaskId
  readonly vertex: string
  readonly subtask: number
  readonly attempt: Attempt
  readonly clock: Clock
  readonly storage: TaskCheckpointStorage
  readonly batchSize: number
  /** Tells the job master. */
  readonly send: (message: FromTaskHost) => void
  /** Asks for another call of `step`. */
  readonly wake: () => void
}

/** The barrier that a trigger message asks for. */
export function barrierOf(message: {
  checkpoint: CheckpointId
  timestamp: number
  options?: CheckpointBarrier['options']
}): CheckpointBarrier {
  return {
    kind: 'barrier',
    checkpoint: message.checkpoint,
    timestamp: message.timestamp,
    options: message.options ?? ALIGNED_CHECKPOINT,
  }
}
