import { defineJob, output, value } from 'tidemark'
import { checkingSink, checkingSource, runningCountProblem, type SimulatedJob } from './kit.ts'
import { type Item, makePartitions, totalsByKey } from './records.ts'

/** State too large for the manifest: every task writes a file for every checkpoint, in slices, while records go on. */
export const largeState: SimulatedJob = {
  name: 'large-state',
  create(world) {
    const partitions = makePartitions(world.random, { records: [20, 60], keys: world.random.integer(3, 12) })
    const source = checkingSource(world, 'items', { partitions })
    const { sink, store } = checkingSink<readonly [string, number]>(world, 'counts')
    const totals = totalsByKey(partitions.flat())
    const filler = 'x'.repeat(world.random.pick([3_000, 40_000, 40_000]))
    const definition = defineJob('large-state', (job) => {
      const { counts } = job
        .source('items', source)
        .keyBy('key')
        .process('count', {
          state: { count: value(0), text: value<string>() },
          outputs: { counts: output<readonly [string, number]>() },
          onRecord(_item: Item, { state, emit, key }) {
            const count = state.count.update((old) => old + 1)
            const expected = count === 1 ? undefined : `${key} ${count - 1} ${filler}`
            if (state.text.get() !== expected)
              world.violate('state exactly once', `key ${key} has another text at count ${count}`)
            state.text.set(`${key} ${count} ${filler}`)
            emit.counts([key, count])
          },
        })
      counts.to('counts', sink)
    })
    return {
      definition,
      options: { checkpointInterval: world.random.pick([20, 50, 150]) },
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
