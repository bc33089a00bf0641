import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { isMainThread, threadId } from 'node:worker_threads'

const INTERVAL_MS = 10
/** The timer is watched once the thread has loaded and compiled what it runs. */
const SKIPPED_TICKS = 100
/** So many ticks are written at once: a write a second. */
const TICKS_PER_WRITE = 100

/** Starts a timer of 10 ms that does not keep the thread alive; appends how many milliseconds late it was, one line per tick, to `main-0` or `worker-ID` in the directory. */
export function watchLateness(directory: string): void {
  const file = join(directory, `${isMainThread ? 'main' : 'worker'}-${threadId}`)
  let ticks: number[] = []
  let skipped = 0
  let before = performance.now()
  const timer = setInterval(() => {
    const now = performance.now()
    if (skipped < SKIPPED_TICKS) skipped++
    else ticks.push(Math.max(0, now - before - INTERVAL_MS))
    before = now
    if (ticks.length < TICKS_PER_WRITE) return
    appendFileSync(file, `${ticks.map((late) => late.toFixed(2)).join('\n')}\n`)
    ticks = []
    // What the write took is not lateness.
    before = performance.now()
  }, INTERVAL_MS)
  timer.unref()
}
