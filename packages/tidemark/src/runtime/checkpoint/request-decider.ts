import type { CheckpointPurpose } from './coordinator-contract.ts'

/** Requests that wait at the same time at most. */
export const MAX_QUEUED_REQUESTS = 1000

export interface CheckpointRequest {
  readonly token: number
  readonly purpose: CheckpointPurpose
  readonly isForced: boolean
}

export interface RequestDeciderOptions {
  readonly intervalMs: number | null
  readonly minPauseMs: number
  readonly maxConcurrent: number
}

/** What a decision depends on, besides the requests themselves. */
export interface TriggerFacts {
  readonly at: number
  readonly pending: number
  /** When all input has ended: a last checkpoint is due from this time on; null while one is under way. */
  readonly finalDueAt: number | null
  readonly isAllDataFinished: boolean
}

/** What to trigger: somebody's request, or null for one that nobody asked for. */
export interface TriggerDecision {
  readonly request: CheckpointRequest | null
}

/**
 * Decides when the next checkpoint may be triggered, and which: savepoints before forced requests before others, in order of arrival; then
 * the last checkpoint of bounded input; then the periodic one. Only the periodic one waits for interval and pause; everything but forced requests
 * waits for `maxConcurrent`.
 */
export class RequestDecider {
  private readonly options: RequestDeciderOptions
  private readonly periodMs: number | null
  private queue: CheckpointRequest[] = []
  private periodicAt = Number.POSITIVE_INFINITY
  private lastCompletedAt = Number.NEGATIVE_INFINITY
  private isPeriodicLate = false

  constructor(options: RequestDeciderOptions) {
    this.options = options
    // As Flink: an interval below the pause could never be kept.
    this.periodMs = options.intervalMs === null ? null : Math.max(options.intervalMs, options.minPauseMs)
  }

  /** An attempt starts: the first periodic checkpoint is due one interval from now. */
  start(at: number): void {
    this.isPeriodicLate = false
    this.periodicAt = this.periodMs === null ? Number.POSITIVE_INFINITY : at + this.periodMs
  }

  /** False: too many wait already. Who waits is never displaced. */
  submit(request: CheckpointRequest): boolean {
    if (this.queue.length >= MAX_QUEUED_REQUESTS) return false
    const behind = this.queue.findIndex((other) => rank(other) > rank(request))
    this.queue.splice(behind === -1 ? this.queue.length : behind, 0, request)
    return true
  }

  /** Takes all requests out of the queue. */
  drain(): readonly CheckpointRequest[] {
    const drained = this.queue
    this.queue = []
    return drained
  }

  /** A checkpoint (not a savepoint) completed: the pause begins. */
  onCompleted(at: number): void {
    this.lastCompletedAt = at
  }

  /** The checkpoint to trigger now, taken out of the queue; null when none is. */
  next(facts: TriggerFacts): TriggerDecision | null {
    const [first] = this.queue
    const hasRoom = facts.pending < this.options.maxConcurrent
    if (first !== undefined && (first.isForced || hasRoom)) {
      this.queue.shift()
      return { request: first }
    }
    if (facts.isAllDataFinished) {
      const { finalDueAt, at } = facts
      return hasRoom && finalDueAt !== null && at >= finalDueAt ? { request: null } : null
    }
    return this.tryPeriodic(facts.at, hasRoom) ? { request: null } : null
  }

  /** When `next` will have something to trigger though nothing else happens; null: never. */
  deadline(facts: TriggerFacts): number | null {
    if (facts.pending >= this.options.maxConcurrent) return null
    if (facts.isAllDataFinished) return facts.finalDueAt
    if (this.periodMs === null) return null
    return Math.max(this.periodicAt, this.pauseEndsAt)
  }

  private get pauseEndsAt(): number {
    return this.lastCompletedAt + this.options.minPauseMs
  }

  /** Keeps the rate while checkpoints are triggered when they are due; one that had to wait starts the interval anew. */
  private tryPeriodic(at: number, hasRoom: boolean): boolean {
    if (this.periodMs === null || at < this.periodicAt) return false
    if (!hasRoom || at < this.pauseEndsAt) {
      this.isPeriodicLate = true
      return false
    }
    const inStep = this.periodicAt + this.periodMs
    this.periodicAt = this.isPeriodicLate || inStep <= at ? at + this.periodMs : inStep
    this.isPeriodicLate = false
    return true
  }
}

function rank({ purpose, isForced }: CheckpointRequest): number {
  if (purpose === 'savepoint') return 0
  return isForced ? 1 : 2
}
