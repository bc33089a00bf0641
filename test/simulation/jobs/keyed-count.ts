import { defineJob } from 'tidemark'
import { runningCountProblem } from '../../../packages/tidemark/src/testing/checkers/running-counts.ts'
import { checkingSink } from '../../../packages/tidemark/src/testing/simulator/checking-sink.ts'
import { checkingSource } from '../../../packages/tidemark/src/testing/simulator/checking-source.ts'
import type { SimulatedJob } from '../../../packages/tidemark/src/testing/simulator/simulation.ts'
import { makePartitions, totalsByKey } from './records.ts'

/** Word count: a keyed exchange, state per key, a transactional sink. */
export const keyedCount: SimulatedJob = {
  name: 'keyed-count',
  create(world) {
    const partitions = makePartitions(world.random)
    const source = checkingSource(world, 'items', { partitions })
    const { sink, store } = checkingSink<readonly [string, number]>(world, 'counts')
    const totals = totalsByKey(partitions.flat())
    const definition = defineJob('keyed-count', (job) => {
      job
        .source('items', source)
        .keyBy((item) => item.key)
        .runningCount('count')
        .to('counts', sink)
    })
    return {
      definition,
      checkAtRest() {
        if (world.mode !== 'exactly-once') return
        const problem = runningCountProblem(store.visible, totals, 'so-far')
        if (problem !== null) world.violate('output exactly once', problem)
      },
      checkAtEnd() {
        const problem = runningCountProblem(store.visible, totals, world.mode)
        if (problem !== null) world.violate('state exactly once', problem)
        store.checkAtEnd()
      },
    }
  },
}
