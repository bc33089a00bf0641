import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checkpointId, epoch, operatorId, runId, taskId } from '../../core/ids.ts'
import { keyGroupRange, subtaskOfKeyGroup } from '../../core/key-group.ts'
import type {
  KeyedStateSnapshot,
  ListStateSnapshot,
  Manifest,
  OperatorSnapshot,
  TaskSnapshot,
} from '../../core/manifest.ts'
import { redistribute } from './redistribute.ts'

const HANDLE = { kind: 'inline', base64: '', length: 0, crc32c: 0 } as const
const MAX_PARALLELISM = 12

const keyed = (groups: readonly number[]): KeyedStateSnapshot => ({
  handle: HANDLE,
  states: [],
  blocks: groups.map((keyGroup) => ({ keyGroup, offset: keyGroup, length: 1, entries: 1, crc32c: 0 })),
})
const list = (name: string, mode: ListStateSnapshot['mode'], items: number): ListStateSnapshot => ({
  name,
  mode,
  items,
  codec: 'value/1',
  handle: HANDLE,
})
const snapshotOf = (name: string, parts: Partial<OperatorSnapshot>): OperatorSnapshot => ({
  operator: operatorId(name),
  keyed: null,
  lists: [],
  committables: [],
  ...parts,
})
const taskOf = (vertex: string, subtask: number, parts: Partial<TaskSnapshot> = {}): TaskSnapshot => ({
  vertex,
  subtask,
  isFinished: false,
  watermark: null,
  operators: [],
  files: [],
  ...parts,
})

interface OldVertex {
  readonly operators: readonly string[]
  readonly tasks: readonly TaskSnapshot[]
}

const manifestOf = (vertices: readonly OldVertex[], parts: Partial<Manifest> = {}): Manifest => ({
  format: 'tidemark-checkpoint',
  version: 1,
  job: 'job',
  run: runId('run'),
  epoch: epoch(1),
  checkpoint: checkpointId(7),
  purpose: 'checkpoint',
  triggeredAt: 0,
  completedAt: 0,
  topologyHash: '',
  plan: { version: 1, job: 'job', operators: [], edges: [] },
  maxParallelism: MAX_PARALLELISM,
  vertices: vertices.map(({ operators, tasks }) => ({
    vertex: operators[0]!,
    operators: operators.map(operatorId),
    parallelism: tasks.length,
    tasks,
  })),
  enumerators: [],
  committables: [],
  isFinal: false,
  files: [],
  ...parts,
})

const vertex = (name: string, parallelism: number, operators: readonly string[] = [name]) => ({
  vertex: name,
  parallelism,
  operators: operators.map(operatorId),
})

const restoreOf = (manifest: Manifest, parallelism: number, name = 'op') => {
  const restores = redistribute(manifest, [vertex(name, parallelism)], MAX_PARALLELISM)
  return Array.from({ length: parallelism }, (_, subtask) => restores.get(taskId(name, subtask))!)
}

/** One vertex with keyed state in the right groups and lists of the given lengths. */
const anyManifest = fc
  .array(fc.record({ split: fc.nat(9), union: fc.nat(3) }), { minLength: 1, maxLength: MAX_PARALLELISM })
  .map((tasks) =>
    manifestOf([
      {
        operators: ['op'],
        tasks: tasks.map(({ split, union }, subtask) => {
          const { start, end } = keyGroupRange(MAX_PARALLELISM, tasks.length, subtask)
          const groups = Array.from({ length: end - start }, (_, index) => start + index)
          const lists = [
            list('split', 'split', split),
            list('union', 'union', union),
            list('broadcast', 'broadcast', 2),
          ]
          return taskOf('op', subtask, {
            watermark: subtask + 10,
            operators: [snapshotOf('op', { keyed: keyed(groups), lists })],
          })
        }),
      },
    ]),
  )

const partsNamed = (restore: ReturnType<typeof restoreOf>[number], name: string) =>
  restore.operators[0]!.lists.filter(({ snapshot }) => snapshot.name === name)

const watermarks = (parallelism: number, ...olds: readonly [number | null, boolean?][]) => {
  const tasks = olds.map(([watermark, isFinished = false], subtask) => taskOf('op', subtask, { watermark, isFinished }))
  return restoreOf(manifestOf([{ operators: ['op'], tasks }]), parallelism).map(({ watermark }) => watermark)
}

const finished = (parallelism: number, ...olds: readonly boolean[]) => {
  const tasks = olds.map((isFinished, subtask) => taskOf('op', subtask, { isFinished }))
  return restoreOf(manifestOf([{ operators: ['op'], tasks }]), parallelism).map(({ isFinished }) => isFinished)
}

describe('redistributing a checkpoint', () => {
  it('brings every key group and every split item to exactly one task, union items to all, and one broadcast copy to each', () => {
    fc.assert(
      fc.property(anyManifest, fc.integer({ min: 1, max: MAX_PARALLELISM }), (manifest, parallelism) => {
        const restores = restoreOf(manifest, parallelism)
        const olds = manifest.vertices[0]!.tasks.map(({ operators }) => operators[0]!)
        const landed: string[] = []
        for (const [subtask, restore] of restores.entries()) {
          const own = restore.operators[0]!
          expect(restore.checkpoint).toBe(7)
          const { start, end } = keyGroupRange(MAX_PARALLELISM, parallelism, subtask)
          for (const snapshot of own.keyed) {
            const wanted = snapshot.blocks.filter(({ keyGroup }) => keyGroup >= start && keyGroup < end)
            expect(wanted.length).toBeGreaterThan(0)
            for (const { keyGroup } of wanted) {
              expect(subtaskOfKeyGroup(MAX_PARALLELISM, parallelism, keyGroup)).toBe(subtask)
              landed.push(`group ${keyGroup}`)
            }
          }
          for (const { snapshot, first, count } of partsNamed(restore, 'split')) {
            const task = olds.findIndex(({ lists }) => lists.includes(snapshot))
            for (let item = first; item < first + count; item++) landed.push(`item ${item} of ${task}`)
          }
          expect(partsNamed(restore, 'union').map(({ snapshot, first, count }) => [snapshot, first, count])).toEqual(
            olds.map(({ lists }) => [lists[1], 0, lists[1]!.items]).filter(([, , items]) => items !== 0),
          )
          expect(partsNamed(restore, 'broadcast')).toMatchObject([{ first: 0, count: 2 }])
        }
        const groups = Array.from({ length: MAX_PARALLELISM }, (_, group) => `group ${group}`)
        const items = olds.flatMap(({ lists }, task) =>
          Array.from({ length: lists[0]!.items }, (_, item) => `item ${item} of ${task}`),
        )
        expect(landed.toSorted()).toEqual([...groups, ...items].toSorted())
      }),
    )
  })

  it('deals split items out evenly where the parallelism changes, and leaves them where it does not', () => {
    fc.assert(
      fc.property(anyManifest, fc.integer({ min: 1, max: MAX_PARALLELISM }), (manifest, parallelism) => {
        const counts = restoreOf(manifest, parallelism).map((restore) =>
          partsNamed(restore, 'split').reduce((sum, { count }) => sum + count, 0),
        )
        const old = manifest.vertices[0]!.tasks.map(({ operators }) => operators[0]!.lists[0]!.items)
        if (old.length === parallelism) expect(counts).toEqual(old)
        else expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1)
      }),
    )
  })

  it('restores watermarks as they were, or as their minimum where the parallelism changes', () => {
    expect(watermarks(2, [5], [7])).toEqual([5, 7])
    expect(watermarks(1, [5], [7])).toEqual([5])
    expect(watermarks(1, [5], [null])).toEqual([null])
    expect(watermarks(1, [5], [null, true])).toEqual([5])
  })

  it('lets a task be finished as it was, or only if all were where the parallelism changes', () => {
    expect(finished(2, true, false)).toEqual([true, false])
    expect(finished(3, true, false)).toEqual([false, false, false])
    expect(finished(3, true, true)).toEqual([true, true, true])
  })

  it('finds the state of an operator that moved to another chain', () => {
    const old: OldVertex = {
      operators: ['source', 'map', 'sink'],
      tasks: [taskOf('source', 0, { operators: [snapshotOf('sink', { lists: [list('items', 'split', 3)] })] })],
    }
    const restores = redistribute(
      manifestOf([old]),
      [vertex('source', 1), vertex('map', 1, ['map', 'new', 'sink'])],
      MAX_PARALLELISM,
    )
    expect(restores.get(taskId('map', 0))!.operators.map(({ lists }) => lists.length)).toEqual([0, 0, 1])
  })

  it('refuses another max parallelism, saying which to set', () => {
    expect(() => redistribute(manifestOf([]), [], 128)).toThrow(
      expect.objectContaining({
        code: 'STATE_INCOMPATIBLE',
        action: expect.stringContaining('maxParallelism to 12') as string,
      }) as Error,
    )
  })

  it.each<[string, Partial<OperatorSnapshot>, Partial<Manifest>]>([
    ['keyed state', { keyed: keyed([1]) }, {}],
    ['list state', { lists: [list('items', 'split', 1)] }, {}],
    ['an enumerator', {}, { enumerators: [{ operator: operatorId('gone'), codec: 'value/1', handle: HANDLE }] }],
  ])('refuses %s of an operator that the job no longer has', (_what, snapshot, parts) => {
    const old: OldVertex = {
      operators: ['gone'],
      tasks: [taskOf('gone', 0, { operators: [snapshotOf('gone', snapshot)] })],
    }
    expect(() => redistribute(manifestOf([old], parts), [vertex('op', 1)], MAX_PARALLELISM)).toThrow(
      expect.objectContaining({
        code: 'STATE_INCOMPATIBLE',
        message: expect.stringContaining("'gone'") as string,
      }) as Error,
    )
  })

  it('lets operators without state go', () => {
    const old: OldVertex = {
      operators: ['gone'],
      tasks: [
        taskOf('gone', 0, {
          operators: [snapshotOf('gone', { keyed: keyed([]), lists: [list('items', 'split', 0)] })],
        }),
      ],
    }
    expect(redistribute(manifestOf([old]), [vertex('op', 1)], MAX_PARALLELISM).get(taskId('op', 0))).toMatchObject({
      isFinished: false,
      watermark: null,
      operators: [{ keyed: [], lists: [] }],
    })
  })
})
