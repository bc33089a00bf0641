import type { SimulatedJob } from '../../../packages/tidemark/src/testing/simulator/simulation.ts'
import { chain } from './chain.ts'
import { keyedCount } from './keyed-count.ts'

export const ALL_JOBS: readonly SimulatedJob[] = [chain, keyedCount]
