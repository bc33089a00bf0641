import type { RunOptions } from '../../runtime/job/contract.ts'
import type { CheckpointMode, RestartStrategy } from '../../core/options.ts'
import type { SeededRandom } from './seeded-random.ts'

/** Options that a seed gives its job: small channels, small batches, many checkpoints. */
export function seedOptions(random: SeededRandom, mode: CheckpointMode, checkpointDir: string): RunOptions {
  const interval = random.pick([3, 10, 20, 50, 150])
  const restartStrategy: RestartStrategy = random.pick([
    { kind: 'fixed-delay', attempts: 1000, delay: 1 },
    { kind: 'fixed-delay', attempts: 2, delay: 20 },
    { kind: 'exponential-delay', initialBackoff: 1, maxBackoff: 50, jitterFactor: 0.5 },
    { kind: 'none' },
  ] as const)
  return {
    parallelism: random.integer(1, 3),
    maxParallelism: random.pick([3, 8, 128]),
    channelCapacity: random.pick([1, 1, 2, 4, 16]),
    batchSize: random.integer(1, 4),
    checkpointMode: mode,
    checkpointInterval: interval,
    checkpointTimeout: random.pick([60, 200, 1000, 10_000]),
    minPauseBetweenCheckpoints: random.pick([0, 0, 5, 40]),
    maxConcurrentCheckpoints: random.pick([1, 1, 2]),
    tolerableCheckpointFailureNumber: random.pick([0, 1, 5, 1000]),
    checkpointsRetained: random.integer(1, 3),
    externalizedCheckpointCleanup: random.pick(['retain-on-cancellation', 'delete-on-cancellation']),
    development: random.chance(0.3),
    checkpointDir,
    restartStrategy,
  }
}
