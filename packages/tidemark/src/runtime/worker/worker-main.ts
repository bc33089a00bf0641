/** What runs in a worker thread: becomes a task host for one attempt of one job. */
import { parentPort, workerData } from 'node:worker_threads'
import { assert, toErrorInfo } from '../../core/errors.ts'
import { systemClock } from '../job/system-clock.ts'
import { NodeFileSystem } from '../storage/node-file-system.ts'
import { HostedJobs } from './hosted-job.ts'
import {
  type FromTaskHost,
  type FromWorker,
  isEndOfTask,
  type ToTaskHost,
  type ToWorker,
  type WorkerStart,
} from './protocol.ts'
import type { WorkerData } from './spawn.ts'
import { startTaskHost } from './start-task-host.ts'
import type { TaskHost } from './task-host.ts'

/** How often the main thread hears what was counted. */
const METRICS_MS = 200

assert(parentPort !== null, 'this module runs in worker threads only')
const port = parentPort
const { hasSourceMaps } = workerData as WorkerData
if (hasSourceMaps) process.setSourceMapsEnabled(true)

let host: TaskHost | null = null
const early: ToTaskHost[] = []

const tell = (message: FromWorker) => port.postMessage(message)

function tellOfTask(message: FromTaskHost): void {
  // Before the end: when all tasks have ended, everything they counted is known.
  if (isEndOfTask(message)) tellMetrics()
  tell(message)
}

function tellMetrics(): void {
  if (host !== null) tell({ kind: 'metrics', metrics: host.metrics() })
}

function tellMetricsAgain(): void {
  systemClock.schedule(METRICS_MS, () => {
    tellMetrics()
    tellMetricsAgain()
  })
}

// Only listens: what becomes of the thread is as without it. The error as Node hands it on has lost its code and causes.
process.on('uncaughtExceptionMonitor', (error) => tell({ kind: 'crashing', error: toErrorInfo(error) }))

let jobs: HostedJobs | null = null

function become(start: WorkerStart): void {
  assert(jobs !== null, 'a worker is told to load before it is told to start')
  startTaskHost(start, jobs.named(start.plan.job), {
    clock: systemClock,
    files: new NodeFileSystem(),
    send: tellOfTask,
  }).then(
    (started) => {
      host = started
      for (const waiting of early.splice(0)) started.receive(waiting)
      tellMetricsAgain()
    },
    (error: unknown) => {
      tell({ kind: 'refused', error: toErrorInfo(error) })
      process.exit(1)
    },
  )
}

port.on('message', (message: ToWorker) => {
  if (message.kind === 'load') {
    process.argv = [...message.argv]
    // The main thread sees to other things meanwhile.
    jobs = new HostedJobs(message.module)
  } else if (message.kind === 'start-worker') become(message)
  else if (message.kind === 'exit') process.exit(0)
  else if (host === null) early.push(message)
  else host.receive(message)
})
