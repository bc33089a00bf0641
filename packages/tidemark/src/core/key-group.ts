import { assert } from './errors.ts'
import { type KeyGroup, keyGroup } from './ids.ts'
import type { Key } from './key.ts'
import { keyHash } from './key-bytes.ts'

/** What `subtaskOfKeyGroup` and `keyGroupOf` say of a key with this `signedKeyHash`, in one step. For one edge: made once, called for each record. */
export function subtaskOfHash(maxParallelism: number, parallelism: number): (hash: number) => number {
  const subtasks = Uint16Array.from({ length: maxParallelism }, (_, group) =>
    subtaskOfKeyGroup(maxParallelism, parallelism, group),
  )
  const mask = maxParallelism - 1
  // A division costs as much as all the rest.
  if ((maxParallelism & mask) === 0) return (hash) => subtasks[hash & mask]!
  return (hash) => subtasks[(hash >>> 0) % maxParallelism]!
}

/** Key groups `start` … `end − 1`; empty when they are equal. */
export interface KeyGroupRange {
  readonly start: number
  readonly end: number
}

/** The group a key belongs to for the whole life of its job: its pinned hash modulo max parallelism. `INVALID_KEY`. */
export function keyGroupOf(key: Key, maxParallelism: number): KeyGroup {
  return keyGroup(keyHash(key) % maxParallelism)
}

/** The groups of one task: Flink's KeyGroupRangeAssignment. The ranges of all tasks partition 0 … maxParallelism − 1. */
export function keyGroupRange(maxParallelism: number, parallelism: number, subtask: number): KeyGroupRange {
  assert(subtask >= 0 && subtask < parallelism && parallelism <= maxParallelism, 'a subtask has a key-group range')
  const start = Math.floor((subtask * maxParallelism + parallelism - 1) / parallelism)
  const last = Math.floor(((subtask + 1) * maxParallelism - 1) / parallelism)
  return { start, end: last + 1 }
}

/** The task whose range holds the group: Flink's computeOperatorIndexForKeyGroup. */
export function subtaskOfKeyGroup(maxParallelism: number, parallelism: number, group: number): number {
  return Math.floor((group * parallelism) / maxParallelism)
}
