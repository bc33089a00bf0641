import type { ErrorInfo } from '../core/errors.ts'
import type { JobEvent } from '../runtime/job/contract.ts'
import { renderError, type ReportOptions } from './error-report.ts'
import { describeEvent, type Line } from './event-lines.ts'
import { formatDuration } from './format.ts'

/** What events say to people, over a whole run. Restarts may go on for ever, each for the same reason: it is told in full once, then in a line. */
export class EventReport {
  private readonly options: ReportOptions
  private told: string | null = null

  constructor(options: ReportOptions) {
    this.options = options
  }

  describe(event: JobEvent): Line | null {
    if (event.kind !== 'attempt-failed' || event.restartInMs === null) return describeEvent(event)
    const { attempt, error, restartInMs } = event
    const reason = reasonOf(error)
    if (reason === this.told) return describeEvent(event)
    this.told = reason
    const head = `attempt ${attempt} failed, restarting in ${formatDuration(restartInMs)}`
    return { level: 'warning', text: `${head}: ${renderError(error, this.options)}` }
  }
}

/** Not where the record was: after a restart another one may be first to fail for the same reason. */
function reasonOf(error: ErrorInfo): string {
  let root = error
  while (root.cause !== undefined) root = root.cause
  return JSON.stringify([error.code, error.context?.operator, root.name, root.message])
}
