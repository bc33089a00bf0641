import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { defineJob } from '../../api/define-job.ts'
import { jsonLines } from '../../connectors/files/json-lines.ts'
import type { Sink } from '../../core/sink.ts'
import { CHECKPOINTS, failureOf, JobBench } from '../../testing/job-bench/job-bench.ts'
import { watchedSink } from '../../testing/job-bench/watched-sink.ts'
import { PushLog, pushSource } from '../../testing/test-job/push-source.ts'
import type { RunOptions } from './contract.ts'
import { run } from './run.ts'

const counting = (log: PushLog, sink: Sink<readonly [string, number]>, name = 'counting') =>
  defineJob(name, (job) => {
    job
      .source('words', pushSource<string>(log))
      .keyBy((word) => word)
      .runningCount('counts')
      .to('out', sink)
  })

function pushed(...records: readonly string[]): PushLog {
  const log = new PushLog('words')
  log.push(records)
  return log
}

/** Starts a job that has taken no checkpoint and has nothing left to do. */
async function started(bench: JobBench, log: PushLog, options: RunOptions = {}) {
  const master = bench.start(counting(log, jsonLines('/out')), { checkpointInterval: '1d', ...options })
  await bench.until(() => master.status === 'running')
  await bench.rest()
  return master
}

describe('a job from start to end', () => {
  it('says what it does in events, and what came of it in its result', async () => {
    const bench = new JobBench()
    const log = pushed('a', 'b', 'a')
    const { sink, collector } = watchedSink<readonly [string, number]>()
    const master = bench.start(counting(log, sink))
    expect(master.status).toBe('created')
    await bench.next('checkpoint-committed')
    expect(master.status).toBe('running')
    log.push(['a'])
    log.end()
    const result = await bench.drive(master.result)
    expect(result).toMatchObject({ status: 'finished', run: bench.all('started')[0]!.run, checkpoint: null })
    expect(result.metrics).toMatchObject({ status: 'finished', sourceRecords: 4, restarts: 0, checkpointsFailed: 0 })
    expect(
      Object.fromEntries(result.metrics.operators.map(({ operator, recordsIn }) => [operator, recordsIn])),
    ).toEqual({
      words: 4,
      counts: 4,
      out: 4,
    })
    expect(collector.records).toEqual([
      ['a', 1],
      ['b', 1],
      ['a', 2],
      ['a', 3],
    ])
    expect(bench.all('status').map(({ status }) => status)).toEqual(['running', 'finished'])
    expect(bench.all('started')).toMatchObject([{ epoch: 1, attempt: 1, from: { kind: 'fresh' } }])
    const told = (kind: 'checkpoint-triggered' | 'checkpoint-completed' | 'checkpoint-committed') =>
      bench.all(kind).map(({ checkpoint }) => checkpoint)
    expect(told('checkpoint-completed')).toEqual(told('checkpoint-triggered'))
    expect(told('checkpoint-committed')).toEqual(told('checkpoint-triggered'))
    // Nothing is left but the record of the job.
    expect(bench.files.paths(CHECKPOINTS)).toEqual([`${CHECKPOINTS}/job.json`])
  })

  it('takes a checkpoint when asked, and tells its path', async () => {
    const bench = new JobBench()
    const log = pushed('a')
    const master = bench.start(counting(log, jsonLines('/out')), { checkpointInterval: '1d' })
    expect((await failureOf(master.triggerCheckpoint())).code).toBe('CHECKPOINT_FAILED')
    await bench.until(() => master.status === 'running')
    await bench.rest()
    const summary = await bench.drive(master.triggerCheckpoint())
    expect(summary).toMatchObject({ checkpoint: 1, path: expect.stringMatching(/\/chk-1$/) as string })
    expect(master.metrics().lastCheckpoint).toEqual(summary)
    await bench.next('checkpoint-committed')
    expect(bench.lines('/out')).toEqual(['["a",1]'])
    await bench.drive(master.cancel())
    expect((await failureOf(master.triggerCheckpoint())).message).toMatch(/canceled/)
  })

  it('suspends on stop with a last checkpoint, and the next start goes on from it without repeating anything', async () => {
    const bench = new JobBench()
    const log = pushed('a', 'b')
    const { sink, collector } = watchedSink<readonly [string, number]>()
    const options: RunOptions = { checkpointInterval: '1d' }
    const first = bench.start(counting(log, sink), options)
    await bench.until(() => first.status === 'running')
    await bench.rest()
    const stopped = await bench.drive(first.stop())
    expect(stopped).toMatchObject({ status: 'suspended', checkpoint: { checkpoint: 1 } })
    expect(collector.records).toHaveLength(2)
    log.push(['a'])
    log.end()
    const second = bench.start(counting(log, sink), options)
    const result = await bench.drive(second.result)
    expect(result).toMatchObject({ status: 'finished', run: stopped.run })
    expect(result.metrics.sourceRecords).toBe(1)
    expect(bench.all('started').at(-1)).toMatchObject({ epoch: 2, from: { kind: 'restored', checkpoint: 1 } })
    expect(collector.records).toEqual([
      ['a', 1],
      ['b', 1],
      ['a', 2],
    ])
  })

  it('suspends soon also when the last checkpoint hangs, and the next start goes on from the newest that is complete', async () => {
    const bench = new JobBench()
    const log = pushed('a', 'b')
    let isOpen = true
    const hooks = { accepts: () => isOpen }
    const { sink, collector } = watchedSink<readonly [string, number]>(hooks)
    const options: RunOptions = { checkpointInterval: '1d', checkpointTimeout: '10h' }
    const first = bench.start(counting(log, sink), options)
    await bench.until(() => first.status === 'running')
    await bench.rest()
    await bench.drive(first.triggerCheckpoint())
    // No barrier comes through what the sink does not take.
    isOpen = false
    log.push(Array.from({ length: 200 }, (_, index) => `${index}`))
    await bench.rest()
    const before = bench.clock.monotonic()
    expect(await bench.drive(first.stop())).toMatchObject({ status: 'suspended', checkpoint: { checkpoint: 1 } })
    expect(bench.clock.monotonic() - before).toBeLessThan(10_000)
    expect(bench.all('warning').map(({ message }) => message)).toEqual([
      expect.stringMatching(/last checkpoint is not complete after 5000 ms/),
    ])
    isOpen = true
    log.end()
    await bench.drive(bench.start(counting(log, sink), options).result)
    expect(bench.all('started').at(-1)).toMatchObject({ from: { kind: 'restored', checkpoint: 1 } })
    expect(collector.records).toHaveLength(202)
    expect(new Set(collector.records.map(([word]) => word)).size).toBe(202)
  })

  it('refuses another output directory than that of the checkpoint before anything is written, while that has output to commit', async () => {
    const bench = new JobBench()
    const log = pushed('a', 'b')
    const first = bench.start(counting(log, jsonLines('/out')), { checkpointInterval: '1d' })
    await bench.until(() => first.status === 'running')
    await bench.rest()
    bench.files.inject(({ kind }) => (kind === 'link' ? new Error('not now') : undefined))
    void first.triggerCheckpoint().catch(() => {})
    await bench.next('checkpoint-completed')
    bench.kill()
    bench.files.inject(undefined)
    const pending = bench.files.paths('/out').filter((path) => path.includes('.pending'))
    expect(pending).toHaveLength(1)
    const [files, record] = [bench.files.paths('/'), bench.files.text(`${CHECKPOINTS}/job.json`)]
    const error = await failureOf(bench.drive(bench.start(counting(log, jsonLines('/elsewhere'))).result))
    expect(error).toMatchObject({
      code: 'COMMIT_LOST',
      message: expect.stringMatching(/^sink out: neither \/elsewhere\/\.pending\/.* exists/) as string,
      action: expect.stringMatching(/not the one the checkpoint was taken with/) as string,
    })
    expect(bench.files.paths('/')).toEqual(files)
    expect(bench.files.text(`${CHECKPOINTS}/job.json`)).toBe(record)
    log.end()
    await bench.drive(bench.start(counting(log, jsonLines('/out'))).result)
    expect(bench.lines('/out').toSorted()).toEqual(['["a",1]', '["b",1]'])
  })

  it('starts a finished job afresh under a new run', async () => {
    const bench = new JobBench()
    const log = pushed('a')
    log.end()
    const { sink, collector } = watchedSink<readonly [string, number]>()
    const first = await bench.drive(bench.start(counting(log, sink)).result)
    const second = await bench.drive(bench.start(counting(log, sink)).result)
    expect(second.run).not.toBe(first.run)
    expect(bench.all('started').map(({ from }) => from.kind)).toEqual(['fresh', 'fresh'])
    expect(collector.records).toEqual([['a', 1]])
  })

  it('goes on from the newest checkpoint after the process was killed', async () => {
    const bench = new JobBench()
    const log = pushed('a', 'b', 'a')
    bench.start(counting(log, jsonLines('/out')))
    const { checkpoint } = await bench.next('checkpoint-completed')
    log.push(['c', 'a'])
    bench.kill()
    log.end()
    const result = await bench.drive(bench.start(counting(log, jsonLines('/out'))).result)
    expect(result.status).toBe('finished')
    expect(bench.all('started').at(-1)!.from).toMatchObject({ kind: 'restored', checkpoint })
    expect(bench.lines('/out').toSorted()).toEqual(['["a",1]', '["a",2]', '["a",3]', '["b",1]', '["c",1]'])
    expect(bench.residue()).toEqual([])
  })
})

describe('cancelling a job', () => {
  const options = [
    'retain-on-cancellation',
    'RETAIN_ON_CANCELLATION',
    'delete-on-cancellation',
    'DELETE_ON_CANCELLATION',
  ]
  it.each(options)('first commits what the newest checkpoint holds, then does as %s says', async (cleanup) => {
    const bench = new JobBench()
    const log = pushed('a', 'b')
    const { sink, collector } = watchedSink<readonly [string, number]>({
      commit: (round) => (round <= 3 ? [{ kind: 'retry', error: new Error('not now') }] : null),
    })
    const master = bench.start(counting(log, sink), {
      checkpointInterval: '1d',
      externalizedCheckpointCleanup: cleanup as never,
    })
    await bench.until(() => master.status === 'running')
    await bench.rest()
    await bench.drive(master.triggerCheckpoint())
    log.push(['c'])
    expect(collector.records).toEqual([])
    const result = await bench.drive(master.cancel())
    expect(result.status).toBe('canceled')
    expect(collector.records).toEqual([
      ['a', 1],
      ['b', 1],
    ])
    expect(bench.all('warning')[0]!.message).toMatch(/1 transactions are not committed yet, retrying: not now/)
    const isKept = cleanup.toLowerCase().startsWith('retain')
    expect(result.checkpoint?.checkpoint ?? null).toBe(isKept ? 1 : null)
    expect(bench.files.paths(CHECKPOINTS).some((path) => path.endsWith('/manifest'))).toBe(isKept)
  })

  it('leaves nothing to go on with: the next start is a new run, or goes on from what was retained when asked', async () => {
    const bench = new JobBench()
    const log = pushed('a')
    const { sink, collector } = watchedSink<readonly [string, number]>()
    const options: RunOptions = { checkpointInterval: '1d', externalizedCheckpointCleanup: 'retain-on-cancellation' }
    const first = bench.start(counting(log, sink), options)
    await bench.until(() => first.status === 'running')
    await bench.rest()
    const { path } = await bench.drive(first.triggerCheckpoint())
    await bench.drive(first.cancel())
    log.push(['a'])
    const second = bench.start(counting(log, sink), { ...options, from: path })
    await bench.until(() => second.status === 'running')
    await bench.rest()
    await bench.drive(second.triggerCheckpoint())
    const canceled = await bench.drive(second.cancel())
    expect(bench.all('started').at(-1)).toMatchObject({ from: { kind: 'restored', checkpoint: 1, path } })
    expect(canceled.run).not.toBe(bench.all('started')[0]!.run)
    expect(collector.records).toEqual([
      ['a', 1],
      ['a', 2],
    ])
    log.end()
    await bench.drive(bench.start(counting(log, sink), options).result)
    expect(bench.all('started').at(-1)!.from).toEqual({ kind: 'fresh' })
    // The collector began anew with the new run.
    expect(collector.records).toEqual([
      ['a', 1],
      ['a', 2],
    ])
  })

  it('cancels a job that waits for its next attempt, at once', async () => {
    const bench = new JobBench()
    const log = pushed('a')
    const failing = defineJob('failing', (job) => {
      job.source('words', pushSource<string>(log)).map((): string => {
        throw new Error('no')
      })
    })
    const master = bench.start(failing, { restartStrategy: { kind: 'fixed-delay', attempts: 5, delay: '1h' } })
    await bench.until(() => master.status === 'restarting')
    const before = bench.clock.monotonic()
    expect((await failureOf(master.triggerCheckpoint())).message).toMatch(/restarting/)
    expect((await bench.drive(master.cancel())).status).toBe('canceled')
    expect(bench.clock.monotonic() - before).toBeLessThan(60_000)
  })
})

describe('a start is refused', () => {
  it('while another process runs the job', async () => {
    const bench = new JobBench()
    const first = await started(bench, pushed('a'))
    const second = bench.start(counting(pushed('a'), jsonLines('/out')))
    expect((await failureOf(bench.drive(second.result))).code).toBe('JOB_LOCKED')
    expect(second.status).toBe('failed')
    expect(first.status).toBe('running')
    await bench.drive(first.cancel())
  })

  it('while another handle of the same process runs the job, on a real disk', async () => {
    const directory = await mkdtemp(`${tmpdir()}/tidemark-job-`)
    try {
      const log = pushed('a')
      const options = { checkpointDir: `${directory}/checkpoints` }
      const first = run(counting(log, jsonLines(`${directory}/out`)), options)
      await new Promise<void>((resolve) => void first.on(({ kind }) => kind === 'started' && resolve()))
      const second = run(counting(log, jsonLines(`${directory}/out`)), options)
      expect((await failureOf(second.result)).code).toBe('JOB_LOCKED')
      log.end()
      expect((await first.result).status).toBe('finished')
      expect((await readdir(`${directory}/out`)).filter((name) => !name.startsWith('.'))).toHaveLength(1)
      const third = run(counting(log, jsonLines(`${directory}/out`)), options)
      expect((await failureOf(third.result)).code).toBe('OUTPUT_EXISTS')
    } finally {
      await rm(directory, { recursive: true })
    }
  })

  it('when the output holds results of another run', async () => {
    const bench = new JobBench()
    const log = pushed('a')
    log.end()
    await bench.drive(bench.start(counting(log, jsonLines('/out'))).result)
    for (const fresh of [false, true]) {
      const error = await failureOf(bench.drive(bench.start(counting(log, jsonLines('/out')), { fresh }).result))
      expect(error).toMatchObject({ code: 'OUTPUT_EXISTS', message: expect.stringContaining('/out') as string })
    }
    expect(bench.lines('/out')).toEqual(['["a",1]'])
  })

  it('when output of the job is found but its checkpoints are gone, unless asked for', async () => {
    const bench = new JobBench()
    const log = pushed('a')
    const first = await started(bench, log)
    await bench.drive(first.triggerCheckpoint())
    await bench.next('checkpoint-committed')
    bench.kill()
    await bench.files.removeTree(CHECKPOINTS)
    const again = bench.start(counting(log, jsonLines('/out')))
    expect((await failureOf(bench.drive(again.result))).code).toBe('OUTPUT_WITHOUT_CHECKPOINT')
  })

  it('when a transactional sink would never commit', async () => {
    const bench = new JobBench()
    const job = counting(pushed('a'), jsonLines('/out'))
    for (const checkpointInterval of ['disabled', 0] as const) {
      const error = await failureOf(bench.drive(bench.start(job, { checkpointInterval }).result))
      expect(error).toMatchObject({ code: 'NEEDS_CHECKPOINTS', context: { job: 'counting', operator: 'out' } })
    }
  })

  it('when parameters do not fit', async () => {
    const bench = new JobBench()
    const job = defineJob({
      name: 'limited',
      params: z.object({ limit: z.number() }),
      build: (builder, { limit }) => {
        builder.source('words', pushSource<string>(pushed())).filter((word) => word.length < limit)
      },
    })
    const error = await failureOf(bench.drive(bench.start(job, { params: { limit: 'x' } }).result))
    expect(error).toMatchObject({ code: 'INVALID_PARAMS', message: expect.stringContaining('limit') as string })
    expect(() => bench.start(job, { parallelism: 0 })).toThrow(/parallelism is 0/)
  })

  it('when both a checkpoint and a fresh start are asked for, and when there is no such checkpoint', async () => {
    const bench = new JobBench()
    const job = counting(pushed('a'), jsonLines('/out'))
    const missing = await failureOf(bench.drive(bench.start(job, { from: '/nowhere' }).result))
    expect(missing.code).toBe('CHECKPOINT_NOT_FOUND')
    const first = await started(bench, pushed('a'))
    const { checkpoint } = await bench.drive(first.stop())
    const both = await failureOf(bench.drive(bench.start(job, { from: checkpoint!.path, fresh: true }).result))
    expect(both.code).toBe('INVALID_OPTION')
  })

  it('when an older checkpoint would double committed output, unless duplicates are allowed', async () => {
    const bench = new JobBench()
    const log = pushed('a')
    const { sink, collector } = watchedSink<readonly [string, number]>()
    const options: RunOptions = { checkpointInterval: '1d', checkpointsRetained: 3 }
    const first = bench.start(counting(log, sink), options)
    await bench.until(() => first.status === 'running')
    await bench.rest()
    const older = await bench.drive(first.triggerCheckpoint())
    log.push(['a'])
    await bench.rest()
    await bench.drive(first.triggerCheckpoint())
    await bench.drive(first.stop())
    const refused = bench.start(counting(log, sink), { ...options, from: older.path })
    expect((await failureOf(bench.drive(refused.result))).message).toMatch(/older than/)
    const allowed = bench.start(counting(log, sink), { ...options, from: older.path, allowDuplicates: true })
    log.end()
    await bench.drive(allowed.result)
    expect(collector.records).toEqual([
      ['a', 1],
      ['a', 2],
      ['a', 2],
    ])
  })
})
