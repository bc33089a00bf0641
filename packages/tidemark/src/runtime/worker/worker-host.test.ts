import { MessageChannel } from 'node:worker_threads'
import { describe, expect, it } from 'vitest'
import { isTidemarkError } from '../../core/errors.ts'
import { attempt, epoch, runId, taskId } from '../../core/ids.ts'
import { resolveOptions } from '../../core/options.ts'
import { VirtualClock } from '../../testing/connector-contract/virtual-clock.ts'
import type { FromTaskHost, FromWorker, ToWorker, WorkerStart } from './protocol.ts'
import { WorkerHost, type WorkerThread } from './worker-host.ts'
import type { ThreadEnd } from './worker-lost.ts'

const ATTEMPT = attempt(3)
const FIRST = taskId('numbers', 0)
const SECOND = taskId('counts', 0)

/** A thread whose messages and end the test decides. */
class ManualThread implements WorkerThread {
  readonly posted: ToWorker[] = []
  tell: (message: FromWorker) => void = () => {}
  end: (end: ThreadEnd) => void = () => {}
  terminations = 0

  post(message: ToWorker): void {
    structuredClone(message.kind === 'start-worker' ? null : message)
    this.posted.push(message)
  }

  listen(onMessage: (message: FromWorker) => void, onEnd: (end: ThreadEnd) => void): void {
    this.tell = onMessage
    this.end = onEnd
  }

  async terminate(): Promise<void> {
    this.terminations++
  }
}

function start(): WorkerStart {
  return {
    kind: 'start-worker',
    worker: 1,
    workers: 2,
    params: { kind: 'resolved', value: null },
    plan: { version: 1, job: 'a-job', operators: [], edges: [] },
    options: resolveOptions({}),
    directory: '/checkpoints',
    run: runId('r'),
    epoch: epoch(1),
    attempt: ATTEMPT,
    channels: [],
    doorbells: [],
    secrets: { port: new MessageChannel().port1, bell: new Int32Array(1) },
  }
}

function setUp() {
  const thread = new ManualThread()
  const clock = new VirtualClock()
  const messages: FromTaskHost[] = []
  const lost: Error[] = []
  const begin = start()
  const host = new WorkerHost(thread, begin, clock, {
    onMessage: (message) => messages.push(message),
    onLost: (error) => lost.push(error),
  })
  begin.secrets.port.close()
  const tasks = [FIRST, SECOND].map((task) => ({ task, vertex: 'v', subtask: 0, restore: null }))
  host.send({ kind: 'deploy', attempt: ATTEMPT, tasks })
  return { thread, clock, messages, lost, host }
}

describe('the link to a worker', () => {
  it('starts the worker before anything else, and passes messages on in both directions', () => {
    const { thread, messages, host } = setUp()
    host.send({ kind: 'cancel', attempt: ATTEMPT })
    thread.tell({ kind: 'ready', attempt: ATTEMPT, task: FIRST })
    expect(thread.posted.map(({ kind }) => kind)).toEqual(['start-worker', 'deploy', 'cancel'])
    expect(messages).toEqual([{ kind: 'ready', attempt: ATTEMPT, task: FIRST }])
  })

  it('keeps the newest counts, also when the worker is gone', () => {
    const { thread, host, messages } = setUp()
    expect(host.metrics().sourceRecords).toBe(0)
    thread.tell({ kind: 'metrics', metrics: { operators: new Map(), sourceRecords: 5, backPressure: 0 } })
    thread.end({ kind: 'exited', code: 1 })
    expect(host.metrics().sourceRecords).toBe(5)
    expect(messages).toEqual([])
  })

  it('reports a worker that ends as lost once, with the tasks that had not ended, and with what it said last', () => {
    const { thread, lost } = setUp()
    thread.tell({ kind: 'finished', attempt: ATTEMPT, task: FIRST })
    thread.tell({
      kind: 'crashing',
      error: { name: 'RangeError', message: 'too far', cause: { name: 'Error', message: 'why' } },
    })
    expect(lost).toEqual([])
    thread.end({ kind: 'threw', error: new Error('as Node says it') })
    thread.end({ kind: 'exited', code: 1 })
    expect(lost).toHaveLength(1)
    expect(lost[0]).toMatchObject({
      code: 'WORKER_LOST',
      message: 'worker 2 of 2 stopped on an error that nobody caught (too far) while it ran counts#0',
      context: { job: 'a-job', task: SECOND },
      cause: { name: 'RangeError', cause: { message: 'why' } },
    })
  })

  it('says why a worker refused to begin', () => {
    const { thread, lost } = setUp()
    thread.tell({ kind: 'refused', error: { name: 'TidemarkError', code: 'INVALID_JOB', message: 'another job' } })
    thread.end({ kind: 'exited', code: 1 })
    expect(lost.map((error) => isTidemarkError(error) && [error.code, error.message])).toEqual([
      ['INVALID_JOB', 'another job'],
    ])
  })

  it('reports a worker that it terminates when it is gone, not before', () => {
    const { thread, lost, host } = setUp()
    expect(host.terminate()).toBe(true)
    expect([thread.terminations, lost]).toEqual([1, []])
    thread.end({ kind: 'exited', code: 1 })
    expect(lost[0]!.message).toMatch(/^worker 2 of 2 was terminated, since its tasks did not stop in time/)
  })

  it("is closed when the worker has left; what comes meanwhile is nobody's business", async () => {
    const { thread, lost, messages, host } = setUp()
    const closed = host.close()
    expect(thread.posted.at(-1)).toEqual({ kind: 'exit' })
    thread.tell({ kind: 'ready', attempt: ATTEMPT, task: FIRST })
    thread.end({ kind: 'exited', code: 0 })
    await closed
    expect([lost, messages, thread.terminations]).toEqual([[], [], 0])
    await host.close()
  })

  it('terminates a worker that does not leave', async () => {
    const { thread, clock, host } = setUp()
    const closed = host.close()
    expect(thread.terminations).toBe(0)
    await clock.turn()
    expect([thread.terminations, clock.monotonic()]).toEqual([1, 2000])
    thread.end({ kind: 'exited', code: 1 })
    await closed
  })

  it('refuses what cannot be sent to another thread, naming the task', () => {
    const { host } = setUp()
    const splits = [{ id: 'a', open: () => 1 }]
    expect(() => host.send({ kind: 'assign-splits', attempt: ATTEMPT, task: FIRST, splits })).toThrow(
      /'assign-splits' to task numbers#0 cannot be sent to a worker/,
    )
  })
})
