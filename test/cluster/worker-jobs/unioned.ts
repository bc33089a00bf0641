/** Two sources united, a keyed sum, and then a keyed count with two states, one of which holds a structured value. Fails once. */
import { defineJob, jsonLines, output, value } from 'tidemark'
import { anyParams, isFirst, stripedNumbers } from './kit.ts'

export const KEYS = 40

export interface UnionedParams {
  readonly folder: string
  /** Of each source. */
  readonly records: number
  readonly portion: number
  /** Fails once when a task of the sum has seen so many records. */
  readonly failAfter: number
}

export interface Remembered {
  readonly since: Date
  readonly sums: ReadonlyMap<number, number>
}

/** Of each job and task in this thread. */
const seenHere = new Map<string, number>()

export default defineJob({
  name: 'unioned',
  params: anyParams<UnionedParams>(),
  build(job, { folder, records, portion, failAfter }) {
    const numbers = (name: string) => job.source(name, stripedNumbers(records, portion)).map((number) => number % KEYS)
    const { sums } = numbers('first')
      .union(numbers('second'))
      .keyBy((number) => number)
      .process('sum', {
        state: { sum: value(0) },
        outputs: { sums: output<readonly [number, number]>() },
        onRecord(number: number, { state, emit, subtask }) {
          const task = `${folder} ${subtask}`
          const seen = (seenHere.get(task) ?? 0) + 1
          seenHere.set(task, seen)
          if (seen === failAfter && isFirst(folder, 'failure')) throw new Error('planned')
          emit.sums([number, state.sum.update((sum) => sum + number)])
        },
      })
    const { counts } = sums
      .keyBy(([key]) => key)
      .process('count', {
        state: {
          count: value(0),
          remembered: value<Remembered>(() => ({ since: new Date(1e12), sums: new Map() })),
        },
        outputs: { counts: output<readonly [number, number, number, number]>() },
        onRecord([key, sum]: readonly [number, number], { state, emit }) {
          const count = state.count.update((old) => old + 1)
          const { since, sums: all } = state.remembered.get()
          const remembered = { since: new Date(since.getTime() + 1), sums: new Map([...all, [count, sum]]) }
          state.remembered.set(remembered)
          emit.counts([key, sum, count, remembered.since.getTime() - 1e12])
        },
      })
    counts.to('out', jsonLines(`${folder}/counts`))
  },
})
