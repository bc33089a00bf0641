/**
 * From the first record to the last, over all threads of a job: what Flink's figure is, too. Used by job files; each thread that saw records writes when its first was made and its last
 * was counted, in nanoseconds of the monotonic clock, to a file in STOPWATCH_DIRECTORY when it ends.
 */
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { threadId } from 'node:worker_threads'

/** The clock is looked at once in so many records: no more of them are missing at the end. */
const RECORDS_PER_LOOK = 64

const directory = process.env['STOPWATCH_DIRECTORY']
/** For processes that do not live to their end: gets the time of day of each thread's first record, at once. */
const firstRecords = process.env['STOPWATCH_FIRST_RECORDS']
let hasStarted = false
let first = 0n
let last = 0n
let records = 0

/** A record is being made. */
export function started(): void {
  if (hasStarted) return
  hasStarted = true
  first = process.hrtime.bigint()
  if (firstRecords !== undefined) appendFileSync(firstRecords, `${Date.now()}\n`)
}

/** A record has come to the end. */
export function ended(): void {
  if (++records % RECORDS_PER_LOOK === 0) last = process.hrtime.bigint()
}

if (directory !== undefined) {
  process.on('exit', () => {
    if (hasStarted || records > 0) appendFileSync(join(directory, `thread-${threadId}`), `${first} ${last}\n`)
  })
}
