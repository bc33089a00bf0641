import { defineJob, textLines } from 'tidemark'
import { checkingSource, checkOutput, checkSoFar, outputFiles, type SimulatedJob } from './kit.ts'
import { makePartitions } from './records.ts'

/** One task does everything: source, map, filter, flatMap and a file sink in one chain. */
export const chain: SimulatedJob = {
  name: 'chain',
  create(world) {
    const partitions = makePartitions(world.random)
    const source = checkingSource(world, 'items', { partitions })
    const output = outputFiles(world, '/output/lines')
    const expected = partitions
      .flat()
      .filter(({ sequence }) => sequence % 5 !== 4)
      .flatMap(({ id }) => [`${id}/a`, `${id}/b`])
    const rollSize = world.random.pick([20, 1000])
    const definition = defineJob('chain', (job) => {
      job
        .source('items', source)
        .map((item) => {
          world.disturb('map')
          return { ...item, id: `${item.id}/` }
        })
        .filter(({ sequence }) => sequence % 5 !== 4)
        .flatMap(({ id }) => [`${id}a`, `${id}b`])
        .to('lines', textLines(output.directory, { rollSize }))
    })
    return {
      definition,
      checkAtRest: () => checkSoFar(world, output.lines(), expected),
      checkAtEnd(isTidy) {
        checkOutput(world, output.lines(), expected)
        output.checkResidue(isTidy)
      },
    }
  },
}
