import type { CheckpointCleanup } from '../../core/options.ts'
import type { CheckpointPurpose } from './coordinator-contract.ts'

/** How a job ended. `suspended`: the next start goes on. */
export type JobEnd = 'finished' | 'canceled' | 'suspended' | 'failed'

/**
 * What becomes of the complete checkpoints when the job ends. Unlike Flink, a job that was suspended or failed always keeps them: the next
 * start goes on from there, and a default that throws them away would lose state.
 */
export function retentionAtEnd(end: JobEnd, cleanup: CheckpointCleanup, purpose: CheckpointPurpose): 'keep' | 'delete' {
  if (purpose === 'savepoint' || end === 'suspended' || end === 'failed') return 'keep'
  return end === 'canceled' && cleanup === 'retain-on-cancellation' ? 'keep' : 'delete'
}
