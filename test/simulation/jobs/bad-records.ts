import { defineJob } from 'tidemark'
import { checkingSink, checkingSource, checkOutput, checkSoFar, runningCountProblem, type SimulatedJob } from './kit.ts'
import { type Item, makePartitions, totalsByKey } from './records.ts'

/** Every few records the source cannot decode one: it goes to dead letters beside the stream, whose records go to another task. */
export const badRecords: SimulatedJob = {
  name: 'bad-records',
  create(world) {
    const partitions = makePartitions(world.random)
    const nth = world.random.pick([1, 2, 3, 7])
    const isBad = ({ sequence }: Item): boolean => sequence % nth === 0
    const dead = checkingSink<Item>(world, 'items.dead-letters')
    const source = checkingSource(world, 'items', { partitions, isBad, deadLetters: dead.sink })
    const counts = checkingSink<readonly [string, number]>(world, 'counts')
    const definition = defineJob('bad-records', (job) => {
      job
        .source('items', source)
        .keyBy(({ key }) => key)
        .runningCount('count')
        .to('counts', counts.sink)
    })
    const all = partitions.flat()
    const totals = totalsByKey(all.filter((item) => !isBad(item)))
    const expected = all.filter(isBad)
    return {
      definition,
      checkAtRest() {
        checkSoFar(world, dead.store.visible, expected)
        if (world.mode !== 'exactly-once') return
        world.expectNone('state exactly once', runningCountProblem(counts.store.visible, totals, 'so-far'))
      },
      checkAtEnd() {
        checkOutput(world, dead.store.visible, expected)
        world.expectNone('state exactly once', runningCountProblem(counts.store.visible, totals, world.mode))
        counts.store.checkAtEnd()
        dead.store.checkAtEnd()
      },
    }
  },
}
