import type { CheckpointId } from '../../core/ids.ts'
import type { CheckpointFailureReason, CheckpointPurpose } from './coordinator-contract.ts'

/** `checkpoints-only`: what went wrong in the coordinator; restarting the tasks would not help a savepoint. */
const COUNTED: Readonly<Record<CheckpointFailureReason, 'always' | 'checkpoints-only' | 'never'>> = {
  'snapshot-failed': 'always',
  expired: 'checkpoints-only',
  'manifest-failed': 'checkpoints-only',
  subsumed: 'never',
  'cancellation-barrier': 'never',
  'input-end-of-stream': 'never',
  'alignment-limit': 'never',
  'not-running': 'never',
  'trigger-failed': 'never',
  'attempt-stopped': 'never',
}

/** Counts failures in a row, as Flink's CheckpointFailureManager does. Lives longer than an attempt. */
export class FailureCounter {
  private readonly tolerable: number
  private readonly counted = new Set<CheckpointId>()
  private lastSuccess = 0

  constructor(tolerable: number) {
    this.tolerable = tolerable
  }

  /** True when more failures in a row have been counted than are tolerable; the count then starts again. */
  onFailure(checkpoint: CheckpointId, purpose: CheckpointPurpose, reason: CheckpointFailureReason): boolean {
    const rule = COUNTED[reason]
    if (rule === 'never' || (rule === 'checkpoints-only' && purpose === 'savepoint')) return false
    if (checkpoint <= this.lastSuccess) return false
    this.counted.add(checkpoint)
    if (this.counted.size <= this.tolerable) return false
    this.counted.clear()
    return true
  }

  onSuccess(checkpoint: CheckpointId): void {
    if (checkpoint <= this.lastSuccess) return
    this.lastSuccess = checkpoint
    this.counted.clear()
  }
}
