import { defineJob } from 'tidemark'
import { checkingSink, checkingSource, runningCountProblem, type SimulatedJob } from './kit.ts'
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
        world.expectNone('output exactly once', runningCountProblem(store.visible, totals, 'so-far'))
      },
      checkAtEnd() {
        world.expectNone('state exactly once', runningCountProblem(store.visible, totals, world.mode))
        store.checkAtEnd()
      },
    }
  },
}
