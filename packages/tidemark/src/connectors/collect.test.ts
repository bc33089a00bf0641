import { runId } from '../core/ids.ts'
import { describe, expect, it } from 'vitest'
import { checkSinkContract } from '../testing/connector-contract/sink-contract.ts'
import { SinkRun } from '../testing/connector-contract/sink-run.ts'
import { VirtualClock } from '../testing/connector-contract/virtual-clock.ts'
import { MemoryFileSystem } from '../testing/simulator/memory-file-system.ts'
import { collect, type Collector } from './collect.ts'
import { forEachSink } from './for-each.ts'

function runOf<T>(collector: Collector<T>, run = 'run', epoch = 1): SinkRun<T> {
  const clock = new VirtualClock()
  return new SinkRun<T>({ sink: collector, files: new MemoryFileSystem(), clock, run, epoch, parallelism: 1 })
}

describe('collect', () => {
  it('keeps the contract of transactional sinks', async () => {
    await checkSinkContract<number>({
      environment: async () => {
        const collector = collect<number>()
        return {
          create: () => collector,
          files: new MemoryFileSystem(),
          committed: async () => collector.records,
          leftovers: async () => [],
        }
      },
      record: (index) => index,
    })
  })

  it('says that a batch of another process is lost', async () => {
    const first = runOf(collect<number>())
    await first.start({ kind: 'fresh', isForced: false }, [])
    await first.openWriters()
    await first.write(0, [1, 2])
    const prepared = await first.prepare()
    const results = await runOf(collect<number>(), 'run', 2).start({ kind: 'restored', from: runId('run') }, prepared)
    expect(results).toMatchObject([{ kind: 'lost', error: { code: 'COMMIT_LOST' } }])
  })

  it('starts empty with a new run', async () => {
    const collector = collect<number>()
    const first = runOf(collector)
    await first.start({ kind: 'fresh', isForced: false }, [])
    await first.openWriters()
    await first.write(0, [1])
    await first.commit(await first.prepare())
    expect(collector.records).toEqual([1])
    await runOf(collector, 'another').start({ kind: 'fresh', isForced: false }, [])
    expect(collector.records).toEqual([])
  })
})

describe('forEachSink', () => {
  it.each([
    ['a synchronous', (seen: number[]) => (record: number) => void seen.push(record)],
    [
      'an asynchronous',
      (seen: number[]) => async (record: number) => {
        await Promise.resolve()
        seen.push(record)
      },
    ],
  ])('with %s function keeps the contract of at-least-once sinks', async (_, make) => {
    await checkSinkContract<number>({
      environment: async () => {
        const seen: number[] = []
        return {
          create: () => forEachSink(make(seen)),
          files: new MemoryFileSystem(),
          committed: async () => seen,
          leftovers: async () => [],
        }
      },
      record: (index) => index,
    })
  })

  it('runs one call of an asynchronous function at a time, and a barrier waits for it', async () => {
    let running = 0
    let most = 0
    const done: number[] = []
    const sink = forEachSink<number>(async (record) => {
      most = Math.max(most, ++running)
      await new Promise((resolve) => void setImmediate(resolve))
      running--
      done.push(record)
    })
    const clock = new VirtualClock()
    const run = new SinkRun({ sink, files: new MemoryFileSystem(), clock, run: 'run', epoch: 1, parallelism: 1 })
    await run.openWriters()
    await run.write(0, [1, 2, 3])
    await run.prepare()
    expect(done).toEqual([1, 2, 3])
    expect(most).toBe(1)
  })

  it('has ended when the call under way has', async () => {
    const ends: (() => void)[] = []
    let isOver = false
    const sink = forEachSink<number>(async () => {
      await new Promise<void>((resolve) => void ends.push(resolve))
      isOver = true
    })
    const clock = new VirtualClock()
    const run = new SinkRun({ sink, files: new MemoryFileSystem(), clock, run: 'run', epoch: 1, parallelism: 1 })
    await run.openWriters()
    await run.write(0, [1])
    const closed = run.closeWriters().then(() => isOver)
    setImmediate(() => ends[0]!())
    expect(await closed).toBe(true)
  })

  it('fails the job when a call fails, and the checkpoint that waits for it', async () => {
    const sink = forEachSink<number>(() => Promise.reject(new Error('refused')))
    const clock = new VirtualClock()
    const run = new SinkRun({ sink, files: new MemoryFileSystem(), clock, run: 'run', epoch: 1, parallelism: 1 })
    await run.openWriters()
    await run.write(0, [1])
    await expect(run.prepare()).rejects.toMatchObject({ code: 'USER_FUNCTION' })
    await expect(run.write(0, [2])).rejects.toThrow('refused')
  })
})
