import type { ErrorInfo } from '../../core/errors.ts'
import type { ExecutionOptions } from '../../core/options.ts'

/** Options of `run`: execution options and how to start. */
export interface RunOptions extends ExecutionOptions {
  /** Raw parameters, checked by the job's schema. */
  params?: unknown
  /** A checkpoint to start from instead of the newest one of this job: its directory or manifest. */
  from?: string
  /** Start without state although a checkpoint exists. Never deletes output. */
  fresh?: boolean
  /** Start from an older checkpoint although newer ones may have committed output: results since then come twice. */
  allowDuplicates?: boolean
  /**
   * `import.meta.url` of the module that exports the job: with it tasks run in worker threads, by default one per core that has a task where `parallelism` is above 1.
   */
  module?: string | URL
  /** Where secrets come from; the process's environment by default. */
  secrets?: Readonly<Record<string, string>> | ((name: string) => string | undefined)
}

/**
 * `created` → `running` ⇄ `restarting` → one of the four ends. `suspended`: stopped so that the next start goes on.
 */
export type JobStatus =
  | 'created'
  | 'running'
  | 'restarting'
  | 'stopping'
  | 'finished'
  | 'canceled'
  | 'suspended'
  | 'failed'

export interface CheckpointSummary {
  readonly checkpoint: number
  /** Path that `from` takes. */
  readonly path: string
  readonly durationMs: number
  readonly bytes: number
}

/** Where a run started from. */
export type StartPoint =
  | { readonly kind: 'fresh' }
  | { readonly kind: 'restored'; readonly checkpoint: number; readonly path: string }

export type JobEvent =
  | {
      readonly kind: 'started'
      readonly run: string
      readonly epoch: number
      readonly attempt: number
      readonly from: StartPoint
    }
  | { readonly kind: 'status'; readonly status: JobStatus }
  | { readonly kind: 'checkpoint-triggered'; readonly checkpoint: number }
  | ({ readonly kind: 'checkpoint-completed' } & CheckpointSummary)
  /** Every commit that belongs to this checkpoint is confirmed. */
  | { readonly kind: 'checkpoint-committed'; readonly checkpoint: number }
  | {
      readonly kind: 'checkpoint-failed'
      readonly checkpoint: number
      readonly reason: string
      readonly error: ErrorInfo | null
    }
  | {
      readonly kind: 'attempt-failed'
      readonly attempt: number
      readonly error: ErrorInfo
      readonly restartInMs: number | null
    }
  | { readonly kind: 'warning'; readonly message: string }

export interface OperatorMetrics {
  readonly operator: string
  readonly recordsIn: number
  readonly recordsOut: number
  /** Records left out by policy: their processing threw, or a source could not decode them. */
  readonly skipped: number
  /** Records that went to dead letters instead. */
  readonly deadLetters: number
}

/** A moment's view of a job. */
export interface JobMetrics {
  readonly status: JobStatus
  readonly elapsedMs: number
  /** Records that sources emitted or rejected, in this process, over all attempts. */
  readonly sourceRecords: number
  readonly checkpointsCompleted: number
  /** Without those that only the end of their attempt cut short. */
  readonly checkpointsFailed: number
  readonly lastCheckpoint: CheckpointSummary | null
  readonly medianCheckpointMs: number | null
  readonly restarts: number
  /** Share of task time in which outputs were full since the last call of `metrics()`, 0 … 1: the highest over all tasks. */
  readonly backPressure: number
  readonly operators: readonly OperatorMetrics[]
}

export interface JobResult {
  readonly status: 'finished' | 'canceled' | 'suspended'
  readonly run: string
  readonly metrics: JobMetrics
  /** The newest checkpoint that was kept, if any. */
  readonly checkpoint: CheckpointSummary | null
}

/** A job that was started. */
export interface JobHandle {
  readonly job: string
  readonly status: JobStatus
  /** Settles when the job has ended and let go of everything; rejects with the TidemarkError when it failed. */
  readonly result: Promise<JobResult>
  /** Takes a checkpoint now; resolves when it is complete. Rejects with `CHECKPOINT_FAILED`. */
  triggerCheckpoint(): Promise<CheckpointSummary>
  /**
   * Suspends: a last checkpoint where possible, then stop. The next start goes on from there. A last checkpoint that hangs is given up (after three times the duration of the one before it, at
   * least 5 s) with a warning; then the next start goes on from the newest complete one.
   */
  stop(): Promise<JobResult>
  /** Commits what the newest checkpoint holds, stops, then keeps or deletes checkpoints as `externalizedCheckpointCleanup` says. */
  cancel(): Promise<JobResult>
  /** Calls the listener for every event from now on (and for `started` if that has been); returns how to stop that. Listeners must not throw. */
  on(listener: (event: JobEvent) => void): () => void
  metrics(): JobMetrics
}
