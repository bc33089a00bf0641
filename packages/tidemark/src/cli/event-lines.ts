import { type ErrorInfo, unreachable } from '../core/errors.ts'
import type { JobEvent, JobMetrics, JobResult } from '../runtime/job/contract.ts'
import { formatBytes, formatCount, formatDuration, formatNumberOf } from './format.ts'
import { visible } from './error-report.ts'

/** `detail`: only for those who asked for more. */
export interface Line {
  readonly level: 'detail' | 'info' | 'warning'
  readonly text: string
}

/** What an event says to people; null where the summary at the end, or the error report, says it. */
export function describeEvent(event: JobEvent): Line | null {
  switch (event.kind) {
    case 'started':
      return info(`${event.attempt === 1 ? '' : `attempt ${event.attempt}: `}${describeStart(event)}`)
    case 'status':
      return event.status === 'stopping' ? info('stopping after a last checkpoint') : detail(`status: ${event.status}`)
    case 'checkpoint-triggered':
      return detail(`checkpoint ${event.checkpoint} triggered`)
    case 'checkpoint-completed':
      return info(
        `checkpoint ${event.checkpoint} completed in ${formatDuration(event.durationMs)}, ${formatBytes(event.bytes)}`,
      )
    case 'checkpoint-committed':
      return detail(`checkpoint ${event.checkpoint} committed`)
    case 'checkpoint-failed':
      // No failure of its own: the job was told to stop, or the attempt has failed, which is told.
      if (event.reason === 'attempt-stopped')
        return detail(`checkpoint ${event.checkpoint} dropped: the attempt stopped`)
      return warning(
        `checkpoint ${event.checkpoint} failed: ${event.reason}${event.error === null ? '' : ` (${shortError(event.error)})`}`,
      )
    case 'attempt-failed':
      // For good: reported in full at the end.
      if (event.restartInMs === null) return null
      return warning(
        `attempt ${event.attempt} failed: ${shortError(event.error)}; restarting in ${formatDuration(event.restartInMs)}`,
      )
    case 'warning':
      return warning(event.message)
    default:
      return unreachable(event)
  }
}

function describeStart({ from }: Extract<JobEvent, { kind: 'started' }>): string {
  return from.kind === 'fresh' ? 'started fresh' : `resumed from checkpoint ${from.checkpoint} (${from.path})`
}

/** One line: code, where, what, and the innermost cause, which is mostly the user's own. */
export function shortError(error: ErrorInfo): string {
  const { operator, position } = error.context ?? {}
  const parts = [operator === undefined ? '' : ` in ${operator}`, position === undefined ? '' : ` at ${position}`]
  const where = parts.filter((part) => part !== '' && !error.message.includes(part.slice(4))).join('')
  let root = error
  while (root.cause !== undefined) root = root.cause
  const why = root === error || error.message.includes(root.message) ? '' : `: ${firstLine(root.message)}`
  return visible(`${error.code ?? error.name}${where}: ${firstLine(error.message)}${why}`)
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0]!
}

/** What a run that ended well has done. */
export function describeResult(result: JobResult): readonly string[] {
  const { metrics, checkpoint, status } = result
  const seconds = metrics.elapsedMs / 1000
  const rate = seconds > 0 ? `, ${formatCount(metrics.sourceRecords / seconds)} records/s` : ''
  return [
    `${status === 'canceled' ? 'cancelled' : status}: ${formatNumberOf(metrics.sourceRecords, 'record')} in ${formatDuration(metrics.elapsedMs)}${rate}`,
    describeCheckpoints(metrics),
    ...(checkpoint === null ? [] : [`newest checkpoint: ${checkpoint.checkpoint} (${checkpoint.path})`]),
  ]
}

function describeCheckpoints({ checkpointsCompleted, checkpointsFailed, medianCheckpointMs }: JobMetrics): string {
  const median = medianCheckpointMs === null ? '' : `, median ${formatDuration(medianCheckpointMs)}`
  const failed = checkpointsFailed === 0 ? '' : `, ${checkpointsFailed} failed`
  return `${formatNumberOf(checkpointsCompleted, 'checkpoint')}${median}${failed}`
}

function detail(text: string): Line {
  return { level: 'detail', text }
}

function info(text: string): Line {
  return { level: 'info', text }
}

function warning(text: string): Line {
  return { level: 'warning', text }
}
