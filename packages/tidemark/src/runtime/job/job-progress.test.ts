import { expect, it } from 'vitest'
import { ManualClock } from '../../testing/test-job/manual-clock.ts'
import { JobProgress } from './job-progress.ts'

it('counts a checkpoint as failed where it failed, not where its attempt had ended before', () => {
  const progress = new JobProgress(new ManualClock())
  progress.emit({ kind: 'checkpoint-failed', checkpoint: 1, reason: 'expired', error: null })
  progress.emit({ kind: 'checkpoint-failed', checkpoint: 2, reason: 'attempt-stopped', error: null })
  expect(progress.metrics().checkpointsFailed).toBe(1)
})
