import type { SimulatedJob } from './kit.ts'
import { badRecords } from './bad-records.ts'
import { broadcastRules } from './broadcast-rules.ts'
import { chain } from './chain.ts'
import { diamond } from './diamond.ts'
import { explode } from './explode.ts'
import { files } from './files.ts'
import { finishedSource } from './finished-source.ts'
import { keyedCount } from './keyed-count.ts'
import { largeState } from './large-state.ts'
import { listState } from './list-state.ts'
import { twoSinks } from './two-sinks.ts'

/** Every job that the engine is simulated with. The order decides which seed runs which job: add at the end. */
export const ALL_JOBS: readonly SimulatedJob[] = [
  chain,
  keyedCount,
  diamond,
  broadcastRules,
  twoSinks,
  finishedSource,
  explode,
  largeState,
  listState,
  files,
  badRecords,
]
