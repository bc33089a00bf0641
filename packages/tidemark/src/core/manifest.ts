import type { CheckpointId, Epoch, OperatorId, RunId } from './ids.ts'
import type { JobPlan } from './plan.ts'
import type { Committable } from './sink.ts'
import type { StateSchema } from './state.ts'

/** Where some bytes of state are: small ones inside the manifest, others in a file of the checkpoint. Verified by CRC-32C when read. */
export type StateHandle =
  | { readonly kind: 'inline'; readonly base64: string; readonly length: number; readonly crc32c: number }
  | {
      readonly kind: 'file'
      readonly file: string
      readonly offset: number
      readonly length: number
      readonly crc32c: number
    }

/** A file of a checkpoint, relative to the job's checkpoint directory. `shared`: used by several checkpoints (incremental). */
export interface CheckpointFile {
  readonly path: string
  readonly length: number
  readonly crc32c: number
  readonly scope: 'exclusive' | 'shared'
}

/** Keyed state of one operator in one task. */
export interface KeyedStateSnapshot {
  /** All blocks, one after the other. */
  readonly handle: StateHandle
  /** Blocks of encoded entries, each of one key group, in any order; a group may have several, and none. Each can be read and verified alone. */
  readonly blocks: readonly KeyedBlock[]
  readonly states: readonly StateSchema[]
}

/** `offset` counts from the start of the snapshot's handle. */
export interface KeyedBlock {
  readonly keyGroup: number
  readonly offset: number
  readonly length: number
  readonly entries: number
  readonly crc32c: number
}

/** Operator state of one operator in one task: encoded items. Splits of sources are the list `@splits`. */
export interface ListStateSnapshot {
  readonly name: string
  readonly mode: 'split' | 'union' | 'broadcast'
  readonly codec: string
  /** One handle for all items, each item length-prefixed. */
  readonly handle: StateHandle
  readonly items: number
}

export interface OperatorSnapshot {
  readonly operator: OperatorId
  readonly keyed: KeyedStateSnapshot | null
  readonly lists: readonly ListStateSnapshot[]
  /** Not yet known to be in a complete checkpoint: also those of earlier checkpoints that were aborted, for an abort rolls nothing back. */
  readonly committables: readonly PreparedCommittable[]
}

/** A transaction that was closed and made durable for checkpoint `checkpoint`. (operator, subtask, checkpoint, index) identifies it. */
export interface PreparedCommittable {
  readonly checkpoint: CheckpointId
  /** Counts the committables of one task for one checkpoint. */
  readonly index: number
  readonly committable: Committable
}

/** What one task contributes to a checkpoint: the payload of its acknowledgement. Plain data. */
export interface TaskSnapshot {
  readonly vertex: string
  readonly subtask: number
  /** All input of this task has ended and `finish` ran: after a restore it does not run again. */
  readonly isFinished: boolean
  /** The task's watermark, restored as the minimum over the tasks; null before the first. */
  readonly watermark: number | null
  readonly operators: readonly OperatorSnapshot[]
  /** Files written for this snapshot. */
  readonly files: readonly CheckpointFile[]
}

/**
 * The file that makes a checkpoint exist: renamed into place last. First line: JSON header with format, version, length and CRC-32C of
 * the rest; then this as JSON.
 */
export interface Manifest {
  readonly format: 'tidemark-checkpoint'
  readonly version: 1
  readonly job: string
  readonly run: RunId
  readonly epoch: Epoch
  readonly checkpoint: CheckpointId
  readonly purpose: 'checkpoint' | 'savepoint'
  readonly triggeredAt: number
  readonly completedAt: number
  readonly topologyHash: string
  readonly plan: JobPlan
  readonly maxParallelism: number
  readonly vertices: readonly ManifestVertex[]
  /** Enumerator state of each source: encoded. */
  readonly enumerators: readonly {
    readonly operator: OperatorId
    readonly codec: string
    readonly handle: StateHandle
  }[]
  /** Committables whose commit is not confirmed yet, of this checkpoint and of earlier ones, in order. */
  readonly committables: readonly PendingCommittable[]
  /** True when every task had finished: restoring it finishes at once. */
  readonly isFinal: boolean
  readonly files: readonly CheckpointFile[]
}

/** All tasks of one chain of operators. */
export interface ManifestVertex {
  readonly vertex: string
  readonly operators: readonly OperatorId[]
  readonly parallelism: number
  /** Index = subtask. A task that had gone before the checkpoint has isFinished and no operators. */
  readonly tasks: readonly TaskSnapshot[]
}

/** A transaction whose commit is not confirmed. */
export interface PendingCommittable extends PreparedCommittable {
  readonly operator: OperatorId
  readonly subtask: number
}
