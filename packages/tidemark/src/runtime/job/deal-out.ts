import type { TaskId } from '../../core/ids.ts'
import type { Manifest } from '../../core/manifest.ts'
import type { ResolvedOptions } from '../../core/options.ts'
import type { ExecutionGraph } from '../deploy/execution-graph.ts'
import { redistribute } from '../state/redistribute.ts'
import type { TaskRestore } from '../worker/protocol.ts'

/** What every task of the graph starts from, out of a checkpoint. `STATE_INCOMPATIBLE` when something in it has no place. */
export function dealOut(
  manifest: Manifest,
  graph: ExecutionGraph,
  options: ResolvedOptions,
): ReadonlyMap<TaskId, TaskRestore> {
  const vertices = graph.vertices.map(({ id, operators, parallelism }) => ({
    vertex: id,
    operators: operators.map(({ operator }) => operator.id),
    parallelism,
  }))
  return redistribute(manifest, vertices, options.maxParallelism)
}
