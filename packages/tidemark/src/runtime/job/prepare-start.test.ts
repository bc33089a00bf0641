import { describe, expect, it } from 'vitest'
import { defineJob } from '../../api/define-job.ts'
import { fromArray } from '../../connectors/from-iterable.ts'
import { textLines } from '../../connectors/files/text-lines.ts'
import { resolveOptions } from '../../core/options.ts'
import { MemoryFileSystem } from '../../testing/simulator/memory-file-system.ts'
import { SeededRandom } from '../../testing/simulator/seeded-random.ts'
import { executionGraph } from '../deploy/execution-graph.ts'
import { SinkCommitters } from '../sink/sink-committers.ts'
import type { JobEnvironment } from './environment.ts'
import { prepareStart } from './prepare-start.ts'

const definition = defineJob('copy', (job) => {
  job.source('in', fromArray(['a'])).to('out', textLines('/out'))
})

const random = new SeededRandom(1)

function prepare(files: MemoryFileSystem, isFresh: boolean) {
  const clock = { now: () => 0, monotonic: () => 0, schedule: () => () => {}, defer: () => () => {} }
  const environment: JobEnvironment = {
    clock,
    files,
    random,
    lock: () => Promise.resolve({ release() {} }),
    messagesPerTurn: 1,
  }
  const job = definition.build(undefined)
  const options = resolveOptions({})
  return prepareStart({
    job,
    graph: executionGraph(job.plan, 1),
    directory: '/checkpoints',
    environment,
    options,
    from: null,
    isFresh,
    allowDuplicates: false,
    makeCommitters: (run) =>
      new SinkCommitters(job, {
        ...run,
        job: 'copy',
        clock,
        files,
        secret: (name) => name,
        checkpointIntervalMs: options.checkpointIntervalMs,
        checkpointTimeoutMs: options.checkpointTimeoutMs,
        warn: () => {},
        refuseIfReplaced: async () => {},
      }),
  })
}

describe('preparing a start', () => {
  it('tells sinks of a run that was stopped before its first checkpoint, and of none where there is no record', async () => {
    const files = new MemoryFileSystem()
    const first = await prepare(files, false)
    expect(first.kind).toEqual({ kind: 'fresh', isForced: false })
    const second = await prepare(files, false)
    expect(second.kind).toEqual({ kind: 'fresh', isForced: false, unfinished: first.run })
    await second.directory.setStatus('canceled')
    expect((await prepare(files, false)).kind).toEqual({ kind: 'fresh', isForced: false })
  })

  it('only puts away what is left when the process was killed after the end of the job was durable', async () => {
    const files = new MemoryFileSystem()
    const first = await prepare(files, false)
    await first.directory.setStatus('finishing')
    const second = await prepare(files, false)
    expect(second).toMatchObject({ isFinished: true, run: first.run, restore: null })
    expect(second.epoch).toBeGreaterThan(first.epoch)
    // Killed again meanwhile: still nothing else to do.
    expect(await prepare(files, false)).toMatchObject({ isFinished: true, run: first.run })
    await second.directory.setStatus('finished').catch(() => {})
    expect(await prepare(files, true)).toMatchObject({ isFinished: false })
  })

  it('leaves the record of the job as it was when an output refuses the start', async () => {
    const files = new MemoryFileSystem()
    const { committers, kind } = await prepare(files, false)
    await committers.start(kind)
    files.put('/out/part-0-1-1-0.txt', 'a\n')
    const before = files.text('/checkpoints/job.json')
    expect(before).not.toBeNull()
    await expect(prepare(files, true)).rejects.toMatchObject({ code: 'OUTPUT_EXISTS' })
    expect(files.text('/checkpoints/job.json')).toBe(before)
  })
})
