import { type Duration, durationMs } from './duration.ts'
import { TidemarkError } from './errors.ts'

export type CheckpointMode = 'exactly-once' | 'at-least-once'
export type CheckpointCleanup = 'no-externalized-checkpoints' | 'delete-on-cancellation' | 'retain-on-cancellation'
export type RestartStrategyName = 'none' | 'fixed-delay' | 'failure-rate' | 'exponential-delay'

/** Options of a run, as users give them. Names and defaults are Flink's where it has them. Upper-case enum names of Flink are accepted. */
export interface ExecutionOptions {
  parallelism?: number
  maxParallelism?: number
  /** 0 runs every task in the calling thread. */
  workers?: number
  checkpointMode?: CheckpointMode | Uppercase<string>
  /** 0 or `disabled` switches periodic checkpoints off. */
  checkpointInterval?: Duration | 'disabled'
  checkpointTimeout?: Duration
  minPauseBetweenCheckpoints?: Duration
  maxConcurrentCheckpoints?: number
  tolerableCheckpointFailureNumber?: number
  externalizedCheckpointCleanup?: CheckpointCleanup | Uppercase<string>
  checkpointsRetained?: number
  checkpointDir?: string
  /** A task that has not stopped this long after it was told to takes its worker with it. 0 or `disabled`: it is waited for. */
  taskCancellationTimeout?: Duration | 'disabled'
  restartStrategy?: RestartStrategy | RestartStrategyName
  /** Records that a channel holds at most; one between workers up to eight times as many, if its consumer takes those in 10 ms. */
  channelCapacity?: number
  /** Records handed on at once. */
  batchSize?: number
  /** Freeze records and refuse at once what could not be sent or stored. */
  development?: boolean
}

/** Flink's restart strategies with Flink's defaults. */
export type RestartStrategy =
  | { kind: 'none' }
  | { kind: 'fixed-delay'; attempts?: number; delay?: Duration }
  | { kind: 'failure-rate'; maxFailuresPerInterval?: number; failureRateInterval?: Duration; delay?: Duration }
  | {
      kind: 'exponential-delay'
      initialBackoff?: Duration
      maxBackoff?: Duration
      backoffMultiplier?: number
      resetBackoffThreshold?: Duration
      jitterFactor?: number
      attemptsBeforeResetBackoff?: number
    }

/** Restart strategies with every number filled in, in milliseconds. */
export type ResolvedRestartStrategy =
  | { readonly kind: 'none' }
  | { readonly kind: 'fixed-delay'; readonly attempts: number; readonly delayMs: number }
  | {
      readonly kind: 'failure-rate'
      readonly maxFailuresPerInterval: number
      readonly failureRateIntervalMs: number
      readonly delayMs: number
    }
  | {
      readonly kind: 'exponential-delay'
      readonly initialBackoffMs: number
      readonly maxBackoffMs: number
      readonly backoffMultiplier: number
      readonly resetBackoffThresholdMs: number
      readonly jitterFactor: number
      readonly attemptsBeforeResetBackoff: number
    }

/** Options with every value checked and filled in. */
export interface ResolvedOptions {
  readonly parallelism: number
  readonly maxParallelism: number
  readonly workers: number
  readonly checkpointMode: CheckpointMode
  /** null: no periodic checkpoints. */
  readonly checkpointIntervalMs: number | null
  readonly checkpointTimeoutMs: number
  readonly minPauseBetweenCheckpointsMs: number
  readonly maxConcurrentCheckpoints: number
  readonly tolerableCheckpointFailureNumber: number
  readonly externalizedCheckpointCleanup: CheckpointCleanup
  readonly checkpointsRetained: number
  /** null: never. */
  readonly taskCancellationTimeoutMs: number | null
  readonly restartStrategy: ResolvedRestartStrategy
  readonly channelCapacity: number
  readonly batchSize: number
  readonly development: boolean
}

/** How an option reads on the command line and in the docs. */
export interface OptionRow {
  readonly flag: string
  readonly value: string
  readonly default: string
  readonly help: string
}

/** The one table of execution options: docs and command line are made from it. */
export const OPTION_TABLE: Readonly<Record<keyof ExecutionOptions, OptionRow>> = {
  parallelism: { flag: '--parallelism', value: 'N', default: '1', help: 'Parallel tasks per operator.' },
  maxParallelism: {
    flag: '--max-parallelism',
    value: 'N',
    default: '128',
    help: 'Number of key groups; fixed for the life of a job.',
  },
  workers: {
    flag: '--workers',
    value: 'N',
    default: 'one per core that has a task',
    help: 'Worker threads; 0 runs all tasks in the main thread, as parallelism 1 does by default.',
  },
  checkpointMode: {
    flag: '--checkpoint-mode',
    value: 'MODE',
    default: 'exactly-once',
    help: 'exactly-once or at-least-once.',
  },
  checkpointInterval: {
    flag: '--checkpoint-interval',
    value: 'TIME',
    default: '10s',
    help: 'Time between checkpoints; disabled switches them off.',
  },
  checkpointTimeout: {
    flag: '--checkpoint-timeout',
    value: 'TIME',
    default: '10m',
    help: 'A checkpoint that takes longer is aborted.',
  },
  minPauseBetweenCheckpoints: {
    flag: '--min-pause-between-checkpoints',
    value: 'TIME',
    default: '0ms',
    help: 'Least time between the end of one checkpoint and the start of the next.',
  },
  maxConcurrentCheckpoints: {
    flag: '--max-concurrent-checkpoints',
    value: 'N',
    default: '1',
    help: 'Checkpoints under way at the same time.',
  },
  tolerableCheckpointFailureNumber: {
    flag: '--tolerable-checkpoint-failures',
    value: 'N',
    default: '0',
    help: 'Failed checkpoints in a row that do not fail the job.',
  },
  externalizedCheckpointCleanup: {
    flag: '--externalized-checkpoint-cleanup',
    value: 'POLICY',
    default: 'delete-on-cancellation',
    help: 'retain-on-cancellation, delete-on-cancellation or no-externalized-checkpoints.',
  },
  checkpointsRetained: {
    flag: '--checkpoints-retained',
    value: 'N',
    default: '1',
    help: 'Complete checkpoints that are kept.',
  },
  checkpointDir: {
    flag: '--checkpoint-dir',
    value: 'DIR',
    default: '.tidemark/<job>',
    help: 'Where checkpoints, epoch and lock of the job are.',
  },
  taskCancellationTimeout: {
    flag: '--task-cancellation-timeout',
    value: 'TIME',
    default: '3m',
    help: 'A task that does not stop in this time takes its worker with it; disabled waits for ever.',
  },
  restartStrategy: {
    flag: '--restart-strategy',
    value: 'NAME',
    default: 'exponential-delay',
    help: 'none, fixed-delay, failure-rate or exponential-delay.',
  },
  channelCapacity: {
    flag: '--channel-capacity',
    value: 'N',
    default: '2048',
    help: 'Records that one channel between two tasks holds at most; between workers up to eight times as many, if its consumer takes those in 10 ms.',
  },
  batchSize: { flag: '--batch-size', value: 'N', default: '512', help: 'Records that are handed on at once.' },
  development: {
    flag: '--development',
    value: '',
    default: 'off',
    help: 'Freeze records; refuse at once what could not be sent or stored.',
  },
}

const CLEANUPS: Readonly<Record<string, CheckpointCleanup>> = {
  'no-externalized-checkpoints': 'no-externalized-checkpoints',
  'delete-on-cancellation': 'delete-on-cancellation',
  'retain-on-cancellation': 'retain-on-cancellation',
}
const MODES: Readonly<Record<string, CheckpointMode>> = {
  'exactly-once': 'exactly-once',
  'at-least-once': 'at-least-once',
}

/** Checks every option and fills in defaults; `INVALID_OPTION` names the option, the value and what is allowed. */
export function resolveOptions(options: ExecutionOptions): ResolvedOptions {
  const interval = switchable(options.checkpointInterval ?? '10s', 'checkpointInterval')
  const maxParallelism = integer(options.maxParallelism ?? 128, 'maxParallelism', 1, 32_768)
  return {
    parallelism: integer(options.parallelism ?? 1, 'parallelism', 1, maxParallelism),
    maxParallelism,
    workers: integer(options.workers ?? 0, 'workers', 0, 1024),
    checkpointMode: choice(options.checkpointMode ?? 'exactly-once', MODES, 'checkpointMode'),
    checkpointIntervalMs: interval,
    taskCancellationTimeoutMs: switchable(options.taskCancellationTimeout ?? '3m', 'taskCancellationTimeout'),
    checkpointTimeoutMs: positive(options.checkpointTimeout ?? '10m', 'checkpointTimeout'),
    minPauseBetweenCheckpointsMs: durationMs(options.minPauseBetweenCheckpoints ?? 0, 'minPauseBetweenCheckpoints'),
    maxConcurrentCheckpoints: integer(options.maxConcurrentCheckpoints ?? 1, 'maxConcurrentCheckpoints', 1, 1000),
    tolerableCheckpointFailureNumber: integer(
      options.tolerableCheckpointFailureNumber ?? 0,
      'tolerableCheckpointFailureNumber',
      0,
      Number.MAX_SAFE_INTEGER,
    ),
    externalizedCheckpointCleanup: choice(
      options.externalizedCheckpointCleanup ?? 'delete-on-cancellation',
      CLEANUPS,
      'externalizedCheckpointCleanup',
    ),
    checkpointsRetained: integer(options.checkpointsRetained ?? 1, 'checkpointsRetained', 1, 1000),
    restartStrategy: resolveRestartStrategy(
      options.restartStrategy ?? (interval === null ? 'none' : 'exponential-delay'),
    ),
    channelCapacity: integer(options.channelCapacity ?? 2048, 'channelCapacity', 1, 1 << 24),
    batchSize: integer(options.batchSize ?? 512, 'batchSize', 1, 1 << 20),
    development: options.development ?? false,
  }
}

/** Fills in Flink's defaults. */
export function resolveRestartStrategy(strategy: RestartStrategy | RestartStrategyName): ResolvedRestartStrategy {
  const given: RestartStrategy = typeof strategy === 'string' ? { kind: restartKind(strategy) } : strategy
  switch (given.kind) {
    case 'none':
      return { kind: 'none' }
    case 'fixed-delay':
      return {
        kind: 'fixed-delay',
        attempts: integer(given.attempts ?? 1, 'restartStrategy.attempts', 0, Number.MAX_SAFE_INTEGER),
        delayMs: durationMs(given.delay ?? '1s', 'restartStrategy.delay'),
      }
    case 'failure-rate':
      return {
        kind: 'failure-rate',
        maxFailuresPerInterval: integer(
          given.maxFailuresPerInterval ?? 1,
          'restartStrategy.maxFailuresPerInterval',
          1,
          Number.MAX_SAFE_INTEGER,
        ),
        failureRateIntervalMs: positive(given.failureRateInterval ?? '1m', 'restartStrategy.failureRateInterval'),
        delayMs: durationMs(given.delay ?? '1s', 'restartStrategy.delay'),
      }
    case 'exponential-delay':
      return exponentialDelay(given)
    default:
      restartKind((given as { kind: string }).kind)
      throw new TidemarkError('INVALID_OPTION', 'restartStrategy is not valid')
  }
}

function exponentialDelay(given: Extract<RestartStrategy, { kind: 'exponential-delay' }>): ResolvedRestartStrategy {
  const multiplier = given.backoffMultiplier ?? 1.5
  const jitter = given.jitterFactor ?? 0.1
  if (!(multiplier > 1)) throw invalid('restartStrategy.backoffMultiplier', multiplier, 'a number above 1')
  if (!(jitter >= 0 && jitter <= 1)) throw invalid('restartStrategy.jitterFactor', jitter, 'a number from 0 to 1')
  const attempts = given.attemptsBeforeResetBackoff ?? Number.POSITIVE_INFINITY
  if (!(attempts >= 1)) throw invalid('restartStrategy.attemptsBeforeResetBackoff', attempts, 'a number of at least 1')
  const initialBackoffMs = positive(given.initialBackoff ?? '1s', 'restartStrategy.initialBackoff')
  const maxBackoffMs = positive(given.maxBackoff ?? '1m', 'restartStrategy.maxBackoff')
  if (maxBackoffMs < initialBackoffMs)
    throw invalid('restartStrategy.maxBackoff', given.maxBackoff, 'at least initialBackoff')
  return {
    kind: 'exponential-delay',
    initialBackoffMs,
    maxBackoffMs,
    backoffMultiplier: multiplier,
    resetBackoffThresholdMs: positive(given.resetBackoffThreshold ?? '1h', 'restartStrategy.resetBackoffThreshold'),
    jitterFactor: jitter,
    attemptsBeforeResetBackoff: attempts,
  }
}

const RESTART_KINDS: Readonly<Record<string, RestartStrategyName>> = {
  none: 'none',
  'fixed-delay': 'fixed-delay',
  'failure-rate': 'failure-rate',
  'exponential-delay': 'exponential-delay',
}

function restartKind(name: string): RestartStrategyName {
  return choice(name, RESTART_KINDS, 'restartStrategy')
}

function switchable(value: Duration | 'disabled', name: string): number | null {
  if (value === 'disabled') return null
  const ms = durationMs(value, name)
  return ms === 0 ? null : ms
}

function positive(value: Duration, name: string): number {
  const ms = durationMs(value, name)
  if (ms === 0) throw invalid(name, value, 'a duration above zero')
  return ms
}

function integer(value: number, name: string, low: number, high: number): number {
  if (!Number.isInteger(value) || value < low || value > high)
    throw invalid(name, value, `a whole number from ${low} to ${high}`)
  return value
}

/** Accepts `exactly-once` and Flink's `EXACTLY_ONCE`. */
function choice<T extends string>(value: string, allowed: Readonly<Record<string, T>>, name: string): T {
  const found = allowed[value.toLowerCase().replaceAll('_', '-')]
  if (found === undefined) throw invalid(name, value, `one of ${Object.keys(allowed).join(', ')}`)
  return found
}

function invalid(name: string, value: unknown, allowed: string): TidemarkError {
  return new TidemarkError('INVALID_OPTION', `${name} is ${JSON.stringify(value)}`, { action: `Give ${allowed}.` })
}
