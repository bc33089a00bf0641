import { describe, expect, it } from 'vitest'
import { defineJob } from '../../api/define-job.ts'
import { output } from '../../api/output.ts'
import { value } from '../../api/state.ts'
import type { Sink } from '../../core/sink.ts'
import { CHECKPOINTS, failureOf, JobBench } from '../../testing/job-bench/job-bench.ts'
import { watchedSink } from '../../testing/job-bench/watched-sink.ts'
import type { FileFault, FileOperation } from '../../testing/simulator/memory-file-system.ts'
import { PushLog, pushSource } from '../../testing/test-job/push-source.ts'

function pushed(...records: readonly number[]): PushLog {
  const log = new PushLog('numbers')
  log.push(records)
  return log
}

/** Keyed, so that barriers cross channels; `text` in its state makes snapshots too large for the manifest. */
const summing = (log: PushLog, sink: Sink<number>, text = '') =>
  defineJob('summing', (job) => {
    const { sums } = job
      .source('numbers', pushSource<number>(log))
      .keyBy((number) => number % 4)
      .process('sum', {
        state: { sum: value(0), text: value('') },
        outputs: { sums: output<number>() },
        onRecord(number, { state, emit }) {
          state.text.set(text)
          emit.sums(state.sum.update((sum) => sum + number))
        },
      })
    sums.to('out', sink)
  })

/** Promises that the test settles. */
class Gates {
  private readonly waiting: { readonly id: number; readonly resolve: () => void }[] = []

  wait(id: number): Promise<void> {
    return new Promise((resolve) => this.waiting.push({ id, resolve }))
  }

  open(id: number): void {
    for (const gate of this.waiting) if (gate.id === id) gate.resolve()
  }
}

/** For outputs of several keys, whose order between keys means nothing. */
const ascending = (numbers: readonly number[]) => numbers.toSorted((left, right) => left - right)

const isManifestRename = ({ kind, to }: FileOperation) => kind === 'rename' && to?.endsWith('/manifest') === true

const triggeredIn = (bench: JobBench) => bench.all('checkpoint-triggered').map(({ checkpoint }) => checkpoint)
const completedIn = (bench: JobBench) => bench.all('checkpoint-completed').map(({ checkpoint }) => checkpoint)

describe('when checkpoints are taken', () => {
  it('no more than maxConcurrentCheckpoints are under way (scenario 9)', async () => {
    const bench = new JobBench()
    const gates = new Gates()
    const { sink, collector } = watchedSink<number>({
      prepare: (checkpoint) => ([1, 2].includes(checkpoint) ? gates.wait(checkpoint) : undefined),
    })
    const log = pushed(1, 2, 3)
    const master = bench.start(summing(log, sink), { maxConcurrentCheckpoints: 2 })
    await bench.clock.advance(200)
    expect(triggeredIn(bench)).toEqual([1, 2])
    gates.open(1)
    await bench.clock.advance(50)
    await bench.next('checkpoint-committed', ({ checkpoint }) => checkpoint === 1)
    expect(triggeredIn(bench)).toEqual([1, 2, 3])
    expect(completedIn(bench)).toEqual([1])
    gates.open(2)
    await bench.next('checkpoint-committed', ({ checkpoint }) => checkpoint >= 4)
    log.end()
    await bench.drive(master.result)
    expect(ascending(collector.records)).toEqual([1, 2, 3])
    // Every one completed, or a newer one took its place.
    const subsumed = bench.all('checkpoint-failed').filter(({ reason }) => reason === 'subsumed')
    expect(completedIn(bench).length + subsumed.length).toBe(triggeredIn(bench).length)
  })

  it('one at a time by default', async () => {
    const bench = new JobBench()
    const gates = new Gates()
    const { sink } = watchedSink<number>({ prepare: (checkpoint) => (checkpoint === 1 ? gates.wait(1) : undefined) })
    const master = bench.start(summing(pushed(1), sink))
    await bench.clock.advance(200)
    expect(triggeredIn(bench)).toEqual([1])
    gates.open(1)
    await bench.next('checkpoint-committed', ({ checkpoint }) => checkpoint === 2)
    await bench.drive(master.cancel())
  })

  it('with minPauseBetweenCheckpoints between the end of one and the next (scenario 9)', async () => {
    const bench = new JobBench()
    const { sink } = watchedSink<number>()
    const master = bench.start(summing(pushed(1), sink), { minPauseBetweenCheckpoints: '1s' })
    await bench.next('checkpoint-completed')
    await bench.clock.advance(500)
    expect(triggeredIn(bench)).toEqual([1])
    await bench.clock.advance(600)
    expect(triggeredIn(bench)).toEqual([1, 2])
    await bench.drive(master.cancel())
  })

  it('keeps as many as checkpointsRetained, and removes the files of the others', async () => {
    const bench = new JobBench()
    const { sink } = watchedSink<number>()
    const log = pushed(1, 2, 3, 4)
    const master = bench.start(summing(log, sink, 'x'.repeat(10_000)), { checkpointsRetained: 2 })
    await bench.next('checkpoint-committed', ({ checkpoint }) => checkpoint === 5)
    await bench.drive(master.stop())
    const kept = new Set(bench.files.paths(CHECKPOINTS).map((path) => /chk-\d+/.exec(path)?.[0]))
    kept.delete(undefined)
    const newest = Math.max(...completedIn(bench))
    expect(kept).toEqual(new Set([`chk-${newest - 1}`, `chk-${newest}`]))
    // Two with a state file each, and the record of the job.
    expect(bench.files.paths(CHECKPOINTS)).toHaveLength(5)
  })
})

describe('a checkpoint that fails', () => {
  it('for lack of time is aborted for everybody, and its transaction is committed once, with the next one', async () => {
    const bench = new JobBench()
    const gates = new Gates()
    const { sink, collector, calls } = watchedSink<number>({
      prepare: (checkpoint) => (checkpoint === 1 ? gates.wait(1) : undefined),
    })
    const log = pushed(1, 2, 3)
    const options = {
      checkpointTimeout: 500,
      tolerableCheckpointFailureNumber: 1,
      parallelism: 2,
      checkpointInterval: 100,
    }
    const master = bench.start(summing(log, sink), options)
    const failed = await bench.next('checkpoint-failed')
    expect(failed).toMatchObject({ checkpoint: 1, reason: 'expired', error: { code: 'CHECKPOINT_FAILED' } })
    expect(bench.clock.monotonic()).toBeGreaterThan(500)
    expect(collector.records).toEqual([])
    gates.open(1)
    await bench.next('checkpoint-committed')
    expect(ascending(collector.records)).toEqual([1, 2, 3])
    log.push([5])
    log.end()
    await bench.drive(master.result)
    expect(ascending(collector.records)).toEqual([1, 2, 3, 6])
    expect(bench.all('attempt-failed')).toEqual([])
    expect(completedIn(bench)).not.toContain(1)
    expect(calls).not.toContain('committed 1')
    expect(bench.files.paths(CHECKPOINTS)).toEqual([`${CHECKPOINTS}/job.json`])
  })

  it('in the storage or in a task is told once and tolerated as often as allowed (scenarios 11 and 12)', async () => {
    const bench = new JobBench()
    const { sink, collector, calls } = watchedSink<number>()
    const log = pushed(1, 2, 3)
    bench.files.inject(({ kind, path, to }): FileFault | undefined => {
      // Checkpoint 1 fails while it is added to the store, checkpoint 2 in the asynchronous part of a snapshot.
      if (kind === 'rename' && to?.endsWith('chk-1/manifest') === true) return new Error('no rename')
      return kind === 'create' && path.includes('/chk-2/') ? new Error('no upload') : undefined
    })
    const master = bench.start(summing(log, sink, 'x'.repeat(30_000)), { tolerableCheckpointFailureNumber: 2 })
    await bench.next('checkpoint-committed')
    expect(bench.all('checkpoint-failed')).toMatchObject([
      { checkpoint: 1, reason: 'manifest-failed', error: { code: 'STORAGE_FAILED' } },
      { checkpoint: 2, reason: 'snapshot-failed' },
    ])
    expect(completedIn(bench)).toEqual([3])
    await bench.until(() => calls.includes('committed 3'))
    expect(calls.filter((call) => call.startsWith('committed'))).toEqual(['committed 3'])
    expect(bench.all('attempt-failed')).toEqual([])
    log.end()
    await bench.drive(master.result)
    expect(ascending(collector.records)).toEqual([1, 2, 3])
  })

  it.each([0, 1, 3])(
    'once more than the %i times tolerated in a row fails the attempt (scenario 11)',
    async (tolerable) => {
      const bench = new JobBench()
      const { sink, collector } = watchedSink<number>()
      const log = pushed(1, 2, 3)
      let failures = 0
      bench.files.inject((operation): FileFault | undefined =>
        isManifestRename(operation) && failures++ <= tolerable ? new Error('no rename') : undefined,
      )
      const master = bench.start(summing(log, sink), {
        tolerableCheckpointFailureNumber: tolerable,
        restartStrategy: { kind: 'fixed-delay', attempts: 1, delay: 1 },
      })
      const { error, restartInMs } = await bench.next('attempt-failed')
      expect(error).toMatchObject({ code: 'CHECKPOINT_THRESHOLD' })
      expect(error.message).toMatch(/Exceeded checkpoint tolerable failure threshold/)
      expect(restartInMs).toBe(1)
      expect(bench.all('checkpoint-failed').filter(({ reason }) => reason === 'manifest-failed')).toHaveLength(
        tolerable + 1,
      )
      log.end()
      await bench.drive(master.result)
      expect(ascending(collector.records)).toEqual([1, 2, 3])
    },
  )

  it('is forgotten after one that succeeds (scenario 11)', async () => {
    const bench = new JobBench()
    const { sink } = watchedSink<number>()
    const log = pushed(1)
    bench.files.inject(({ kind, to }) =>
      kind === 'rename' && /chk-[13579]\/manifest$/.test(to ?? '') ? new Error('no rename') : undefined,
    )
    const master = bench.start(summing(log, sink), { tolerableCheckpointFailureNumber: 1 })
    await bench.next('checkpoint-committed', ({ checkpoint }) => checkpoint === 8)
    expect(bench.all('checkpoint-failed').map(({ checkpoint }) => checkpoint)).toEqual([1, 3, 5, 7])
    expect(bench.all('attempt-failed')).toEqual([])
    await bench.drive(master.cancel())
  })

  it('in the pre-commit of a sink fails the attempt, and the next one commits everything once', async () => {
    const bench = new JobBench()
    let failures = 0
    const { sink, collector, calls } = watchedSink<number>({
      prepare(checkpoint) {
        if (checkpoint === 2 && failures++ === 0) throw new Error('broker gone')
      },
    })
    const log = pushed(1, 2)
    const master = bench.start(summing(log, sink), { tolerableCheckpointFailureNumber: 9 })
    await bench.next('checkpoint-committed')
    log.push([4])
    expect((await bench.next('attempt-failed')).error.message).toMatch(/broker gone/)
    log.end()
    await bench.drive(master.result)
    expect(ascending(collector.records)).toEqual([1, 2, 4])
    expect(calls.filter((call) => call === 'open')).toHaveLength(2)
    expect(calls.filter((call) => call === 'close')).toHaveLength(2)
  })

  it('because a state holds what cannot be stored is refused with operator and path', async () => {
    const bench = new JobBench()
    const { sink } = watchedSink<number>()
    const job = defineJob('odd', (builder) => {
      const { out } = builder
        .source('numbers', pushSource<number>(pushed(1)))
        .keyBy((number) => number)
        .process('odd', {
          state: { kept: value<unknown>() },
          outputs: { out: output<number>() },
          onRecord: (_, { state }) => state.kept.set({ callback: () => 1 }),
        })
      out.to('out', sink)
    })
    const error = await failureOf(bench.drive(bench.start(job, { restartStrategy: 'none' }).result))
    expect(`${error.message} ${String(error.cause)}`).toMatch(/callback/)
    expect(`${error.message} ${String(error.cause)}`).toMatch(/odd/)
  })
})

describe('a commit that is not possible yet', () => {
  it('is retried with a warning, and never done twice', async () => {
    const bench = new JobBench()
    const { sink, collector } = watchedSink<number>({
      commit: (round) => (round <= 3 ? [{ kind: 'retry', error: new Error('not now') }] : null),
    })
    const log = pushed(1, 2)
    const master = bench.start(summing(log, sink))
    await bench.next('checkpoint-committed')
    log.end()
    await bench.drive(master.result)
    expect(ascending(collector.records)).toEqual([1, 2])
    expect(bench.all('warning')).toHaveLength(3)
  })

  it('survives the death of the process: the next one commits it', async () => {
    const bench = new JobBench()
    let isOpen = false
    const { sink, collector } = watchedSink<number>({
      commit: () => (isOpen ? null : [{ kind: 'retry', error: new Error('not now') }]),
    })
    const log = pushed(1, 2)
    bench.start(summing(log, sink))
    await bench.next('warning')
    bench.kill()
    expect(collector.records).toEqual([])
    isOpen = true
    log.push([4])
    log.end()
    await bench.drive(bench.start(summing(log, sink)).result)
    expect(ascending(collector.records)).toEqual([1, 2, 4])
  })

  it('and never will be (lost) fails the job loudly, without a restart', async () => {
    const bench = new JobBench()
    const { sink } = watchedSink<number>({ commit: () => [{ kind: 'lost', error: new Error('expired') }] })
    const error = await failureOf(bench.drive(bench.start(summing(pushed(1), sink)).result))
    expect(error).toMatchObject({ code: 'COMMIT_LOST', context: { operator: 'out', checkpoint: 1 } })
    expect(bench.all('started')).toHaveLength(1)
  })
})
