import { toErrorInfo } from '../../core/errors.ts'
import type { Clock } from '../../core/clock.ts'
import type { OperatorId } from '../../core/ids.ts'
import type { HostMetrics } from '../worker/task-host.ts'
import type { CheckpointSummary, JobEvent, JobMetrics, JobStatus, OperatorMetrics } from './contract.ts'

/** How many of the newest checkpoint durations the median is taken over. */
const DURATIONS_KEPT = 1000

/** What a job tells the outside: its status, events and counts over all attempts. */
export class JobProgress {
  private readonly clock: Clock
  private readonly startedAt: number
  private readonly listeners = new Set<(event: JobEvent) => void>()
  private started: JobEvent | null = null
  private statusNow: JobStatus = 'created'
  private isEndTold = false
  private completed = 0
  private failed = 0
  private restarts = 0
  private last: CheckpointSummary | null = null
  private readonly durations: number[] = []
  /** Counts of attempts that have ended. */
  private readonly past = new Map<OperatorId, OperatorMetrics>()
  private pastSourceRecords = 0
  private present: (() => HostMetrics) | null = null

  constructor(clock: Clock) {
    this.clock = clock
    this.startedAt = clock.monotonic()
  }

  get status(): JobStatus {
    return this.statusNow
  }

  get lastCheckpoint(): CheckpointSummary | null {
    return this.last
  }

  on(listener: (event: JobEvent) => void): () => void {
    this.listeners.add(listener)
    if (this.started !== null) listener(this.started)
    return () => void this.listeners.delete(listener)
  }

  emit(event: JobEvent): void {
    if (event.kind === 'started') this.started = event
    else if (event.kind === 'checkpoint-completed') this.onCompleted(event)
    else if (event.kind === 'checkpoint-failed') this.failed += event.reason === 'attempt-stopped' ? 0 : 1
    else if (event.kind === 'attempt-failed' && event.restartInMs !== null) this.restarts++
    else if (event.kind === 'attempt-failed') this.isEndTold = true
    for (const listener of this.listeners) listener(event)
  }

  /** The job has failed for good; told once, also where an attempt's failure has said so. */
  fail(error: unknown): void {
    if (!this.isEndTold) this.emit({ kind: 'attempt-failed', attempt: 0, error: toErrorInfo(error), restartInMs: null })
    this.setStatus('failed')
  }

  setStatus(status: JobStatus): void {
    if (status === this.statusNow) return
    this.statusNow = status
    this.emit({ kind: 'status', status })
  }

  /** From now on the counts come from this attempt too. */
  attemptStarted(metrics: () => HostMetrics): void {
    this.present = metrics
  }

  attemptEnded(): void {
    const metrics = this.present?.()
    this.present = null
    if (metrics === undefined) return
    this.pastSourceRecords += metrics.sourceRecords
    for (const operator of addUp(this.past, metrics)) this.past.set(operator.operator as OperatorId, operator)
  }

  metrics(): JobMetrics {
    const present = this.present?.() ?? null
    return {
      status: this.statusNow,
      elapsedMs: this.clock.monotonic() - this.startedAt,
      sourceRecords: this.pastSourceRecords + (present?.sourceRecords ?? 0),
      checkpointsCompleted: this.completed,
      checkpointsFailed: this.failed,
      lastCheckpoint: this.last,
      medianCheckpointMs: median(this.durations),
      restarts: this.restarts,
      backPressure: present?.backPressure ?? 0,
      operators: present === null ? [...this.past.values()] : addUp(this.past, present),
    }
  }

  private onCompleted({ checkpoint, path, durationMs, bytes }: CheckpointSummary): void {
    this.completed++
    this.last = { checkpoint, path, durationMs, bytes }
    this.durations.push(durationMs)
    if (this.durations.length > DURATIONS_KEPT) this.durations.shift()
  }
}

function addUp(past: ReadonlyMap<OperatorId, OperatorMetrics>, present: HostMetrics): readonly OperatorMetrics[] {
  const operators = new Map(past)
  for (const [operator, counts] of present.operators) {
    const before = operators.get(operator)
    operators.set(operator, {
      operator,
      recordsIn: (before?.recordsIn ?? 0) + counts.recordsIn,
      recordsOut: (before?.recordsOut ?? 0) + counts.recordsOut,
      skipped: (before?.skipped ?? 0) + counts.skipped,
      deadLetters: (before?.deadLetters ?? 0) + counts.deadLetters,
    })
  }
  return [...operators.values()]
}

function median(values: readonly number[]): number | null {
  if (values.length === 0) return null
  const sorted = [...values].sort((left, right) => left - right)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
