import { broadcastMap, connect, defineJob, output, value } from 'tidemark'
import { checkingSink, checkingSource, exactlyOnceProblem, runningCountProblem, type SimulatedJob } from './kit.ts'
import { type Item, makePartitions, totalsByKey } from './records.ts'

/** A keyed stream and a broadcast one in one step: state of both kinds, and inputs that end at different times. */
export const broadcastRules: SimulatedJob = {
  name: 'broadcast-rules',
  create(world) {
    const orders = makePartitions(world.random, { name: 'o', records: [0, 50] })
    const rules = [makePartitions(world.random, { name: 'r', records: [0, 15] }).flat()]
    const orderSource = checkingSource(world, 'orders', { partitions: orders })
    const ruleSource = checkingSource(world, 'rules', { partitions: rules })
    const counts = checkingSink<readonly [string, number]>(world, 'counts')
    const seen = checkingSink<readonly [string, number]>(world, 'seen')
    const definition = defineJob('broadcast-rules', (job) => {
      const { counted, ruled } = connect({
        orders: job.source('orders', orderSource).keyBy('key'),
        rules: job.source('rules', ruleSource).broadcast(),
      }).process('match', {
        state: { count: value(0), rules: broadcastMap<string, number>() },
        outputs: { counted: output<readonly [string, number]>(), ruled: output<readonly [string, number]>() },
        on: {
          orders(_order: Item, { state, emit, key }) {
            world.disturb('orders')
            emit.counted([key, state.count.update((count) => count + 1)])
          },
          rules(_rule: Item, { state, emit, subtask }) {
            const count = (state.rules.get('all') ?? 0) + 1
            state.rules.set('all', count)
            emit.ruled([`task ${subtask}`, count])
          },
        },
      })
      counted.to('counts', counts.sink)
      ruled.to('seen', seen.sink)
    })
    const parallelism = world.random.integer(1, 3)
    const totals = totalsByKey(orders.flat())
    const ruleTotals = new Map(Array.from({ length: parallelism }, (_, task) => [`task ${task}`, rules[0]!.length]))
    return {
      definition,
      // The counts of rules are per task.
      isRescalable: false,
      options: { parallelism },
      checkAtRest() {
        if (world.mode !== 'exactly-once') return
        world.expectNone('output exactly once', runningCountProblem(counts.store.visible, totals, 'so-far'))
        world.expectNone('output exactly once', runningCountProblem(seen.store.visible, ruleTotals, 'so-far'))
      },
      checkAtEnd() {
        world.expectNone('state exactly once', runningCountProblem(counts.store.visible, totals, world.mode))
        world.expectNone('state exactly once', runningCountProblem(seen.store.visible, ruleTotals, world.mode))
        if (world.mode === 'exactly-once') {
          const expected = [...ruleTotals].flatMap(([task, total]) =>
            Array.from({ length: total }, (_, index) => [task, index + 1] as const),
          )
          world.expectNone('output exactly once', exactlyOnceProblem(seen.store.visible, expected))
        }
        counts.store.checkAtEnd()
        seen.store.checkAtEnd()
      },
    }
  },
}
