import type { JobDefinition } from '../../core/job.ts'
import type { CheckpointMode } from '../../core/options.ts'
import type { RunOptions } from '../../runtime/job/contract.ts'
import type { FaultKind } from './chaos.ts'
import type { SimulatedWorld } from './simulated-world.ts'
import type { Violation } from './violation.ts'

/** A job with the world around it, made anew for every seed. */
export interface Scenario {
  readonly definition: JobDefinition
  /** What this job needs other than the seed's choice. */
  readonly options?: Partial<RunOptions>
  /** After every crash and at the end, while no process lives: what is visible outside must be right at any time. */
  readonly checkAtRest?: () => void
  /** After the job has finished. `isTidy`: its process ended by itself, so that nothing temporary may be left. */
  readonly checkAtEnd: (isTidy: boolean) => void
  /** Whether the job may be started again with another parallelism. Default: yes. */
  readonly isRescalable?: boolean
}

export interface SimulatedJob {
  readonly name: string
  /** Modes to try. Default: both. */
  readonly modes?: readonly CheckpointMode[]
  create(world: SimulatedWorld): Scenario
}

/** What happened in one seed. */
export interface SeedReport {
  readonly seed: number
  readonly job: string
  /** Grows out of every choice of the run: equal for equal runs. */
  readonly hash: number
  readonly steps: number
  readonly processes: number
  readonly attempts: number
  readonly restores: number
  readonly checkpoints: number
  readonly failedCheckpoints: number
  readonly faults: ReadonlyMap<FaultKind, number>
  readonly violation: Violation | null
}

export interface SeedOptions {
  readonly seed: number
  /** Called with a line for everything that happens. */
  readonly log?: (line: string) => void
  /** Nothing fails: what every other run has to be equal to. */
  readonly isCalm?: boolean
  /** Into how many task hosts the tasks are placed; the seed decides where nothing is said. */
  readonly localHosts?: number
}
