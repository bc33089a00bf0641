import { defineJob, textLines } from 'tidemark'
import { exactlyOnceProblem, lossProblem, surplusProblem } from '../../../packages/tidemark/src/testing/checkers/exactly-once.ts'
import {
  committedLines,
  outputResidueProblem,
} from '../../../packages/tidemark/src/testing/checkers/output-directory.ts'
import { checkingSource } from '../../../packages/tidemark/src/testing/simulator/checking-source.ts'
import type { SimulatedJob } from '../../../packages/tidemark/src/testing/simulator/simulation.ts'
import { makePartitions } from './records.ts'

const OUTPUT = '/output/lines'

/** One task does everything: source, map, filter, flatMap and a file sink in one chain. */
export const chain: SimulatedJob = {
  name: 'chain',
  create(world) {
    const partitions = makePartitions(world.random)
    const source = checkingSource(world, 'items', { partitions })
    const expected = partitions
      .flat()
      .filter(({ sequence }) => sequence % 5 !== 4)
      .flatMap(({ id }) => [`${id}/a`, `${id}/b`])
    const definition = defineJob('chain', (job) => {
      job
        .source('items', source)
        .map((item) => {
          world.disturb('map')
          return { ...item, id: `${item.id}/` }
        })
        .filter(({ sequence }) => sequence % 5 !== 4)
        .flatMap(({ id }) => [`${id}a`, `${id}b`])
        .to('lines', textLines(OUTPUT))
    })
    const lines = () => committedLines(world.machine.disk, OUTPUT)
    return {
      definition,
      checkAtRest() {
        const problem = world.mode === 'exactly-once' ? surplusProblem(lines(), expected) : null
        if (problem !== null) world.violate('output exactly once', problem)
      },
      checkAtEnd(isTidy) {
        const check = world.mode === 'exactly-once' ? exactlyOnceProblem : lossProblem
        const problem = check(lines(), expected)
        if (problem !== null) world.violate('output exactly once', problem)
        const residue = outputResidueProblem(world.machine.disk, OUTPUT)
        if (residue !== null && isTidy) world.violate('nothing is left behind', residue)
      },
    }
  },
}
