import { defineJob } from 'tidemark'
import { checkingSink, checkingSource, keyOrderProblem, runningCountProblem, type SimulatedJob } from './kit.ts'
import { makePartitions, totalsByKey } from './records.ts'

/** One source ends at once, the other goes on for long: checkpoints after some tasks have finished. */
export const finishedSource: SimulatedJob = {
  name: 'finished-source',
  create(world) {
    const short = makePartitions(world.random, { name: 's', records: [0, 5] })
    const long = makePartitions(world.random, { name: 'l', records: [30, 80] })
    const shortSource = checkingSource(world, 'short', { partitions: short })
    const longSource = checkingSource(world, 'long', { partitions: long })
    const { sink, store } = checkingSink<readonly [string, number]>(world, 'counts')
    const passed = checkingSink<{ readonly partition: number; readonly sequence: number }>(world, 'passed')
    const totals = totalsByKey([...short.flat(), ...long.flat()])
    const definition = defineJob('finished-source', (job) => {
      const longItems = job.source('long', longSource)
      job
        .source('short', shortSource)
        .map((item) => item)
        .union(longItems)
        .keyBy(({ key }) => key)
        .runningCount('count')
        .to('counts', sink)
      longItems.map(({ partition, sequence }) => ({ partition, sequence })).to('passed', passed.sink)
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
        passed.store.checkAtEnd()
        if (world.mode !== 'exactly-once') return
        const { visible } = passed.store
        if (visible.length !== long.flat().length)
          world.violate('output exactly once', `${visible.length} of ${long.flat().length} passed`)
        // One partition is read by one task at a time and stays in one chain: commits keep its order, unless one had to be repeated.
        if (world.chaos.counts.has('outside-fails')) return
        const problem = keyOrderProblem(
          visible,
          ({ partition }) => partition,
          ({ sequence }) => sequence,
        )
        world.expectNone('order per key', problem)
      },
    }
  },
}
