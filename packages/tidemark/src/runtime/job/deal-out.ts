import type { TaskId } from '../../core/ids.ts'
import type { Manifest } from '../../core/manifest.ts'
import type { ResolvedOptions } from '../../core/options.ts'
import { type ExecutionGraph, tasksOf } from '../deploy/execution-graph.ts'
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
  return withoutEarlyEnds(graph, redistribute(manifest, vertices, options.maxParallelism))
}

/**
 * Where barriers do not block, a task may have seen the end of an input before the barrier of another: it had finished at its snapshot, but a task before it
 * had not, and will send the records after its own barrier again. Such a task runs again, from its state.
 */
function withoutEarlyEnds(
  graph: ExecutionGraph,
  restores: ReadonlyMap<TaskId, TaskRestore>,
): ReadonlyMap<TaskId, TaskRestore> {
  const corrected = new Map<TaskId, TaskRestore>()
  for (const { task, upstream } of tasksOf(graph)) {
    const restore = restores.get(task)
    if (restore === undefined) continue
    const isFinished = restore.isFinished && upstream.every((before) => corrected.get(before)?.isFinished === true)
    corrected.set(task, restore.isFinished === isFinished ? restore : { ...restore, isFinished })
  }
  return corrected
}
