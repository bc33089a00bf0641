import type { JobDefinition } from '../../core/job.ts'
import type { JobHandle, JobResult } from './contract.ts'

/** What `run` returns in a worker thread, where the job runs already: nothing happens, nothing settles. */
export function hostedHandle(job: JobDefinition): JobHandle {
  const never = new Promise<never>(() => {})
  const ask = (): Promise<JobResult> => never
  return {
    job: job.name,
    status: 'created',
    result: never,
    triggerCheckpoint: () => never,
    stop: ask,
    cancel: ask,
    on: () => () => {},
    metrics: () => ({
      status: 'created',
      elapsedMs: 0,
      sourceRecords: 0,
      checkpointsCompleted: 0,
      checkpointsFailed: 0,
      lastCheckpoint: null,
      medianCheckpointMs: null,
      restarts: 0,
      backPressure: 0,
      operators: [],
    }),
  }
}
