import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { FileSystem } from '../../core/file-system.ts'
import { attempt, epoch, operatorId, runId } from '../../core/ids.ts'
import type { Committable, Sink, StartKind } from '../../core/sink.ts'
import type { Disturbance } from '../../testing/connector-contract/disturbance.ts'
import { describeDifference } from '../../testing/connector-contract/record-bag.ts'
import { checkSinkContract } from '../../testing/connector-contract/sink-contract.ts'
import { SinkRun } from '../../testing/connector-contract/sink-run.ts'
import { VirtualClock } from '../../testing/connector-contract/virtual-clock.ts'
import { type FileFault, MemoryFileSystem } from '../../testing/simulator/memory-file-system.ts'
import { SeededRandom } from '../../testing/simulator/seeded-random.ts'
import { jsonLines } from './json-lines.ts'
import { textLines } from './text-lines.ts'

const FRESH: StartKind = { kind: 'fresh', isForced: false }
const RESTORED: StartKind = { kind: 'restored', from: runId('run') }

/** Lines of every file that a reader of the directory sees. */
function visible(disk: MemoryFileSystem): readonly string[] {
  const files = disk.paths('/out').filter((path) => !path.includes('/.'))
  return files.flatMap((path) => disk.text(path)!.split('\n').slice(0, -1))
}

function pending(disk: MemoryFileSystem): readonly string[] {
  return disk.paths('/out').filter((path) => path.includes('/.pending'))
}

function process(
  files: FileSystem,
  epoch: number,
  run = 'run',
  sink: Sink<string> = textLines('/out', { rollSize: 20 }),
) {
  return new SinkRun<string>({ sink, files, clock: new VirtualClock(), run, epoch, parallelism: 2 })
}

/** What the model's checkpoint storage holds: written atomically, never lost. */
interface Checkpoint {
  readonly run: string
  readonly position: number
  readonly committables: readonly Committable[]
}

const BATCH = 3

/** A job that writes 0 … total − 1 with a checkpoint after every few records, and goes on where the newest checkpoint says. */
class CountingJob {
  checkpoint: Checkpoint | null = null
  private epochs = 0
  private readonly total: number
  private readonly isNewRunPerStart: boolean

  constructor(total: number, isNewRunPerStart: boolean) {
    this.total = total
    this.isNewRunPerStart = isNewRunPerStart
  }

  get expected(): readonly string[] {
    return Array.from({ length: this.total }, (_, index) => `record ${index}`)
  }

  /** One process, from start to end; rejects when the process fails. */
  async run(files: FileSystem, attempts: number): Promise<void> {
    const epoch = ++this.epochs
    const runName = this.checkpoint?.run ?? (this.isNewRunPerStart ? `run-${epoch}` : 'run')
    const run = process(files, epoch, runName)
    await run.claim(this.checkpoint === null ? FRESH : RESTORED)
    for (let attempt = 1; ; attempt++) {
      try {
        await this.attempt(run, runName)
        break
      } catch (error) {
        if (attempt === attempts) throw error
        await run.closeWriters()
      }
    }
    await run.close()
  }

  private async attempt(run: SinkRun<string>, runName: string): Promise<void> {
    const restored = this.checkpoint
    await this.commitAll(run, restored?.committables ?? [])
    await run.recover([])
    await run.openWriters()
    let position = restored?.position ?? 0
    while (position < this.total) {
      const end = Math.min(this.total, position + BATCH)
      for (; position < end; position++) await run.write(position % 2, [`record ${position}`])
      const committables = await run.prepare()
      this.checkpoint = { run: runName, position, committables }
      await this.commitAll(run, committables)
    }
  }

  private async commitAll(run: SinkRun<string>, committables: readonly Committable[]): Promise<void> {
    for (const result of await run.commit(committables)) {
      if (result.kind === 'retry' || result.kind === 'lost') throw result.error
    }
  }
}

/** Runs the job in a process that dies at its `step`-th file operation; whether it got to the end before. */
async function runUntilCrash(
  job: CountingJob,
  disk: MemoryFileSystem,
  step: number,
  crash: () => void,
): Promise<boolean> {
  let steps = 0
  const died = new Promise<'died'>((resolve) => {
    disk.inject(() => {
      if (steps++ === step) {
        crash()
        resolve('died')
      }
      return undefined
    })
  })
  const outcome = await Promise.race([died, job.run(disk.attach(), 1).then(() => 'finished' as const)])
  disk.inject(undefined)
  return outcome === 'finished'
}

async function withResults(isEndedInOrder: boolean): Promise<MemoryFileSystem> {
  const disk = new MemoryFileSystem()
  const run = process(disk, 1)
  await run.start(FRESH, [])
  await run.openWriters()
  await run.write(0, ['one'])
  await run.commit(await run.prepare())
  if (isEndedInOrder) await run.close()
  return disk
}

describe('a file sink', () => {
  it('keeps the contract of transactional sinks', async () => {
    const scenarios = await checkSinkContract<string>({
      environment: async () => {
        const disk = new MemoryFileSystem()
        const committed = async () => visible(disk)
        const disturb = (how: Disturbance): (() => void) | null => {
          // Files do not stall, and every operation either fails or is done.
          if (how !== 'fails') return null
          disk.inject(() => new Error('the disk fails'))
          return () => disk.inject(undefined)
        }
        return {
          create: () => textLines('/out', { bufferSize: 16 }),
          files: disk,
          committed,
          leftovers: async () => pending(disk),
          disturb,
        }
      },
      record: (index) => `record ${index}`,
    })
    expect(scenarios.length).toBeGreaterThanOrEqual(18)
  })

  it('holds every committed record once after crashes at any operations', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(60), { maxLength: 4 }),
        fc.nat(),
        fc.boolean(),
        fc.boolean(),
        fc.integer({ min: 0, max: 12 }),
        async (crashes, seed, isPowerLoss, isNewRunPerStart, total) => {
          const disk = new MemoryFileSystem()
          const random = new SeededRandom(seed)
          const job = new CountingJob(total, isNewRunPerStart)
          for (const step of crashes) {
            const hasFinished = await runUntilCrash(job, disk, step, () =>
              isPowerLoss ? disk.crash(random) : disk.kill(),
            )
            if (hasFinished) break
          }
          await job.run(disk.attach(), 1)
          expect(describeDifference(visible(disk), job.expected)).toBeNull()
          expect(pending(disk)).toEqual([])
          expect(await disk.stat('/out/.pending')).toBeNull()
        },
      ),
      { numRuns: 1500 },
    )
  })

  it.each(['without effect', 'torn'] as const)('survives every operation failing once, %s', async (how) => {
    for (let step = 0; ; step++) {
      const disk = new MemoryFileSystem()
      const job = new CountingJob(7, false)
      let steps = 0
      let hasFailed = false
      disk.inject((): FileFault | undefined => {
        if (steps++ !== step) return undefined
        hasFailed = true
        return how === 'torn' ? 'torn' : Object.assign(new Error('EIO: planted'), { code: 'EIO' })
      })
      // The first process may give up while it starts; the second finds no fault.
      await job.run(disk, 2).catch((error: unknown) => {
        expect(String(error)).toMatch(/planted|EIO/)
      })
      if (!hasFailed) return expect(step).toBeGreaterThan(40)
      await job.run(disk, 1)
      expect(describeDifference(visible(disk), job.expected), `step ${step}`).toBeNull()
      expect(pending(disk), `step ${step}`).toEqual([])
    }
  })

  it('commits nothing durable before the directory is synced: a power loss right after the commit loses nothing', async () => {
    for (let seed = 0; seed < 50; seed++) {
      const disk = new MemoryFileSystem()
      const job = new CountingJob(6, false)
      await job.run(disk.attach(), 1)
      disk.crash(new SeededRandom(seed))
      expect(describeDifference(visible(disk), job.expected)).toBeNull()
    }
  })

  it('reports results that are gone as lost, and does not touch what is foreign', async () => {
    const disk = new MemoryFileSystem()
    const run = process(disk, 1)
    await run.start(FRESH, [])
    await run.openWriters()
    await run.write(0, ['one'])
    const [prepared] = await run.prepare()
    const path = `/out/.pending/${String(prepared!.data['pending'])}`
    const content = disk.get(path)!

    await disk.remove(path)
    expect(await run.commit([prepared!])).toMatchObject([{ kind: 'lost', error: { code: 'COMMIT_LOST' } }])
    disk.put(path, content.subarray(1))
    expect(await run.commit([prepared!])).toMatchObject([{ kind: 'lost' }])
    disk.put(path, content)
    const final = `/out/${String(prepared!.data['final'])}`
    disk.put(final, content)
    expect(await run.commit([prepared!])).toMatchObject([{ kind: 'lost' }])
    expect(disk.get(final)).toEqual(content)
    await disk.remove(final)
    expect(await run.commit([prepared!])).toMatchObject([{ kind: 'committed' }])
    const outside = { version: 1, data: { pending: '../x', final: 'y', length: 1 } }
    expect(await run.commit([outside])).toMatchObject([{ kind: 'lost' }])
  })

  it('takes no more than its buffer holds while the disk is slow', async () => {
    const steps: (() => void)[] = []
    const slow = new MemoryFileSystem({ schedule: (step) => void steps.push(step) })
    slow.put('/out/.pending/x', '')
    let woken = 0
    const writer = textLines('/out', { bufferSize: 300_000 }).createWriter({
      job: 'job',
      operator: operatorId('sink'),
      run: runId('run'),
      epoch: epoch(1),
      attempt: attempt(1),
      subtask: 0,
      parallelism: 1,
      clock: new VirtualClock(),
      files: slow,
      secret: (name) => name,
      wake: () => void woken++,
      warn: () => {},
      fail: (error) => expect.fail(String(error)),
    })
    const records = Array.from({ length: 100 }, () => 'x'.repeat(10_000))
    const taken = writer.write(records, 0, 100, null)
    expect(taken).toBeGreaterThan(20)
    expect(taken).toBeLessThan(60)
    expect(writer.write(records, taken, 100, null)).toBe(taken)
    for (let turn = 0; turn < 50; turn++) {
      steps.shift()?.()
      await new Promise((resolve) => void setImmediate(resolve))
    }
    expect(woken).toBe(1)
    expect(writer.write(records, taken, 100, null)).toBeGreaterThan(taken)
  })

  it('writes JSON lines, and names the path of what JSON has no form for', async () => {
    const disk = new MemoryFileSystem()
    const run = new SinkRun<unknown>({
      sink: jsonLines<unknown>('/out'),
      files: disk,
      clock: new VirtualClock(),
      run: 'run',
      epoch: 1,
      parallelism: 1,
    })
    await run.start(FRESH, [])
    await run.openWriters()
    await run.write(0, [['word', 1], { text: 'line\nbreak', emoji: '😀\u{D800}' }, null])
    await run.commit(await run.prepare())
    expect(visible(disk).map((line) => JSON.parse(line) as unknown)).toEqual([
      ['word', 1],
      { text: 'line\nbreak', emoji: '😀\u{D800}' },
      null,
    ])
    expect(disk.paths('/out').filter((path) => path.endsWith('.jsonl'))).toEqual(['/out/part-0-run-1-1-0.jsonl'])
    const cycle: Record<string, unknown> = { name: 'a' }
    cycle['list'] = [1, { back: cycle }]
    await expect(run.write(0, [cycle])).rejects.toMatchObject({
      code: 'NOT_ENCODABLE',
      context: { path: '.list[1].back' },
    })
    await expect(run.write(0, [{ a: [1n] }])).rejects.toThrow('record.a[0] is a bigint')
    await expect(run.write(0, [undefined])).rejects.toThrow('the record is undefined')
  })
})

describe('the directory of a file sink', () => {
  it('is refused when it holds anything that this job did not write', async () => {
    const disk = new MemoryFileSystem()
    disk.put('/out/mine.txt', 'precious')
    for (const start of [FRESH, RESTORED]) {
      await expect(process(disk, 1).start(start, [])).rejects.toMatchObject({ code: 'OUTPUT_EXISTS' })
    }
    expect(disk.paths('/out')).toEqual(['/out/mine.txt'])
  })

  it.each([false, true])(
    'is refused when it holds results of a run that ended in order (forced: %s)',
    async (isForced) => {
      const disk = await withResults(true)
      await expect(process(disk, 2, 'new').start({ kind: 'fresh', isForced }, [])).rejects.toMatchObject({
        code: 'OUTPUT_EXISTS',
      })
      expect(visible(disk)).toEqual(['one'])
    },
  )

  it('is refused when a run that was killed left results but no checkpoint, also for a forced fresh start', async () => {
    const disk = await withResults(false)
    await expect(process(disk, 2, 'new').start(FRESH, [])).rejects.toMatchObject({ code: 'OUTPUT_WITHOUT_CHECKPOINT' })
    const forced: StartKind = { kind: 'fresh', isForced: true }
    await expect(process(disk, 2, 'new').start(forced, [])).rejects.toMatchObject({ code: 'OUTPUT_EXISTS' })
  })

  it('is refused when it belongs to another sink, even while it is empty', async () => {
    const disk = new MemoryFileSystem()
    await process(disk, 1).start(FRESH, [])
    disk.put('/out/.tidemark-output.json', disk.text('/out/.tidemark-output.json')!.replace('"sink"', '"other"'))
    await expect(process(disk, 2).start(FRESH, [])).rejects.toThrow('belongs to sink other of job job')
  })

  it('is taken over from an earlier run that never committed anything', async () => {
    const disk = new MemoryFileSystem()
    const run = process(disk, 1, 'first')
    await run.start(FRESH, [])
    await run.openWriters()
    await run.write(0, ['never seen'])
    await run.prepare()
    const next = process(disk, 2, 'second')
    await next.start(FRESH, [])
    expect(pending(disk)).toEqual([])
    expect(disk.text('/out/.tidemark-output.json')).toContain('"second"')
  })

  it('goes on under a run that takes it over, though its epochs begin with 1 again', async () => {
    const disk = new MemoryFileSystem()
    const first = process(disk, 1, 'first')
    await first.start(FRESH, [])
    await first.openWriters()
    await first.write(0, ['one'])
    await first.commit(await first.prepare())
    await first.closeWriters()
    const second = process(disk, 1, 'second')
    await second.start({ kind: 'restored', from: runId('first') }, [])
    await second.openWriters()
    await second.write(0, ['two'])
    const results = await second.commit(await second.prepare())
    expect(results.map(({ kind }) => kind)).toEqual(['committed'])
    expect(visible(disk)).toEqual(['one', 'two'])
  })
})
