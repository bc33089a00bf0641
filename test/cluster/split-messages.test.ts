import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { FromWorker, ToWorker } from '../../packages/tidemark/src/runtime/worker/protocol.ts'
import type { WorkerThread } from '../../packages/tidemark/src/runtime/worker/worker-host.ts'
import { WorkerBench, WorkerPrograms } from './worker-bench.ts'
import type { HandingOutParams } from './worker-jobs/handing-out.ts'

const PORTIONS = 40
const PER_PORTION = 25

let programs: WorkerPrograms
let bench: WorkerBench

beforeAll(async () => {
  programs = await WorkerPrograms.build()
})

afterAll(() => programs.remove())

beforeEach(async () => {
  bench = await WorkerBench.create(programs)
})

afterEach(() => bench.remove())

/** What stands between: either way a message passes, or is lost together with the worker, or waits. */
interface Line {
  readonly down?: (message: ToWorker, thread: WorkerThread, deliver: () => void) => void
  readonly up?: (message: FromWorker, thread: WorkerThread, deliver: () => void) => void
}

function through({ down, up }: Line): (thread: WorkerThread) => WorkerThread {
  return (thread) => ({
    post(message) {
      if (down === undefined) thread.post(message)
      else down(message, thread, () => thread.post(message))
    },
    listen: (onMessage, onEnd) =>
      thread.listen((message) => {
        if (up === undefined) onMessage(message)
        else up(message, thread, () => onMessage(message))
      }, onEnd),
    terminate: () => thread.terminate(),
  })
}

/** True for these messages, counted over all attempts; after a loss none is counted before the next attempt. */
function losses(ordinals: readonly number[]): (of: WorkerBench) => boolean {
  let messages = 0
  let lostInAttempt = 0
  return (of) => {
    const attempt = of.all('started').length
    if (attempt === lostInAttempt || !ordinals.includes(++messages)) return false
    lostInAttempt = attempt
    return true
  }
}

function params(): HandingOutParams {
  return { folder: bench.folder, portions: PORTIONS, perPortion: PER_PORTION }
}

async function expectEachNumberOnce(): Promise<void> {
  const numbers = await bench.lines<number>('handed-out')
  const expected = Array.from({ length: PORTIONS * PER_PORTION }, (_, index) => index)
  expect(numbers.toSorted((left, right) => left - right)).toEqual(expected)
}

describe('a source that hands out work by messages (scenario 24)', () => {
  test('loses nothing when messages with work are lost with the worker that should have had them', async () => {
    const isLost = losses([2, 4, 6])
    const line = through({
      down(message, thread, deliver) {
        if (message.kind === 'assign-splits' && isLost(bench)) void thread.terminate()
        else deliver()
      },
    })
    const handle = await bench.start('handing-out', { params: params(), parallelism: 2, workers: 2 }, { between: line })
    expect(await handle.result).toMatchObject({ status: 'finished' })
    // Each loss cost the attempt in which it happened.
    expect(bench.all('attempt-failed')).toHaveLength(3)
    await expectEachNumberOnce()
  })

  test('loses and doubles nothing when work arrived, but the worker that has it dies before it can say so', async () => {
    const isLost = losses([4, 8])
    const line = through({
      up(message, thread, deliver) {
        // The answer to a portion is the request for the next one.
        if (message.kind === 'request-split' && isLost(bench)) void thread.terminate()
        else deliver()
      },
    })
    const handle = await bench.start('handing-out', { params: params(), parallelism: 2, workers: 2 }, { between: line })
    expect(await handle.result).toMatchObject({ status: 'finished' })
    expect(bench.all('attempt-failed')).toHaveLength(2)
    await expectEachNumberOnce()
  })

  test('completes no checkpoint while a message with work is on its way, and has its numbers once', async () => {
    let messages = 0
    let late: WorkerThread | null = null
    const waiting: (() => void)[] = []
    const release = () => {
      late = null
      for (const deliver of waiting.splice(0)) deliver()
    }
    const line = through({
      down(message, thread, deliver) {
        if (message.kind === 'assign-splits' && ++messages === 5) late = thread
        // Messages of one line stay in their order: what comes after the late one waits with it, the trigger, too.
        if (late === thread) waiting.push(deliver)
        else deliver()
      },
    })
    const handle = await bench.start('handing-out', { params: params(), parallelism: 2, workers: 2 }, { between: line })
    let triggered = 0
    const completed: number[] = []
    handle.on((event) => {
      if (event.kind === 'checkpoint-completed') completed.push(event.checkpoint)
      if (late === null || event.kind !== 'checkpoint-triggered') return
      // Triggered while the message waits: it cannot complete before that has arrived.
      triggered = event.checkpoint
      setTimeout(() => {
        expect(completed).not.toContain(triggered)
        release()
      }, 100)
    })
    expect(await handle.result).toMatchObject({ status: 'finished' })
    expect(triggered).toBeGreaterThan(0)
    expect(completed).toContain(triggered)
    expect(bench.all('attempt-failed')).toHaveLength(0)
    await expectEachNumberOnce()
  })
})
