import { describe, expect, it } from 'vitest'
import { defineJob } from '../../api/define-job.ts'
import { output } from '../../api/output.ts'
import { value } from '../../api/state.ts'
import { jsonLines } from '../../connectors/files/json-lines.ts'
import { lines } from '../../connectors/files/lines.ts'
import { isTidemarkError, type TidemarkError } from '../../core/errors.ts'
import { CHECKPOINTS, failureOf, JobBench } from '../../testing/job-bench/job-bench.ts'
import type { FileFault, FileOperation } from '../../testing/simulator/memory-file-system.ts'
import type { RunOptions } from './contract.ts'

const WORDS = ['tide', 'mark', 'tide', 'line', 'tide', 'mark', 'sand', 'tide']
const EXPECTED = WORDS.map((word, index) => [word, WORDS.slice(0, index + 1).filter((other) => other === word).length])
  .map((row) => JSON.stringify(row))
  .toSorted()

/** Reads files, keeps state too large for the manifest, writes files in two phases. */
const job = defineJob('words', (builder) => {
  const { counts } = builder
    .source('text', lines('/in/*.txt'))
    .keyBy((word) => word)
    .process('count', {
      state: { count: value(0), ballast: value('') },
      outputs: { counts: output<readonly [string, number]>() },
      onRecord(word, { state, emit }) {
        if (word === 'tide') state.ballast.set('x'.repeat(25_000))
        emit.counts([word, state.count.update((count) => count + 1)])
      },
    })
  counts.to('out', jsonLines('/out'))
})

const OPTIONS: RunOptions = {
  checkpointInterval: 1,
  batchSize: 1,
  channelCapacity: 1,
  restartStrategy: { kind: 'fixed-delay', attempts: 3, delay: 5 },
}

function prepared(seed = 7): JobBench {
  const bench = new JobBench(seed)
  bench.files.put('/in/a.txt', `${WORDS.join('\n')}\n`)
  return bench
}

/** A run that is killed after its first commit, and started again until it finishes. Returns the errors that ended starts. */
async function live(bench: JobBench): Promise<readonly TidemarkError[]> {
  const failures: TidemarkError[] = []
  let isKilled = false
  for (let starts = 0; starts < 4; starts++) {
    const master = bench.start(job, OPTIONS)
    let hasEnded = false
    const result = master.result.then(
      () => null,
      (error: unknown) => error,
    )
    void result.then(() => (hasEnded = true))
    const from = bench.events.length
    const hasCommitted = () => bench.events.slice(from).some(({ kind }) => kind === 'checkpoint-committed')
    await bench.until(() => hasEnded || (!isKilled && hasCommitted()))
    if (!hasEnded) {
      isKilled = true
      bench.kill()
      continue
    }
    const error = await result
    if (error === null) return failures
    if (!isTidemarkError(error)) throw error
    failures.push(error)
  }
  throw new Error(`never finished: ${failures.map(({ message }) => message).join('\n')}`)
}

/** Every operation of an undisturbed life, in order. */
async function operationsOf(): Promise<readonly FileOperation[]> {
  const bench = prepared()
  const operations: FileOperation[] = []
  bench.files.inject((operation) => void operations.push(operation))
  await live(bench)
  return operations
}

describe('a job whose storage fails once', () => {
  it('lives through every kind of operation', async () => {
    const operations = await operationsOf()
    const kinds = new Set(operations.map(({ kind }) => kind))
    for (const kind of [
      'create',
      'write',
      'sync',
      'close',
      'read',
      'list',
      'rename',
      'link',
      'remove',
      'sync-directory',
    ]) {
      expect(kinds).toContain(kind)
    }
    expect(operations.some(({ kind, path }) => kind === 'read' && path.includes('/count~0'))).toBe(true)
  })

  it.each(['error', 'torn'] as const)('survives or says why, and every result comes once (%s)', async (how) => {
    const count = (await operationsOf()).length
    expect(count).toBeGreaterThan(100)
    let failed = 0
    for (let target = 0; target < count; target++) {
      const bench = prepared()
      let operations = 0
      let struck: FileOperation | null = null
      bench.files.inject((operation): FileFault | undefined => {
        if (operations++ !== target) return undefined
        struck = operation
        return how === 'torn'
          ? 'torn'
          : Object.assign(new Error(`EIO: i/o error, ${operation.kind} '${operation.path}'`), { code: 'EIO' })
      })
      const failures = await live(bench)
      const where = `operation ${target}: ${JSON.stringify(struck)}`
      for (const error of failures) {
        failed++
        expect(
          ['STORAGE_FAILED', 'STORAGE_OUTCOME_UNKNOWN', 'SINK_FAILED', 'SOURCE_FAILED'],
          `${where}: ${error.message}`,
        ).toContain(error.code)
        expect(`${error.message} ${error.context.file}`, where).toMatch(/\/checkpoints|\/out|\/in|'\/'/)
      }
      expect(bench.lines('/out').toSorted(), where).toEqual(EXPECTED)
      expect(bench.residue(), where).toEqual([])
      expect(bench.files.paths(CHECKPOINTS), where).toEqual([`${CHECKPOINTS}/job.json`])
    }
    // Most are survived by a restart in the same process.
    expect(failed).toBeLessThan(count / 3)
  })
})

/** Every file with its content. */
function diskOf(bench: JobBench): ReadonlyMap<string, string | null> {
  return new Map(bench.files.paths('/').map((path) => [path, bench.files.text(path)]))
}

async function suspended(
  options = OPTIONS,
  after = 1,
  seed = 7,
): Promise<{ bench: JobBench; files: readonly string[] }> {
  const bench = prepared(seed)
  const master = bench.start(job, options)
  await bench.next('checkpoint-committed', ({ checkpoint }) => checkpoint >= after)
  await bench.drive(master.stop())
  const files = bench.files.paths(CHECKPOINTS)
  // What no task goes on from no task reads.
  expect(bench.files.text(files.find((path) => path.endsWith('/manifest'))!)).toContain('"isFinal":false')
  return { bench, files }
}

describe('a damaged checkpoint', () => {
  it('is refused with the name of the file, wherever one of its bytes is flipped or cut', async () => {
    const { bench, files } = await suspended()
    expect(files.map((path) => path.slice(path.lastIndexOf('/') + 1).replace(/-.*/, ''))).toEqual(
      expect.arrayContaining(['manifest', 'count~0', 'job.json']),
    )
    const contents = new Map(files.map((path) => [path, bench.files.get(path)!]))
    const disk = diskOf(bench)
    for (const [file, bytes] of contents) {
      const places = [
        0,
        1,
        Math.floor(bytes.length / 3),
        Math.floor(bytes.length / 2),
        bytes.length - 2,
        bytes.length - 1,
      ]
      const damages = [
        ...places.map((at) => bytes.map((byte, index) => (index === at ? byte ^ 0x10 : byte))),
        bytes.subarray(0, bytes.length - 1),
        bytes.subarray(1),
        new Uint8Array(),
      ]
      for (const damaged of damages) {
        bench.files.put(file, damaged)
        const error = await failureOf(bench.drive(bench.start(job, OPTIONS).result))
        expect(['CHECKPOINT_CORRUPT', 'UNSUPPORTED']).toContain(error.code)
        expect(`${error.message} ${error.context.file}`).toContain(file)
        bench.files.put(file, bytes)
        // Refused before anything was written: the epoch is the old one, too.
        expect(diskOf(bench)).toEqual(disk)
      }
    }
    expect((await bench.drive(bench.start(job, OPTIONS).result)).status).toBe('finished')
    expect(bench.lines('/out').toSorted()).toEqual(EXPECTED)
  })

  it('is refused when a file of it is missing', async () => {
    const { bench, files } = await suspended()
    const state = files.find((path) => path.includes('/count~0'))!
    const content = bench.files.get(state)!
    await bench.files.remove(state)
    const error = await failureOf(bench.drive(bench.start(job, OPTIONS).result))
    expect(error.code).toBe('CHECKPOINT_CORRUPT')
    expect(`${error.message} ${error.context.file}`).toContain(state)
    bench.files.put(state, content)
    await bench.drive(bench.start(job, OPTIONS).result)
    expect(bench.lines('/out').toSorted()).toEqual(EXPECTED)
  })

  it('leaves the job as it was: the older checkpoint that the error names can be started from', async () => {
    const retaining = { ...OPTIONS, checkpointsRetained: 2 }
    const { bench, files } = await suspended(retaining, 2)
    const states = files.filter((path) => path.includes('/count~0'))
    expect(states.length).toBeGreaterThan(1)
    damage(bench, newestOf(states))
    const disk = diskOf(bench)
    const error = await failureOf(bench.drive(bench.start(job, retaining).result))
    expect(error.context.file).toBe(newestOf(states))
    expect(diskOf(bench)).toEqual(disk)
    const from = /--from (\S+)/.exec(error.action!)![1]!
    expect(from).toBe(directoryOf(states.find((path) => path !== newestOf(states))!))
    const refused = await failureOf(bench.drive(bench.start(job, { ...retaining, from }).result))
    expect(refused.action).toContain('allow duplicates')
    expect(diskOf(bench)).toEqual(disk)
    const result = await bench.drive(bench.start(job, { ...retaining, from, allowDuplicates: true }).result)
    expect(result.status).toBe('finished')
    expect([...new Set(bench.lines('/out'))].toSorted()).toEqual([...new Set(EXPECTED)])
  })

  it('of another run does not take the place of the present one', async () => {
    const { bench } = await suspended()
    const other = await suspended(OPTIONS, 1, 8)
    for (const path of other.files) bench.files.put(`/elsewhere${path}`, other.bench.files.get(path)!)
    const state = `/elsewhere${other.files.find((path) => path.includes('/count~0'))!}`
    const from = directoryOf(state)
    damage(bench, state)
    const disk = diskOf(bench)
    const error = await failureOf(bench.drive(bench.start(job, { ...OPTIONS, from, allowDuplicates: true }).result))
    expect(error.code).toBe('CHECKPOINT_CORRUPT')
    expect(error.context.file).toBe(state)
    expect(diskOf(bench)).toEqual(disk)
    expect((await bench.drive(bench.start(job, OPTIONS).result)).status).toBe('finished')
    expect(bench.lines('/out').toSorted()).toEqual(EXPECTED)
  })
})

function damage(bench: JobBench, file: string): void {
  bench.files.put(
    file,
    bench.files.get(file)!.map((byte, index) => (index === 1000 ? byte ^ 1 : byte)),
  )
}

function newestOf(paths: readonly string[]): string {
  return paths.toSorted((left, right) => numberOf(left) - numberOf(right)).at(-1)!
}

function numberOf(path: string): number {
  return Number(/chk-(\d+)/.exec(path)![1])
}

function directoryOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'))
}
