import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { defineJob } from '../api/define-job.ts'
import { ERROR_CODES, type ErrorCode, TidemarkError } from '../core/errors.ts'
import type { JobDefinition } from '../core/job.ts'
import type {
  CheckpointSummary,
  JobEvent,
  JobHandle,
  JobMetrics,
  JobResult,
  JobStatus,
  RunOptions,
} from '../runtime/job/contract.ts'
import { EXIT, exitCodeOfError } from './exit-codes.ts'
import { main } from './main.ts'
import { quote, resumeCommand } from './resume-command.ts'
import { runCommand } from './run-command.ts'
import { MemoryHost } from './testing/memory-host.ts'

const checkpoint: CheckpointSummary = {
  checkpoint: 7,
  path: '/project/.tidemark/a-job/chk-7',
  durationMs: 12,
  bytes: 3400,
}

function metricsOf(status: JobStatus): JobMetrics {
  return {
    status,
    elapsedMs: 2000,
    sourceRecords: 5000,
    checkpointsCompleted: 7,
    checkpointsFailed: 0,
    lastCheckpoint: checkpoint,
    medianCheckpointMs: 11,
    restarts: 0,
    backPressure: 0,
    operators: [],
  }
}

/** A started job whose fate the test decides. */
class FakeJob implements JobHandle {
  readonly job = 'a-job'
  status: JobStatus = 'running'
  stops = 0
  private readonly listeners = new Set<(event: JobEvent) => void>()
  private settle!: { resolve: (result: JobResult) => void; reject: (error: unknown) => void }
  readonly result = new Promise<JobResult>((resolve, reject) => (this.settle = { resolve, reject }))

  on(listener: (event: JobEvent) => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  emit(event: JobEvent): void {
    for (const listener of this.listeners) listener(event)
  }

  end(status: JobResult['status'], kept: CheckpointSummary | null = checkpoint): void {
    this.settle.resolve({ status, run: 'r', metrics: metricsOf(status), checkpoint: kept })
  }

  fail(error: unknown): void {
    this.settle.reject(error)
  }

  metrics(): JobMetrics {
    return metricsOf(this.status)
  }

  stop(): Promise<JobResult> {
    this.stops++
    return this.result
  }

  cancel(): Promise<JobResult> {
    return this.result
  }

  triggerCheckpoint(): Promise<CheckpointSummary> {
    return Promise.resolve(checkpoint)
  }
}

const plainJob: JobDefinition = defineJob('a-job', () => {})

interface Started {
  readonly host: MemoryHost
  readonly job: FakeJob
  readonly options: RunOptions
  readonly code: Promise<number>
}

/** Gives the command to a process with a fake job; returns once the job was started. */
async function start(
  argv: readonly string[],
  { isTerminal = false, definition = plainJob, warnings = [] as readonly string[] } = {},
): Promise<Started> {
  const host = new MemoryHost(argv, { isTerminal })
  const job = new FakeJob()
  return new Promise((resolve, reject) => {
    const engine = {
      ownPackage: '/tidemark',
      load: () => Promise.resolve({ job: definition, warnings }),
      run(_: JobDefinition, options: RunOptions) {
        // Once the command follows the job.
        setImmediate(() => resolve({ host, job, options, code }))
        return job
      },
    }
    const code = main(host, (command) => runCommand(command, host, engine))
    code.catch(reject)
  })
}

const started = {
  kind: 'started',
  run: 'r',
  epoch: 1,
  attempt: 1,
  from: { kind: 'restored', checkpoint: 7, path: '/c/chk-7' },
} as const satisfies JobEvent

describe('tidemark run', () => {
  test('says where it starts from, what happens, and what was done', async () => {
    const { host, job, code } = await start(['run', 'job.ts'], { warnings: ['odd import'] })
    job.emit(started)
    job.emit({ kind: 'checkpoint-triggered', checkpoint: 8 })
    job.emit({ kind: 'checkpoint-completed', ...checkpoint, checkpoint: 8 })
    job.emit({
      kind: 'attempt-failed',
      attempt: 1,
      error: { name: 'TidemarkError', code: 'SOURCE_FAILED', message: 'gone' },
      restartInMs: 1500,
    })
    job.emit({ ...started, attempt: 2 })
    job.emit({ kind: 'checkpoint-failed', checkpoint: 9, reason: 'attempt-stopped', error: null })
    job.end('finished')
    expect(await code).toBe(0)
    expect(host.stderr.screen.map((line) => line.replace(/^\S+ /, ''))).toEqual([
      'WARN a-job: odd import',
      'INFO a-job: resumed from checkpoint 7 (/c/chk-7)',
      'INFO a-job: checkpoint 8 completed in 12 ms, 3.4 kB',
      'WARN a-job: attempt 1 failed, restarting in 1.5 s: SOURCE_FAILED: gone',
      'INFO a-job: attempt 2: resumed from checkpoint 7 (/c/chk-7)',
      'INFO a-job: finished: 5,000 records in 2.0 s, 2,500 records/s',
      'INFO a-job: 7 checkpoints, median 11 ms',
      'INFO a-job: newest checkpoint: 7 (/project/.tidemark/a-job/chk-7)',
      '',
    ])
    expect(host.stdout.written).toBe('')
    expect(host.leftovers).toBe(0)
  })

  test('keeps one line up to date on a terminal, and leaves it clean', async () => {
    const { host, job, code } = await start(['run', 'job.ts'], { isTerminal: true })
    job.emit(started)
    host.tick(1000)
    host.tick(1000)
    expect(host.stderr.screen).toEqual([
      'resumed from checkpoint 7 (/c/chk-7)',
      'a-job running · 2,500 records/s · 7 checkpoints (last 12 ms) · back pressure 0 % · 5,000 records in 2.0 s',
    ])
    job.end('finished')
    await code
    expect(host.stderr.screen.at(-1)).toBe('')
    expect(host.stderr.written).not.toContain('checkpoint 7 completed')
    expect(host.leftovers).toBe(0)
  })

  test('writes every event and metrics as JSON lines to standard output', async () => {
    const { host, job, code } = await start(['run', 'job.ts', '--json'], { isTerminal: true })
    job.emit(started)
    host.tick(5000)
    job.emit({ kind: 'checkpoint-triggered', checkpoint: 8 })
    job.end('finished')
    await code
    const entries = host.stdout.written
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
    expect(entries.map(({ kind }) => kind)).toEqual(['started', 'metrics', 'checkpoint-triggered', 'result'])
    expect(entries[0]).toEqual({ time: '1970-01-01T00:00:00.000Z', job: 'a-job', ...started })
    expect(entries[3]).toMatchObject({ status: 'finished', exitCode: 0, metrics: { sourceRecords: 5000 } })
    expect(host.stderr.written).toBe('')
  })

  test('with --json and --live tells a program and keeps a line up to date for people', async () => {
    const { host, job, code } = await start(['run', 'job.ts', '--json', '--live'], { isTerminal: true })
    job.emit(started)
    host.tick(1000)
    job.end('finished')
    await code
    const kinds = host.stdout.written
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { kind: string }).kind)
    expect(kinds).toContain('started')
    expect(kinds).toContain('metrics')
    expect(kinds.at(-1)).toBe('result')
    expect(host.stderr.written).toContain('a-job running')
    expect(host.stderr.screen.at(-1)).toBe('')
    expect(host.leftovers).toBe(0)
  })

  test('hands options and parameters to the job, and shows it its arguments', async () => {
    const definition = defineJob({
      name: 'a-job',
      params: z.object({ n: z.number(), input: z.string() }),
      build: () => {},
    })
    const argv = [
      'run',
      'job.ts',
      '--parallelism',
      '3',
      '--set',
      'n=5',
      '--allow-duplicates',
      '--from',
      'chk-1',
      '--',
      '--input',
      'x',
      'y',
    ]
    const { host, job, options, code } = await start(argv, { definition })
    expect(options).toEqual({ parallelism: 3, params: { n: 5, input: 'x' }, from: 'chk-1', allowDuplicates: true })
    expect(host.shown).toEqual(['/project/job.ts', '--input', 'x', 'y'])
    job.end('finished')
    await code
  })

  test('keeps the arguments after -- from a job without parameters, which reads them itself', async () => {
    const { job, options, code } = await start(['run', 'job.ts', '--', '--input', 'x'])
    expect(options).toEqual({})
    job.end('finished')
    await code
  })
})

describe('signals', () => {
  test('once suspends and says how to go on', async () => {
    const { host, job, code } = await start(['run', 'my job.ts', '--from', 'old', '--', '--fresh', "it's"])
    host.signal('SIGTERM', 1000)
    expect(job.stops).toBe(1)
    expect(host.exited).toBe(null)
    job.end('suspended')
    expect(await code).toBe(75)
    expect(host.stderr.written).toContain(String.raw`to go on: npx tidemark run 'my job.ts' -- --fresh 'it'\''s'`)
  })

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('twice %s quits at once with %i', async (signal, exitCode) => {
    const { host, job, code } = await start(['run', 'job.ts'])
    host.signal(signal, 0)
    host.signal(signal, 2000)
    expect(host.exited).toBe(exitCode)
    expect(job.stops).toBe(1)
    job.end('suspended')
    await code
  })

  test('that npm sends once more right away are no second wish', async () => {
    const { host, job, code } = await start(['run', 'job.ts'])
    host.signal('SIGINT', 0)
    host.signal('SIGINT', 20)
    expect(host.exited).toBe(null)
    job.end('suspended', null)
    await code
    expect(host.stderr.written).toContain('to start again: npx tidemark run job.ts')
  })

  test('before there is a job end the process', async () => {
    const host = new MemoryHost(['run', 'job.ts'])
    const unloadable = new FakeJob()
    const load = () => unloadable.result.then(() => ({ job: plainJob, warnings: [] }))
    const engine = { ownPackage: '/tidemark', load, run: () => new FakeJob() }
    const code = main(host, (command) => runCommand(command, host, engine))
    await new Promise((resolve) => setImmediate(resolve))
    await new Promise((resolve) => setImmediate(resolve))
    host.signal('SIGINT', 0)
    expect(host.exited).toBe(130)
    unloadable.fail(new TidemarkError('JOB_MODULE', 'no matter'))
    await code
  })
})

describe('a command line that cannot be followed', () => {
  test('is explained, with the code for wrong usage', async () => {
    const host = new MemoryHost(['run', 'job.ts', '--paralelism', '2'])
    expect(await main(host, () => Promise.reject(new Error('not asked')))).toBe(2)
    expect(host.stderr.written).toMatch(/^tidemark: unknown option --paralelism\nDid you mean --parallelism\?/)
  })
})

describe('exit codes', () => {
  test.each([
    ['finished', 0],
    ['canceled', 4],
    ['suspended', 75],
  ] as const)('a job that is %s gives %i', async (status, exitCode) => {
    const { job, code } = await start(['run', 'job.ts'])
    job.end(status)
    expect(await code).toBe(exitCode)
  })

  test.each([
    ['RESTARTS_EXHAUSTED', 1],
    ['INVALID_PARAMS', 2],
    ['JOB_LOCKED', 3],
    ['OUTPUT_EXISTS', 3],
  ] as const)('a job that fails with %s gives %i and a report', async (code, exitCode) => {
    const { host, job, code: exit } = await start(['run', 'job.ts'])
    job.fail(new TidemarkError(code, 'what happened', { action: 'what to do about it' }))
    expect(await exit).toBe(exitCode)
    expect(host.stderr.written).toMatch(/ERROR a-job: [A-Z_]+: what happened\n[^]* {2}what to do what to do about it\n/)
    expect(host.leftovers).toBe(0)
  })

  test('are those of wrong usage or refusal only where starting again cannot help', () => {
    const retryable = (Object.keys(ERROR_CODES) as ErrorCode[]).filter((code) => ERROR_CODES[code].retryable)
    for (const code of retryable) expect(exitCodeOfError(code)).toBe(EXIT.failed)
    expect(exitCodeOfError(undefined)).toBe(EXIT.failed)
  })

  test('an error that nobody caught ends the process and is reported', async () => {
    const { host, job, code } = await start(['run', 'job.ts'])
    host.throwUncaught(new Error('from a timer'))
    expect(host.exited).toBe(1)
    expect(host.stderr.written).toContain('from a timer')
    job.end('finished')
    await code
  })
})

describe('the command to go on', () => {
  test.each([
    [['run', 'a.ts', '--fresh', '--parallelism', '2'], 'npx tidemark run a.ts --parallelism 2'],
    [['run', '--from', 'x', 'a.ts', '--from=y'], 'npx tidemark run a.ts'],
    [['run', 'a.ts', '--', '--from', 'x'], 'npx tidemark run a.ts -- --from x'],
  ])('leaves out what says to start elsewhere: %j', (argv, expected) => {
    expect(resumeCommand(argv, 'linux')).toBe(expected)
  })

  test('is quoted for the shell', () => {
    expect(quote('books/*.txt', 'linux')).toBe("'books/*.txt'")
    expect(quote('', 'linux')).toBe("''")
    expect(quote('a "b"', 'win32')).toBe('"a ""b"""')
  })
})
