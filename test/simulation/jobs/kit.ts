/** What simulated jobs are made of, in one place. */
export {
  exactlyOnceProblem,
  lossProblem,
  surplusProblem,
} from '../../../packages/tidemark/src/testing/checkers/exactly-once.ts'
export { keyOrderProblem } from '../../../packages/tidemark/src/testing/checkers/key-order.ts'
export { InFlight, inFlightBound } from '../../../packages/tidemark/src/testing/checkers/memory-bound.ts'
export {
  committedLines,
  outputResidueProblem,
} from '../../../packages/tidemark/src/testing/checkers/output-directory.ts'
export { runningCountProblem } from '../../../packages/tidemark/src/testing/checkers/running-counts.ts'
export { checkingSink } from '../../../packages/tidemark/src/testing/simulator/checking-sink.ts'
export { checkingSource } from '../../../packages/tidemark/src/testing/simulator/checking-source.ts'
export type { SimulatedWorld } from '../../../packages/tidemark/src/testing/simulator/simulated-world.ts'
export type { Scenario, SimulatedJob } from '../../../packages/tidemark/src/testing/simulator/simulation-contract.ts'

import {
  exactlyOnceProblem,
  lossProblem,
  surplusProblem,
} from '../../../packages/tidemark/src/testing/checkers/exactly-once.ts'
import {
  committedLines,
  outputResidueProblem,
} from '../../../packages/tidemark/src/testing/checkers/output-directory.ts'
import type { SimulatedWorld } from '../../../packages/tidemark/src/testing/simulator/simulated-world.ts'

/** What came out by now against what has to in the end. */
export function checkSoFar<T>(world: SimulatedWorld, actual: Iterable<T>, expected: Iterable<T>): void {
  if (world.mode === 'exactly-once') world.expectNone('output exactly once', surplusProblem(actual, expected))
}

/** What came out against what had to. */
export function checkOutput<T>(world: SimulatedWorld, actual: Iterable<T>, expected: Iterable<T>): void {
  if (world.mode === 'exactly-once') world.expectNone('output exactly once', exactlyOnceProblem(actual, expected))
  else world.expectNone('at least once', lossProblem(actual, expected))
}

/** A directory of a file sink, and what its readers see. */
export function outputFiles(world: SimulatedWorld, directory: string) {
  const { disk } = world.machine
  return {
    directory,
    lines: (): readonly string[] => committedLines(disk, directory),
    checkResidue(isTidy: boolean): void {
      if (isTidy) world.expectNone('nothing is left behind', outputResidueProblem(disk, directory))
    },
  }
}
