import type { Random } from '../../core/clock.ts'
import { unreachable } from '../../core/errors.ts'
import type { ResolvedRestartStrategy } from '../../core/options.ts'

export type RestartDecision =
  | { readonly kind: 'restart'; readonly delayMs: number }
  /** `why` completes "the job is not restarted: …". */
  | { readonly kind: 'give-up'; readonly why: string }

/** Flink's name for what decides whether and when a failed job starts again. Remembers what happened: one per job and process. */
export interface RestartBackoffTimeStrategy {
  /** An attempt failed at `atMs` (monotonic). Several failures of one attempt may be told one by one. */
  onFailure(atMs: number): RestartDecision
}

type Options<Kind extends ResolvedRestartStrategy['kind']> = Extract<ResolvedRestartStrategy, { kind: Kind }>

/** The semantics are those of Flink 2: FixedDelay-, FailureRate- and ExponentialDelayRestartBackoffTimeStrategy. */
export function createRestartStrategy(resolved: ResolvedRestartStrategy, random: Random): RestartBackoffTimeStrategy {
  switch (resolved.kind) {
    case 'none':
      return { onFailure: () => ({ kind: 'give-up', why: 'its restart strategy is none' }) }
    case 'fixed-delay':
      return new FixedDelay(resolved)
    case 'failure-rate':
      return new FailureRate(resolved)
    case 'exponential-delay':
      return new ExponentialDelay(resolved, random)
    default:
      return unreachable(resolved)
  }
}

/** Restarts `attempts` times in all, however long it ran between. */
class FixedDelay implements RestartBackoffTimeStrategy {
  private readonly options: Options<'fixed-delay'>
  private failures = 0

  constructor(options: Options<'fixed-delay'>) {
    this.options = options
  }

  onFailure(): RestartDecision {
    const { attempts, delayMs } = this.options
    this.failures++
    if (this.failures <= attempts) return { kind: 'restart', delayMs }
    return { kind: 'give-up', why: `it failed ${this.failures} times and ${attempts} restarts are allowed` }
  }
}

/** Gives up when the failure before the last `maxFailuresPerInterval` ones is not older than the interval. */
class FailureRate implements RestartBackoffTimeStrategy {
  private readonly options: Options<'failure-rate'>
  /** The last `maxFailuresPerInterval + 1`, oldest first. */
  private failures: number[] = []

  constructor(options: Options<'failure-rate'>) {
    this.options = options
  }

  onFailure(atMs: number): RestartDecision {
    const { maxFailuresPerInterval, failureRateIntervalMs, delayMs } = this.options
    this.failures = [...this.failures, atMs].slice(-(maxFailuresPerInterval + 1))
    const [earliest] = this.failures
    const isFull = this.failures.length > maxFailuresPerInterval
    if (!isFull || atMs - earliest! > failureRateIntervalMs) return { kind: 'restart', delayMs }
    return {
      kind: 'give-up',
      why: `it failed ${this.failures.length} times within ${failureRateIntervalMs} ms and ${maxFailuresPerInterval} are allowed`,
    }
  }
}

/** Waits longer and longer, until it ran for `resetBackoffThresholdMs` after a restart. Failures during a wait belong to the same attempt. */
class ExponentialDelay implements RestartBackoffTimeStrategy {
  private readonly options: Options<'exponential-delay'>
  private readonly random: Random
  private attempts = 0
  private nextRestartAt = Number.NEGATIVE_INFINITY

  constructor(options: Options<'exponential-delay'>, random: Random) {
    this.options = options
    this.random = random
  }

  onFailure(atMs: number): RestartDecision {
    const { resetBackoffThresholdMs, attemptsBeforeResetBackoff } = this.options
    if (atMs > this.nextRestartAt) {
      if (atMs - this.nextRestartAt >= resetBackoffThresholdMs) this.attempts = 0
      this.nextRestartAt = atMs + this.backoffMs()
      this.attempts++
    }
    if (this.attempts <= attemptsBeforeResetBackoff) return { kind: 'restart', delayMs: this.nextRestartAt - atMs }
    return {
      kind: 'give-up',
      why: `it failed ${this.attempts} times without running for ${resetBackoffThresholdMs} ms and ${attemptsBeforeResetBackoff} restarts are allowed`,
    }
  }

  private backoffMs(): number {
    const { initialBackoffMs, maxBackoffMs, backoffMultiplier, jitterFactor } = this.options
    const grown = Math.floor(initialBackoffMs * backoffMultiplier ** this.attempts)
    const base = Math.min(grown, Number.MAX_SAFE_INTEGER)
    const offset = Math.floor(base * jitterFactor)
    const jitter = Math.floor(this.random.next() * (2 * offset + 1)) - offset
    return Math.max(initialBackoffMs, Math.min(base + jitter, maxBackoffMs))
  }
}
