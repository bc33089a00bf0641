import { defineJob } from 'tidemark'
import { MOST_CAPACITIES } from '../../../packages/tidemark/src/runtime/channel/ring-layout.ts'
import { checkingSink, checkingSource, InFlight, inFlightBound, runningCountProblem, type SimulatedJob } from './kit.ts'
import { makePartitions } from './records.ts'

/** One record becomes thousands, through channels that hold one: nothing may pile up. */
export const explode: SimulatedJob = {
  name: 'explode',
  create(world) {
    const partitions = makePartitions(world.random, { records: [1, 3] })
    const size = world.random.pick([20, 50, 50, 100, 200, 300, 2000])
    const source = checkingSource(world, 'items', { partitions })
    const inFlight = new InFlight()
    world.onAttempt.push(() => inFlight.forget())
    const { sink, store } = checkingSink<readonly [string, number]>(world, 'counts', {
      onWrite: () => inFlight.leave(),
    })
    const definition = defineJob('explode', (job) => {
      job
        .source('items', source)
        .flatMap(function* ({ id }) {
          for (let index = 0; index < size; index++) {
            inFlight.enter()
            yield { id, part: index % 7 }
          }
        })
        .keyBy(({ part }) => part)
        .runningCount('count')
        .map(([part, count]) => [String(part), count] as const)
        .to('counts', sink)
    })
    const totals = new Map<string, number>()
    for (let index = 0; index < size; index++) {
      const part = String(index % 7)
      totals.set(part, (totals.get(part) ?? 0) + partitions.flat().length)
    }
    const [parallelism, batchSize] = [world.random.integer(1, 3), world.random.integer(1, 4)]
    // Two vertices: source with flatMap, count with map and sink; between them a channel from each task to each.
    const bound = inFlightBound({
      channels: parallelism * parallelism,
      tasks: 2 * parallelism,
      chainLength: 3,
      channelCapacity: MOST_CAPACITIES,
      batchSize,
    })
    return {
      definition,
      isRescalable: false,
      options: {
        parallelism,
        batchSize,
        channelCapacity: 1,
        checkpointInterval: world.random.pick([20, 100, 300]),
        // A barrier waits for what is left of the record, one by one through channels that hold one.
        ...(size > 300 ? { checkpointTimeout: 10_000 } : {}),
      },
      checkAtRest() {
        if (inFlight.most > bound)
          world.violate('memory is bounded', `${inFlight.most} records inside, more than ${bound}`)
        if (world.mode !== 'exactly-once') return
        world.expectNone('output exactly once', runningCountProblem(store.visible, totals, 'so-far'))
      },
      checkAtEnd() {
        if (inFlight.most > bound)
          world.violate('memory is bounded', `${inFlight.most} records inside, more than ${bound}`)
        world.expectNone('state exactly once', runningCountProblem(store.visible, totals, world.mode))
        store.checkAtEnd()
      },
    }
  },
}
