import { describe, expect, test } from 'vitest'
import type { ErrorInfo } from '../core/errors.ts'
import { EventReport } from './event-report.ts'

const options = { isVerbose: false, directory: '/project', ownPackage: '/project/node_modules/tidemark' }

function failure(position: string, reason = 'no whales'): ErrorInfo {
  return {
    name: 'TidemarkError',
    code: 'USER_FUNCTION',
    message: `operator map-1 failed on a record at ${position}: ${reason}`,
    action: 'Make the function accept it.',
    context: { operator: 'map-1', position },
    cause: { name: 'TypeError', message: reason, stack: `TypeError: ${reason}\n    at parse (/project/job.ts:4:37)` },
  }
}

/** The whole report of a failure. */
function full(attempt: number, position: string, reason: string): string {
  return [
    `attempt ${attempt} failed, restarting in 1.0 s: USER_FUNCTION: operator map-1 failed on a record at ${position}: ${reason}`,
    '  operator   map-1',
    `  position   ${position}`,
    `  because    TypeError: ${reason}`,
    '             at parse (job.ts:4:37)',
    '  what to do Make the function accept it.',
  ].join('\n')
}

describe('the report of a run’s events', () => {
  test('tells why an attempt failed in full, and in one line while it fails for the same reason', () => {
    const report = new EventReport(options)
    const tell = (attempt: number, error: ErrorInfo) =>
      report.describe({ kind: 'attempt-failed', attempt, error, restartInMs: 1000 })?.text
    expect(tell(1, failure('a.txt:7'))).toBe(full(1, 'a.txt:7', 'no whales'))
    expect(tell(2, failure('a.txt:9'))).toBe(
      'attempt 2 failed: USER_FUNCTION: operator map-1 failed on a record at a.txt:9: no whales; restarting in 1.0 s',
    )
    expect(tell(3, failure('a.txt:9', 'no sharks'))).toBe(full(3, 'a.txt:9', 'no sharks'))
    expect(tell(4, failure('a.txt:7'))).toBe(full(4, 'a.txt:7', 'no whales'))
  })

  test('leaves the last failure to the error report at the end', () => {
    const report = new EventReport(options)
    expect(report.describe({ kind: 'attempt-failed', attempt: 1, error: failure('a'), restartInMs: null })).toBeNull()
  })
})
