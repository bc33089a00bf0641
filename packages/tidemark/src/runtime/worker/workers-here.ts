import { availableParallelism } from 'node:os'
import type { ExecutionOptions } from '../../core/options.ts'
import { defaultWorkers } from './default-workers.ts'

/** How many worker threads a run with these options uses on this machine, in this process. */
export function workersHere(options: ExecutionOptions, hasModule: boolean): number {
  return defaultWorkers({
    asked: options.workers,
    parallelism: options.parallelism ?? 1,
    cores: availableParallelism(),
    hasModule,
    isInspected: isUnderInspector(),
  })
}

export function isUnderInspector(): boolean {
  return process.getBuiltinModule('node:inspector')?.url() !== undefined
}
