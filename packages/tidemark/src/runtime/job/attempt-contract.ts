import type { Attempt, CheckpointId, Epoch, OperatorId, RunId, TaskId } from '../../core/ids.ts'
import type { BuiltJob } from '../../core/job.ts'
import type { ResolvedOptions } from '../../core/options.ts'
import type { CheckpointCoordinator } from '../checkpoint/checkpoint-coordinator.ts'
import type { CheckpointStorage, CompletedCheckpoint } from '../checkpoint/contract.ts'
import type { ExecutionGraph } from '../deploy/execution-graph.ts'
import type { SinkCommitters } from '../sink/sink-committers.ts'
import type { OpenHosts } from '../worker/host-set.ts'
import type { TaskRestore } from '../worker/protocol.ts'
import type { JobEvent } from './contract.ts'
import type { JobEnvironment } from './environment.ts'

export interface AttemptOptions {
  readonly job: BuiltJob
  readonly graph: ExecutionGraph
  readonly options: ResolvedOptions
  readonly environment: JobEnvironment
  readonly run: RunId
  readonly epoch: Epoch
  readonly attempt: Attempt
  readonly topologyHash: string
  readonly coordinator: CheckpointCoordinator
  readonly storage: CheckpointStorage
  /** Opens the links to the hosts of this attempt. */
  readonly openHosts: OpenHosts
  readonly secret: (name: string) => string
  readonly committers: SinkCommitters
  /** Complete checkpoints that exist, by id; kept up to date. */
  readonly completed: Map<CheckpointId, CompletedCheckpoint>
  readonly restores: ReadonlyMap<TaskId, TaskRestore>
  readonly enumeratorStates: ReadonlyMap<OperatorId, unknown>
  readonly emit: (event: JobEvent) => void
}

/** How an attempt ended; always after every task has stopped and every write and commit under way has settled. */
export type AttemptEnd =
  | { readonly kind: 'finished' }
  | { readonly kind: 'stopped' }
  | { readonly kind: 'failed'; readonly error: Error }
