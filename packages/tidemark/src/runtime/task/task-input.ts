import type { CheckpointId } from '../../core/ids.ts'
import type { ListSnapshot } from '../state/contract.ts'

/** What came of asking an input for work. `ended`: nothing but barriers will come any more. */
export type InputProgress =
  | { readonly kind: 'worked' | 'nothing-now' }
  | { readonly kind: 'watermark'; readonly timestamp: number }
  | { readonly kind: 'status'; readonly idle: boolean }
  | { readonly kind: 'ended'; readonly drain: boolean }

export const WORKED: InputProgress = { kind: 'worked' }
export const NOTHING_NOW: InputProgress = { kind: 'nothing-now' }

/** Where a task's records come from: its channels, or a source reader. Called only while the chain is at rest and not blocked. */
export interface TaskInput {
  /** Feeds the chain with at most `max` records, or reports one event. */
  advance(max: number): InputProgress
  /** The coordinator aborted a checkpoint. */
  abort(checkpoint: CheckpointId): void
  /** What has to go into the snapshot beside the operators' own state. */
  snapshot(checkpoint: CheckpointId): ListSnapshot | null
  notifyComplete(checkpoint: CheckpointId): void
  /** After the end of data: nothing of what may still come is needed. */
  readonly isExhausted: boolean
  close(): void | Promise<void>
}
