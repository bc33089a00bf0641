import { assert, TidemarkError } from '../../core/errors.ts'
import { type OperatorId, type TaskId, taskId } from '../../core/ids.ts'
import { type KeyGroupRange, keyGroupRange } from '../../core/key-group.ts'
import type {
  KeyedStateSnapshot,
  ListStateSnapshot,
  Manifest,
  OperatorSnapshot,
  TaskSnapshot,
} from '../../core/manifest.ts'
import type { OperatorRestore, TaskRestore } from '../worker/protocol.ts'

/** A chain of operators of the job that is to run, as far as restoring cares. */
export interface VertexToRestore {
  readonly vertex: string
  readonly operators: readonly OperatorId[]
  readonly parallelism: number
}

/**
 * Deals out a checkpoint to the tasks of the job that is to run, at whatever parallelism and chaining: state is found by operator. Pure.
 *
 * Every key group goes to the task whose range holds it. Items of split lists stay with their task at equal parallelism, else all items in the order
 * of the old tasks are cut into even runs; union lists go whole to everybody; of a broadcast state everybody gets one copy. A task is finished
 * if its subtask was (equal parallelism) or if all were. Its watermark is its own of then, or the minimum over all where the parallelism changed.
 *
 * `STATE_INCOMPATIBLE`: another max parallelism, or something of an operator that the job no longer has.
 */
export function redistribute(
  manifest: Manifest,
  vertices: readonly VertexToRestore[],
  maxParallelism: number,
): ReadonlyMap<TaskId, TaskRestore> {
  refuseOtherMaxParallelism(manifest, maxParallelism)
  refuseMissingOperators(manifest, new Set(vertices.flatMap(({ operators }) => operators)))
  const tasksOf = oldTasks(manifest)
  const restores = new Map<TaskId, TaskRestore>()
  for (const { vertex, operators, parallelism } of vertices) {
    for (let subtask = 0; subtask < parallelism; subtask++) {
      const olds = operators.map((operator) => tasksOf.get(operator) ?? [])
      const range = keyGroupRange(maxParallelism, parallelism, subtask)
      restores.set(taskId(vertex, subtask), {
        checkpoint: manifest.checkpoint,
        isFinished: isFinished(olds, parallelism, subtask),
        watermark: watermark(olds, parallelism, subtask),
        operators: operators.map((operator, index) => restoreOf(operator, olds[index]!, parallelism, subtask, range)),
      })
    }
  }
  return restores
}

function refuseOtherMaxParallelism(manifest: Manifest, maxParallelism: number): void {
  if (manifest.maxParallelism === maxParallelism) return
  throw new TidemarkError(
    'STATE_INCOMPATIBLE',
    `checkpoint ${manifest.checkpoint} was taken with max parallelism ${manifest.maxParallelism}, the job has ${maxParallelism}`,
    {
      action: `Set maxParallelism to ${manifest.maxParallelism}: it is fixed for the life of a job. Or start afresh with --fresh.`,
      context: { job: manifest.job, checkpoint: manifest.checkpoint },
    },
  )
}

function refuseMissingOperators(manifest: Manifest, present: ReadonlySet<OperatorId>): void {
  const missing = new Set<OperatorId>()
  const demand = (operator: OperatorId) => {
    if (!present.has(operator)) missing.add(operator)
  }
  for (const { tasks } of manifest.vertices) {
    for (const { operators } of tasks)
      for (const operator of operators) if (hasState(operator)) demand(operator.operator)
  }
  for (const { operator } of manifest.enumerators) demand(operator)
  for (const { operator } of manifest.committables) demand(operator)
  if (missing.size === 0) return
  const names = [...missing].map((name) => `'${name}'`).join(', ')
  throw new TidemarkError(
    'STATE_INCOMPATIBLE',
    `checkpoint ${manifest.checkpoint} holds state of ${names}, which the job no longer has`,
    {
      action: 'Give the operator its old name again, or start afresh with --fresh.',
      context: { job: manifest.job, operator: [...missing][0], checkpoint: manifest.checkpoint },
    },
  )
}

function hasState({ keyed, lists, committables }: OperatorSnapshot): boolean {
  return (keyed?.blocks.length ?? 0) > 0 || lists.some(({ items }) => items > 0) || committables.length > 0
}

/** The tasks of the vertex that an operator was in, by subtask. */
function oldTasks(manifest: Manifest): ReadonlyMap<OperatorId, readonly TaskSnapshot[]> {
  const tasksOf = new Map<OperatorId, readonly TaskSnapshot[]>()
  for (const { vertex, operators, tasks, parallelism } of manifest.vertices) {
    assert(tasks.length === parallelism, `checkpoint ${manifest.checkpoint} lacks tasks of ${vertex}`)
    for (const operator of operators) tasksOf.set(operator, tasks)
  }
  return tasksOf
}

/** The old tasks that become this one: its own, or all where the parallelism changed. */
function predecessors(tasks: readonly TaskSnapshot[], parallelism: number, subtask: number): readonly TaskSnapshot[] {
  return tasks.length === parallelism ? [tasks[subtask]!] : tasks
}

function isFinished(olds: readonly (readonly TaskSnapshot[])[], parallelism: number, subtask: number): boolean {
  const known = olds.filter((tasks) => tasks.length > 0)
  return (
    known.length > 0 &&
    known.every((tasks) => predecessors(tasks, parallelism, subtask).every((task) => task.isFinished))
  )
}

function watermark(olds: readonly (readonly TaskSnapshot[])[], parallelism: number, subtask: number): number | null {
  let lowest: number | null = Number.POSITIVE_INFINITY
  let isKnown = false
  for (const task of olds.flatMap((tasks) => predecessors(tasks, parallelism, subtask))) {
    isKnown = true
    // A finished task saw the end of time, also if it had gone before it could say so.
    const own = task.watermark ?? (task.isFinished ? Number.POSITIVE_INFINITY : null)
    lowest = lowest === null || own === null ? null : Math.min(lowest, own)
  }
  return isKnown ? lowest : null
}

function restoreOf(
  operator: OperatorId,
  tasks: readonly TaskSnapshot[],
  parallelism: number,
  subtask: number,
  range: KeyGroupRange,
): OperatorRestore {
  const snapshots = tasks.map((task) => task.operators.find((snapshot) => snapshot.operator === operator) ?? null)
  const keyed = snapshots
    .map((snapshot) => snapshot?.keyed ?? null)
    .filter((own) => own !== null && intersects(own, range))
  const names = new Set(snapshots.flatMap((snapshot) => (snapshot?.lists ?? []).map(({ name }) => name)))
  const lists = [...names].flatMap((name) => {
    const parts = snapshots.map((snapshot) => snapshot?.lists.find((list) => list.name === name) ?? null)
    return dealList(parts, parallelism, subtask)
  })
  return { operator, keyed: keyed as readonly KeyedStateSnapshot[], lists }
}

function intersects({ blocks }: KeyedStateSnapshot, { start, end }: KeyGroupRange): boolean {
  return blocks.some(({ keyGroup }) => keyGroup >= start && keyGroup < end)
}

type ListPart = OperatorRestore['lists'][number]

/** `parts`: what each old task wrote, null for those that had gone. */
function dealList(
  parts: readonly (ListStateSnapshot | null)[],
  parallelism: number,
  subtask: number,
): readonly ListPart[] {
  const present = parts.filter((part) => part !== null)
  const { mode } = present[0]!
  if (mode === 'union') return present.filter(({ items }) => items > 0).map(whole)
  if (mode === 'broadcast') return [whole(present[subtask % present.length]!)]
  if (parts.length !== parallelism) return dealItems(present, parallelism, subtask)
  const own = parts[subtask] ?? null
  return own === null || own.items === 0 ? [] : [whole(own)]
}

function whole(snapshot: ListStateSnapshot): ListPart {
  return { snapshot, first: 0, count: snapshot.items }
}

/** Run number `subtask` when all items, in order, are cut into `parallelism` runs whose lengths differ by one at most. */
function dealItems(parts: readonly ListStateSnapshot[], parallelism: number, subtask: number): readonly ListPart[] {
  const total = parts.reduce((sum, { items }) => sum + items, 0)
  const from = Math.floor((total * subtask) / parallelism)
  const to = Math.floor((total * (subtask + 1)) / parallelism)
  const dealt: ListPart[] = []
  let start = 0
  for (const snapshot of parts) {
    const first = Math.max(from - start, 0)
    const end = Math.min(to - start, snapshot.items)
    if (first < end) dealt.push({ snapshot, first, count: end - first })
    start += snapshot.items
  }
  return dealt
}
