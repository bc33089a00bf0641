import type { JobMetrics } from '../runtime/job/contract.ts'
import { formatCount, formatDuration, formatNumberOf, formatShare } from './format.ts'
import type { Output } from './host.ts'

export interface LiveView {
  readonly job: string
  readonly metrics: JobMetrics
  readonly recordsPerSecond: number
  /** What the reader may do, or an empty text. */
  readonly hint: string
}

/** The line of a running job, no longer than `columns`. What matters most comes first: what does not fit is cut off. */
export function renderLiveLine({ job, metrics, recordsPerSecond, hint }: LiveView, columns: number): string {
  const { checkpointsCompleted, checkpointsFailed, lastCheckpoint, restarts } = metrics
  const last = lastCheckpoint === null ? '' : ` (last ${formatDuration(lastCheckpoint.durationMs)})`
  const failed = checkpointsFailed === 0 ? '' : `, ${checkpointsFailed} failed`
  const parts = [
    `${job} ${metrics.status}`,
    `${formatCount(recordsPerSecond)} records/s`,
    `${formatNumberOf(checkpointsCompleted, 'checkpoint')}${last}${failed}`,
    `back pressure ${formatShare(metrics.backPressure)}`,
    ...(restarts === 0 ? [] : [formatNumberOf(restarts, 'restart')]),
    `${formatCount(metrics.sourceRecords)} records in ${formatDuration(metrics.elapsedMs)}`,
    ...(hint === '' ? [] : [hint]),
  ]
  return fit(parts.join(' · '), columns)
}

/** At most `columns` characters of one line; control characters would move the cursor. */
export function fit(text: string, columns: number): string {
  const characters = Array.from(text.replaceAll(/\p{Cc}+/gu, ' '))
  if (characters.length <= columns) return characters.join('')
  return columns < 1 ? '' : `${characters.slice(0, columns - 1).join('')}…`
}

const CLEAR_LINE = '\r\u001B[K'

/** One line at the bottom of a terminal that is drawn over, with lasting lines above it. */
export class LiveLine {
  private readonly output: Output
  private drawn: string | null = null
  private isCursorElsewhere = false

  constructor(output: Output) {
    this.output = output
  }

  draw(text: string): void {
    // Somebody else has begun a line: it must not be cleared.
    if (text === this.drawn || this.isCursorElsewhere) return
    this.output.write(`${CLEAR_LINE}${text}`)
    this.drawn = text
  }

  /** Writes a line that stays. */
  print(line: string): void {
    this.clear()
    this.output.write(`${this.isCursorElsewhere ? '\n' : ''}${line}\n`)
    this.isCursorElsewhere = false
  }

  clear(): void {
    if (this.drawn === null) return
    this.output.write(CLEAR_LINE)
    this.drawn = null
  }

  /** Somebody else is about to write to the same terminal. */
  makeRoomFor(text: string): void {
    this.clear()
    if (text !== '') this.isCursorElsewhere = !text.endsWith('\n')
  }
}
