/** Two inputs that are aligned, and counters of several stages in list state, which belongs to tasks and not to keys. Fails once. */
import { connect, defineJob, jsonLines, list, output, type Stream, value } from 'tidemark'
import { anyParams, isFirst, stripedNumbers } from './kit.ts'

export const PREFIXES = 40

export interface CoStagesParams {
  readonly folder: string
  /** Of each source. */
  readonly records: number
  readonly portion: number
  /** Fails once at this number of the left source. */
  readonly failAt: number
}

const prefix = (number: number) => number % PREFIXES

/** Counts records, passes them on, and tells its count at the end. */
function counted(folder: string, stage: string, stream: Stream<number>): Stream<number> {
  const { records, count } = stream.process(stage, {
    state: { seen: list<number>() },
    outputs: { records: output<number>(), count: output<readonly [string, number]>() },
    onRecord(number: number, { state, emit }) {
      // One item, or several after the parallelism has changed.
      state.seen.replace([[...state.seen].reduce((sum, seen) => sum + seen, 1)])
      emit.records(number)
    },
    onEnd({ state, emit }) {
      emit.count([stage, [...state.seen].reduce((sum, seen) => sum + seen, 0)])
    },
  })
  count.to(`count-of-${stage}`, jsonLines(`${folder}/count-of-${stage}`))
  return records
}

export default defineJob({
  name: 'co-stages',
  params: anyParams<CoStagesParams>(),
  build(job, { folder, records, portion, failAt }) {
    const left = counted(folder, 'left', job.source('left-numbers', stripedNumbers(records, portion)))
    const right = counted(folder, 'right', job.source('right-numbers', stripedNumbers(records, portion)).rebalance())
    const { both } = connect({ left: left.keyBy(prefix), right: right.keyBy(prefix) }).process('co-count', {
      state: { seen: value(0) },
      outputs: { both: output<readonly [number, number]>() },
      on: {
        left(number: number, { key, state, emit }) {
          if (number === failAt && isFirst(folder, 'failure')) throw new Error('planned')
          emit.both([key, state.seen.update((seen) => seen + 1)])
        },
        right(_: number, { key, state, emit }) {
          emit.both([key, state.seen.update((seen) => seen + 1)])
        },
      },
    })
    both.to('out', jsonLines(`${folder}/both`))
    counted(folder, 'last', both.map(([key]) => key).rebalance())
      .filter(() => false)
      .to('nowhere', jsonLines(`${folder}/nowhere`))
  },
})
