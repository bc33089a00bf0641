import { resolve } from 'node:path'
import { isTidemarkError, toErrorInfo } from '../core/errors.ts'
import type { JobDefinition } from '../core/job.ts'
import type { JobHandle, JobResult, RunOptions } from '../runtime/job/contract.ts'
import type { RunCommand } from './command-line.ts'
import { EXIT, exitCodeOfError, exitCodeOfSignal, type StopSignal } from './exit-codes.ts'
import type { Host } from './host.ts'
import { readParameters } from './parameters.ts'
import { JsonReporter, LineReporter, LiveReporter, type Reporter, TwoReporters } from './reporter.ts'
import { resumeCommand } from './resume-command.ts'

/** What the command line needs of the rest. */
export interface Engine {
  /** The job that a file exports, and what is odd about the file. */
  load(file: string): Promise<{ readonly job: JobDefinition; readonly warnings: readonly string[] }>
  run(job: JobDefinition, options: RunOptions): JobHandle
  /** The folder of the package. */
  readonly ownPackage: string
}

/**
 * npm passes on signals that the terminal has sent to the whole group already: the job gets each twice. The second of such a pair is no wish to quit at once.
 */
const ECHO_MS = 500

/** Loads, runs and reports a job; gives the exit code. */
export async function runCommand(command: RunCommand, host: Host, engine: Engine): Promise<number> {
  const report = { isVerbose: command.isVerbose, directory: host.directory, ownPackage: engine.ownPackage }
  let reporter = chooseReporter(command, host, { ...report, job: command.file })
  const stop = new StopOnSignal(host)
  try {
    const file = resolve(host.directory, command.file)
    host.showArguments(file, command.jobArguments)
    const { job, warnings } = await engine.load(file)
    reporter.close()
    reporter = chooseReporter(command, host, { ...report, job: job.name })
    for (const warning of warnings) reporter.notice({ level: 'warning', text: warning })
    const handle = engine.run(job, await runOptions(command, job))
    return await follow(handle, host, reporter, stop)
  } catch (error) {
    const exitCode = exitCodeOfError(isTidemarkError(error) ? error.code : undefined)
    reporter.error(toErrorInfo(error), exitCode)
    return exitCode
  } finally {
    stop.close()
    reporter.close()
  }
}

async function runOptions(command: RunCommand, job: JobDefinition): Promise<RunOptions> {
  const settings = job.takesParams ? [...command.settings, ...command.argumentSettings] : command.settings
  return {
    ...command.execution,
    ...(settings.length === 0 ? {} : { params: await readParameters(job, settings) }),
    ...(command.from === null ? {} : { from: command.from }),
    ...(command.isFresh ? { fresh: true } : {}),
    ...(command.allowsDuplicates ? { allowDuplicates: true } : {}),
  }
}

async function follow(handle: JobHandle, host: Host, reporter: Reporter, stop: StopOnSignal): Promise<number> {
  const stopListening = handle.on((event) => reporter.event(event))
  const interval = reporter.metricsIntervalMs
  const stopReading = interval === null ? () => {} : host.every(interval, () => reporter.metrics(handle.metrics()))
  const stopCatching = host.onUncaught((error) => {
    // As after a kill: nothing that is not in a checkpoint counts, and the same command goes on.
    reporter.error(toErrorInfo(error), EXIT.failed)
    host.exit(EXIT.failed)
  })
  stop.onFirst((signal) => {
    reporter.notice({ level: 'info', text: `${signal}: suspending; once more quits at once` })
    // The outcome is that of `result`.
    handle.stop().catch(() => {})
  })
  try {
    const result = await handle.result
    stopReading()
    const exitCode = exitCodeOfResult(result)
    reporter.result(result, exitCode)
    if (result.status === 'suspended') {
      const how = result.checkpoint === null ? 'to start again' : 'to go on'
      reporter.notice({ level: 'info', text: `${how}: ${resumeCommand(host.argv, host.platform)}` })
    }
    return exitCode
  } finally {
    stopReading()
    stopListening()
    stopCatching()
  }
}

function exitCodeOfResult({ status }: JobResult): number {
  return EXIT[status]
}

function chooseReporter(
  command: RunCommand,
  host: Host,
  options: ConstructorParameters<typeof LineReporter>[1],
): Reporter {
  if (command.isJson) {
    const json = new JsonReporter(host, options.job)
    return command.isLive === true ? new TwoReporters(json, new LiveReporter(host, options)) : json
  }
  const isLive = command.isLive ?? (host.stderr.isTerminal && host.environment['TERM'] !== 'dumb')
  return isLive ? new LiveReporter(host, options) : new LineReporter(host, options)
}

/** The first signal suspends, the second ends the process; before there is anything to suspend, the first ends it. */
class StopOnSignal {
  private readonly host: Host
  private readonly stopListening: () => void
  private firstAt: number | null = null
  private suspend: ((signal: StopSignal) => void) | null = null

  constructor(host: Host) {
    this.host = host
    this.stopListening = host.onSignal((signal) => this.receive(signal))
  }

  onFirst(suspend: (signal: StopSignal) => void): void {
    this.suspend = suspend
  }

  close(): void {
    this.stopListening()
  }

  private receive(signal: StopSignal): void {
    const now = this.host.monotonic()
    if (this.firstAt !== null && now - this.firstAt < ECHO_MS) return
    if (this.suspend === null || this.firstAt !== null) {
      this.host.exit(exitCodeOfSignal(signal))
      return
    }
    this.firstAt = now
    this.suspend(signal)
  }
}
