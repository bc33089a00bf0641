import { expect, test } from 'vitest'
import { defineJob } from '../../api/define-job.ts'
import { forEachSink } from '../../connectors/for-each.ts'
import { fromArray } from '../../connectors/from-iterable.ts'
import { MemoryFileSystem } from '../../testing/simulator/memory-file-system.ts'
import { SeededRandom } from '../../testing/simulator/seeded-random.ts'
import type { FromWorker, ToTaskHost, ToWorker } from '../worker/protocol.ts'
import { startTaskHost } from '../worker/start-task-host.ts'
import type { TaskHost } from '../worker/task-host.ts'
import type { WorkerThread } from '../worker/worker-host.ts'
import type { ThreadEnd } from '../worker/worker-lost.ts'
import { JobMaster } from './job-master.ts'
import { systemClock } from './system-clock.ts'

const job = defineJob('ends', (builder) => {
  builder.source('numbers', fromArray([1, 2, 3])).to(
    'nowhere',
    forEachSink(() => {}),
  )
})

/** What a worker does, in this thread. It leaves when it is told to, and when the test lets it. */
class HeldThread implements WorkerThread {
  private readonly files: MemoryFileSystem
  private readonly mayLeave: Promise<void>
  private host: TaskHost | null = null
  private readonly early: ToTaskHost[] = []
  private onMessage: (message: FromWorker) => void = () => {}
  private onEnd: (end: ThreadEnd) => void = () => {}

  constructor(files: MemoryFileSystem, mayLeave: Promise<void>) {
    this.files = files
    this.mayLeave = mayLeave
  }

  post(message: ToWorker): void {
    if (message.kind === 'load') return
    if (message.kind === 'start-worker') {
      const send = (answer: FromWorker) => setImmediate(() => this.onMessage(answer))
      void startTaskHost(message, Promise.resolve(job), { clock: systemClock, files: this.files, send }).then(
        (host) => {
          this.host = host
          for (const waiting of this.early.splice(0)) host.receive(waiting)
        },
      )
    } else if (message.kind === 'exit') {
      void this.mayLeave.then(() => this.onEnd({ kind: 'exited', code: 0 }))
    } else if (this.host === null) this.early.push(message)
    else this.host.receive(message)
  }

  listen(onMessage: (message: FromWorker) => void, onEnd: (end: ThreadEnd) => void): void {
    this.onMessage = onMessage
    this.onEnd = onEnd
  }

  async terminate(): Promise<void> {}
}

test('the end of a job is made durable while its workers leave, and told when they have left', async () => {
  const written: string[] = []
  let onFinishing!: () => void
  const isFinishing = new Promise<void>((resolve) => (onFinishing = resolve))
  const files = new MemoryFileSystem({
    onOperation({ kind, to = '' }) {
      if (kind !== 'rename' || !to.endsWith('job.json')) return undefined
      // The first record says that the job runs, the second that its end is durable, the third that nothing is left to put away.
      written.push(to)
      if (written.length === 2) onFinishing()
      return undefined
    },
  })
  let letLeave!: () => void
  const mayLeave = new Promise<void>((resolve) => (letLeave = resolve))
  const master = new JobMaster(
    job,
    { checkpointDir: '/checkpoints', workers: 1 },
    {
      clock: systemClock,
      random: new SeededRandom(1),
      files,
      lock: async () => ({ release: () => {} }),
      messagesPerTurn: 1,
      workers: {
        module: async () => ({ entry: 'job.ts', file: 'job.mjs' }),
        start: () => new HeldThread(files, mayLeave),
      },
    },
  )
  let hasEnded = false
  void master.result.then(() => (hasEnded = true))
  await isFinishing
  // All that the disk in memory does happens within a turn.
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
  expect(written.length).toBe(3)
  expect(hasEnded).toBe(false)
  letLeave()
  expect((await master.result).status).toBe('finished')
})

test('a job that is small waits for the disk no more often than its promises ask for', async () => {
  const syncs: string[] = []
  const files = new MemoryFileSystem({
    onOperation({ kind, path }) {
      const name = path
        .replace(/run-[^/]+/, 'run')
        .replace(/job\.json.*/, 'job.json')
        .replace(/manifest.*/, 'manifest')
      if (kind === 'sync' || kind === 'sync-directory') syncs.push(name)
      return undefined
    },
  })
  const environment = {
    clock: systemClock,
    random: new SeededRandom(1),
    files,
    lock: async () => ({ release: () => {} }),
    messagesPerTurn: 1,
  }
  const { status } = await new JobMaster(job, { checkpointDir: '/a/b' }, environment).result
  expect(status).toBe('finished')
  expect(syncs).toEqual([
    // The directory lasts, then the epoch: before anything else is written.
    '/a',
    '/',
    '/a/b/job.json',
    '/a/b',
    // The checkpoint.
    '/a/b',
    '/a/b/run',
    '/a/b/run/chk-1/manifest',
    '/a/b/run/chk-1',
    // The end.
    '/a/b/job.json',
    '/a/b',
    // What is listed lasts; it is removed for good; nothing is left to do.
    '/a/b/run/chk-1',
    '/a/b',
    '/a/b/job.json',
  ])
})
