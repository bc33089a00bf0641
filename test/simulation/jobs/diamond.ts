import { defineJob, jsonLines } from 'tidemark'
import { checkingSource, checkOutput, checkSoFar, outputFiles, runningCountProblem, type SimulatedJob } from './kit.ts'
import { makePartitions, totalsByKey } from './records.ts'

/** One source, two ways of different length, brought together again: channels of one input that block each other. */
export const diamond: SimulatedJob = {
  name: 'diamond',
  create(world) {
    const partitions = makePartitions(world.random, { records: [5, 40] })
    const source = checkingSource(world, 'items', { partitions })
    const output = outputFiles(world, '/output/diamond')
    const left = partitions.flat().filter(({ sequence }) => sequence % 2 === 0)
    const right = partitions.flat().flatMap((item) => [item, item])
    const totals = totalsByKey([...left, ...right])
    const definition = defineJob('diamond', (job) => {
      const items = job.source('items', source)
      const evens = items.filter(({ sequence }) => sequence % 2 === 0)
      const twice = items.rebalance().flatMap((item) => {
        world.disturb('flatMap')
        return [item, item]
      })
      evens
        .union(twice)
        .keyBy('key')
        .scan(
          'count',
          () => ({ count: 0 }),
          ({ count }) => ({ count: count + 1 }),
        )
        .map(([key, { count }]) => [key, count] as const)
        .to('counts', jsonLines(output.directory))
    })
    const counts = () => output.lines().map((line) => JSON.parse(line) as readonly [string, number])
    const expected = [...totals].flatMap(([key, total]) =>
      Array.from({ length: total }, (_, index) => [key, index + 1] as const),
    )
    return {
      definition,
      checkAtRest: () => checkSoFar(world, counts(), expected),
      checkAtEnd(isTidy) {
        checkOutput(world, counts(), expected)
        world.expectNone('state exactly once', runningCountProblem(counts(), totals, world.mode))
        output.checkResidue(isTidy)
      },
    }
  },
}
