/** The control of `responsiveness`: two workers that do nothing but spin, in slices of 10 ms, for ten seconds. */
import { fileURLToPath } from 'node:url'
import { isMainThread, Worker } from 'node:worker_threads'
import { watchLateness } from '../harness/lateness.ts'

const SLICE_MS = 10
const DURATION_MS = 10_000

watchLateness(process.env['LATENESS_DIRECTORY'] ?? '')
if (isMainThread) for (let count = 0; count < 2; count++) start()
else spin(performance.now() + DURATION_MS)

function start(): Worker {
  return new Worker(fileURLToPath(import.meta.url))
}

function spin(until: number): void {
  const end = performance.now() + SLICE_MS
  while (performance.now() < end);
  if (end < until) setImmediate(spin, until)
}
