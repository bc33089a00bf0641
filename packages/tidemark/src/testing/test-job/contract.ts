import type { SourceHandle, StreamHandle } from '../../api/stream.ts'
import type { Duration } from '../../core/duration.ts'
import type { CheckpointMode } from '../../core/options.ts'
import type { JobMetrics, JobStatus } from '../../runtime/job/contract.ts'

/** Where a source stands. */
export interface SourceProbe<in T> {
  /** Gives records to the source, in this order. They are processed when the test awaits the next call of the run. */
  push(...records: readonly T[]): void
  /**
   * The same for what the source could not decode: it goes to the source's dead letters, which `run.sink('<source>.dead-letters')` shows, or is counted as skipped where it
   * has none.
   */
  reject(...records: readonly unknown[]): void
  /** Nothing more will be pushed. A job whose sources have all ended finishes. */
  end(): void
}

/** Where a stream or a sink stands. */
export interface OutputProbe<out T> {
  /**
   * What a reader that honours commits sees: every record once, through any number of crashes. Records appear when a checkpoint that holds them is
   * complete, so after `settle()` or `checkpoint()`. At a parallelism above 1 in the order of tasks within a checkpoint.
   */
  readonly records: readonly T[]
  /** Those records; afterwards `records` begins with what comes next. */
  take(): readonly T[]
}

/** What a test has in the place of a stream that the build function returned. */
export type Probe<S> =
  S extends SourceHandle<infer T> ? SourceProbe<T> : S extends StreamHandle<infer T> ? OutputProbe<T> : never

/** One probe for every stream that the build function returned. */
export type Probes<P> = { readonly [Name in keyof P]: Probe<P[Name]> }

/** Options of `testJob`. */
export interface TestOptions {
  /** What takes the place of resources, by the resource's name. Fakes are neither opened nor closed. */
  readonly use?: Readonly<Record<string, unknown>>
  /** Values of secrets by name; those of the environment are not seen. */
  readonly secrets?: Readonly<Record<string, string>>
  /** Default: 1. */
  readonly parallelism?: number
  /** Default: 'exactly-once'. */
  readonly checkpointMode?: CheckpointMode
}

/**
 * A job that runs in memory. Every method works off what was pushed before, and rejects with the error of the job once it has failed: a tested job is not
 * restarted after a failure.
 */
export interface TestRun<P> extends AsyncDisposable {
  /** The streams that the build function returned. */
  readonly at: Probes<P>
  readonly status: JobStatus
  /** A source by its name, also one that the build function did not return. */
  source(name: string): SourceProbe<unknown>
  /** What was written to a sink, by its name; also to those of dead letters, `orders.dead-letters` for those of source `orders`. */
  sink(name: string): OutputProbe<unknown>
  /** Until nothing is in flight; then takes a checkpoint, so that probes show all of it. */
  settle(): Promise<void>
  /** The same, by the name for what a test means by it: the state from which the next `crash` goes on. */
  checkpoint(): Promise<void>
  /**
   * Works off what was pushed, then kills the process before any of it is in a checkpoint, and starts it again: state is that of the newest checkpoint,
   * records pushed since come again, module-level variables stay.
   */
  crash(): Promise<void>
  /** Ends all sources, until the job has finished. */
  finish(): Promise<void>
  /** Lets time pass on the job's clock, which otherwise stands still. */
  advance(duration: Duration): Promise<void>
  metrics(): JobMetrics
  /** Works off what was pushed and stops. Throws the error of the job unless another method has. */
  [Symbol.asyncDispose](): Promise<void>
}
