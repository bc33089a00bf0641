import type { FileOperation } from './watched-files.ts'

/** When the process under test kills itself with SIGKILL: at the moment's given occurrence after its first checkpoint. */
export interface KillOrder {
  readonly name: string
  readonly at: KillMoment
  readonly occurrence: number
  /** Only while the checkpoint under way has output to commit. */
  readonly needsOutput: boolean
}

export type KillMoment =
  /** An operation on a file whose path matches. `any` stands for every one. */
  | {
      readonly kind: 'file'
      readonly operation: FileOperation | 'any'
      readonly path: string
      readonly when: 'before' | 'after'
    }
  /** Inside the synchronous part of a snapshot: a source has handed out its positions; a sink is about to close its transaction, or has. */
  | { readonly kind: 'snapshot'; readonly part: 'source' | 'sink-before' | 'sink-after' }
  /** A sink has been given records. */
  | { readonly kind: 'write' }
  /** The manifest is durable, nothing is committed yet. */
  | { readonly kind: 'completed' }

/** What the process is told, as JSON in its environment. */
export interface ProcessOrder {
  readonly parallelism: number
  /** 0: all tasks run in the main thread. */
  readonly workers: number
  readonly checkpointMode: 'exactly-once' | 'at-least-once'
  readonly checkpointDir: string
  /** Kill, or null: run to the end. */
  readonly kill: KillOrder | null
  /** Kill before the job has started, at this operation: for what happens during recovery. */
  readonly isDuringRecovery: boolean
}

export const ORDER_VARIABLE = 'WORD_COUNT_ORDER'
