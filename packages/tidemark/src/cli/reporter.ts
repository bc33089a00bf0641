import type { ErrorInfo } from '../core/errors.ts'
import type { JobEvent, JobMetrics, JobResult } from '../runtime/job/contract.ts'
import { renderError, type ReportOptions } from './error-report.ts'
import { describeResult, type Line } from './event-lines.ts'
import { EventReport } from './event-report.ts'
import type { Host } from './host.ts'
import { LiveLine, renderLiveLine } from './live-line.ts'
import { RateMeter } from './rate-meter.ts'

/** Tells whoever started the job what happens. One implementation per kind of reader. */
export interface Reporter {
  /** How often `metrics` is wanted. */
  readonly metricsIntervalMs: number | null
  event(event: JobEvent): void
  metrics(metrics: JobMetrics): void
  notice(line: Line): void
  result(result: JobResult, exitCode: number): void
  error(error: ErrorInfo, exitCode: number): void
  close(): void
}

export interface ReporterOptions extends ReportOptions {
  readonly job: string
}

/** Lines on standard error with the time: for log collectors. Standard output is left to the job. */
export class LineReporter implements Reporter {
  readonly metricsIntervalMs = null
  private readonly host: Host
  private readonly options: ReporterOptions
  private readonly events: EventReport

  constructor(host: Host, options: ReporterOptions) {
    this.host = host
    this.options = options
    this.events = new EventReport(options)
  }

  event(event: JobEvent): void {
    const line = this.events.describe(event)
    if (line !== null) this.notice(line)
  }

  metrics(): void {}

  notice({ level, text }: Line): void {
    if (level === 'detail' && !this.options.isVerbose) return
    const time = new Date(this.host.now()).toISOString()
    this.host.stderr.write(`${time} ${level === 'warning' ? 'WARN' : 'INFO'} ${this.options.job}: ${text}\n`)
  }

  result(result: JobResult): void {
    for (const text of describeResult(result)) this.notice({ level: 'info', text })
  }

  error(error: ErrorInfo): void {
    const time = new Date(this.host.now()).toISOString()
    this.host.stderr.write(`${time} ERROR ${this.options.job}: ${renderError(error, this.options)}\n`)
  }

  close(): void {}
}

/** A live line with what matters above it: for people at a terminal. */
export class LiveReporter implements Reporter {
  readonly metricsIntervalMs = 250
  private readonly host: Host
  private readonly options: ReporterOptions
  private readonly events: EventReport
  private readonly line: LiveLine
  private readonly rate = new RateMeter()
  private readonly stopListening: () => void

  constructor(host: Host, options: ReporterOptions) {
    this.host = host
    this.options = options
    this.events = new EventReport(options)
    this.line = new LiveLine(host.stderr)
    // Counted from here, so that the first line shows a rate already.
    this.rate.read(host.monotonic(), 0)
    this.stopListening = host.onForeignWrite((text) => this.line.makeRoomFor(text))
  }

  event(event: JobEvent): void {
    // The line itself shows them.
    if (event.kind === 'checkpoint-completed' && !this.options.isVerbose) return
    const line = this.events.describe(event)
    if (line !== null) this.notice(line)
  }

  metrics(metrics: JobMetrics): void {
    const recordsPerSecond = this.rate.read(this.host.monotonic(), metrics.sourceRecords)
    const hint = this.host.environment['TIDEMARK_HINT'] ?? ''
    const view = { job: this.options.job, metrics, recordsPerSecond, hint }
    // In the last column some terminals begin a new line.
    this.line.draw(renderLiveLine(view, this.host.stderr.columns - 1))
  }

  notice({ level, text }: Line): void {
    if (level === 'detail' && !this.options.isVerbose) return
    this.line.print(`${level === 'warning' ? 'warning: ' : ''}${text}`)
  }

  result(result: JobResult): void {
    for (const text of describeResult(result)) this.line.print(text)
  }

  error(error: ErrorInfo): void {
    this.line.print(`error ${renderError(error, this.options)}`)
  }

  close(): void {
    this.line.clear()
    this.stopListening()
  }
}

/** Events as they are, on standard output: for programs. */
export class JsonReporter implements Reporter {
  readonly metricsIntervalMs = 5000
  private readonly host: Host
  private readonly job: string

  constructor(host: Host, job: string) {
    this.host = host
    this.job = job
  }

  event(event: JobEvent): void {
    this.write({ ...event })
  }

  metrics(metrics: JobMetrics): void {
    this.write({ kind: 'metrics', ...metrics })
  }

  notice({ level, text }: Line): void {
    this.write({ kind: 'notice', level, message: text })
  }

  result(result: JobResult, exitCode: number): void {
    this.write({ kind: 'result', exitCode, ...result })
  }

  error(error: ErrorInfo, exitCode: number): void {
    this.write({ kind: 'error', exitCode, error })
  }

  close(): void {}

  private write(entry: Readonly<Record<string, unknown>> & { readonly kind: string }): void {
    const time = new Date(this.host.now()).toISOString()
    this.host.stdout.write(`${JSON.stringify({ time, job: this.job, ...entry })}\n`)
  }
}

/** Tells two readers: a program on standard output, and whoever looks at the terminal. */
export class TwoReporters implements Reporter {
  readonly metricsIntervalMs: number | null
  private readonly reporters: readonly [Reporter, Reporter]

  constructor(...reporters: readonly [Reporter, Reporter]) {
    const intervals = reporters.map(({ metricsIntervalMs }) => metricsIntervalMs ?? Number.POSITIVE_INFINITY)
    const least = Math.min(...intervals)
    this.metricsIntervalMs = least === Number.POSITIVE_INFINITY ? null : least
    this.reporters = reporters
  }

  event(event: JobEvent): void {
    for (const reporter of this.reporters) reporter.event(event)
  }

  metrics(metrics: JobMetrics): void {
    for (const reporter of this.reporters) reporter.metrics(metrics)
  }

  notice(line: Line): void {
    for (const reporter of this.reporters) reporter.notice(line)
  }

  result(result: JobResult, exitCode: number): void {
    for (const reporter of this.reporters) reporter.result(result, exitCode)
  }

  error(error: ErrorInfo, exitCode: number): void {
    for (const reporter of this.reporters) reporter.error(error, exitCode)
  }

  close(): void {
    for (const reporter of this.reporters) reporter.close()
  }
}
