/** A broadcast side, list state of both kinds, and keyed sums: what has to survive a change of the parallelism. */
import { broadcastMap, connect, defineJob, fromArray, jsonLines, list, output, value } from 'tidemark'
import { anyParams, stripedNumbers } from './kit.ts'

export const RULES = ['even', 'odd'] as const
export const KEYS = 42
/** Each so many-th number is in the union list: all tasks hold some. */
export const SPREAD = 25

export interface KeepingParams {
  readonly folder: string
  readonly records: number
  readonly portion: number
}

export default defineJob({
  name: 'keeping',
  params: anyParams<KeepingParams>(),
  build(job, { folder, records, portion }) {
    const numbers = job.source('numbers', stripedNumbers(records, portion))
    const rules = job.source('rules', fromArray(RULES))
    const { ruled } = connect({ numbers: numbers.keyBy((number) => number % KEYS), rules: rules.broadcast() }).process(
      'rule',
      {
        state: { sum: value(0), rules: broadcastMap<string, boolean>() },
        outputs: { ruled: output<readonly [number, number, number]>() },
        on: {
          numbers(number: number, { state, emit, key }) {
            const sum = state.sum.update((old) => old + number)
            // How many rules this task knows: all of them, once they are in a checkpoint.
            emit.ruled([key, sum, state.rules.size])
          },
          rules(rule: string, { state }) {
            state.rules.set(rule, true)
          },
        },
      },
    )
    ruled.to('ruled-out', jsonLines(`${folder}/ruled`))
    const { kept, known } = numbers.rebalance().process('keep', {
      state: { mine: list<number>(), all: list<number>({ redistribution: 'union' }) },
      outputs: { kept: output<number>(), known: output<readonly [number, number]>() },
      onRecord(number: number, { state }) {
        state.mine.push(number)
        // After a restore every task has all of them: what it has twice is put together, or the list would grow with each.
        if (number % SPREAD === 0) state.all.replace(new Set([...state.all, number]))
      },
      onEnd({ state, emit, subtask }) {
        for (const number of state.mine) emit.kept(number)
        for (const number of new Set(state.all)) emit.known([subtask, number])
      },
    })
    kept.to('kept-out', jsonLines(`${folder}/kept`))
    known.to('known-out', jsonLines(`${folder}/known`))
  },
})
