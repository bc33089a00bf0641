import { type Epoch, type RunId, taskId } from '../../core/ids.ts'
import type { BuiltJob } from '../../core/job.ts'
import type { Manifest, PendingCommittable, TaskSnapshot } from '../../core/manifest.ts'
import type { ExecutionGraph } from '../deploy/execution-graph.ts'
import type { CoordinatorAction } from './coordinator-contract.ts'

export interface ManifestFacts {
  readonly job: BuiltJob
  readonly graph: ExecutionGraph
  readonly run: RunId
  readonly epoch: Epoch
  readonly topologyHash: string
  readonly maxParallelism: number
  readonly completedAt: number
  /** As they were when the checkpoint was triggered. */
  readonly enumerators: Manifest['enumerators']
  /** What is to be committed once a manifest with these snapshots is durable. */
  readonly pendingWith: (snapshots: readonly TaskSnapshot[]) => readonly PendingCommittable[]
}

/** The manifest of a checkpoint that every task has acknowledged. Pure. */
export function makeManifest(
  facts: ManifestFacts,
  action: Extract<CoordinatorAction, { kind: 'write-manifest' }>,
): Manifest {
  const { job, graph, run, epoch, topologyHash, maxParallelism, completedAt, enumerators } = facts
  const { checkpoint, purpose, triggeredAt, snapshots, isFinal } = action
  const vertices = graph.vertices.map(({ id, operators, parallelism }) => ({
    vertex: id,
    operators: operators.map(({ operator }) => operator.id),
    parallelism,
    tasks: Array.from({ length: parallelism }, (_, subtask) => snapshots.get(taskId(id, subtask))!),
  }))
  const taskSnapshots = vertices.flatMap(({ tasks }) => tasks)
  return {
    format: 'tidemark-checkpoint',
    version: 1,
    job: job.plan.job,
    run,
    epoch,
    checkpoint,
    purpose,
    triggeredAt,
    completedAt,
    topologyHash,
    plan: job.plan,
    maxParallelism,
    vertices,
    enumerators,
    committables: facts.pendingWith(taskSnapshots),
    isFinal,
    files: taskSnapshots.flatMap(({ files }) => files),
  }
}
