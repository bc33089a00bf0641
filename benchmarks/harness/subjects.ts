import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { RunResult, Subject } from './compare.ts'
import { JavaPeer } from './java-peer.ts'
import { measure } from './measure.ts'
import { ROOT } from './root.ts'

const CLI = join(ROOT, 'packages/tidemark/bin/tidemark.js')

export interface TidemarkRun {
  /** Path of the job file. */
  readonly job: string
  readonly parallelism: number
  readonly workers: number
  readonly checkpointInterval: string
  /** What the operator `counts` must have taken in: fewer or more is a wrong result. */
  readonly counted: number
  readonly jobArguments?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

/** Runs a job file as users do; the time is that from the first record to the last where the job file holds a stopwatch (stopwatch.ts), else that of the whole process. */
export async function runTidemark(options: TidemarkRun): Promise<RunResult & { readonly checkpoints: number }> {
  const { job, parallelism, workers, checkpointInterval, counted, jobArguments = [], env = {} } = options
  const directory = await mkdtemp(join(tmpdir(), 'bench-checkpoints-'))
  const times = await mkdtemp(join(tmpdir(), 'bench-times-'))
  try {
    const own = [
      '--parallelism',
      `${parallelism}`,
      '--workers',
      `${workers}`,
      '--checkpoint-interval',
      checkpointInterval,
    ]
    const argv = [
      process.execPath,
      CLI,
      'run',
      job,
      ...own,
      '--checkpoint-dir',
      directory,
      '--json',
      '--',
      ...jobArguments,
    ]
    const measured = await measure({ argv, env: { ...env, STOPWATCH_DIRECTORY: times } })
    const actual = countedBy(measured.stdout)
    if (actual !== counted) throw new Error(`${job} counted ${actual} records, not ${counted}`)
    const checkpoints = measured.stdout.split('"kind":"checkpoint-completed"').length - 1
    const seconds = await secondsBetweenRecords(times)
    if (seconds === null) return { ...measured, seconds: measured.wallSeconds, checkpoints }
    return { ...measured, seconds, processSeconds: measured.wallSeconds, checkpoints }
  } finally {
    await rm(directory, { recursive: true, force: true })
    await rm(times, { recursive: true, force: true })
  }
}

/** From the first record of any thread to the last of any. */
async function secondsBetweenRecords(directory: string): Promise<number | null> {
  const firsts: number[] = []
  const lasts: number[] = []
  for (const file of await readdir(directory)) {
    const [first = 0, last = 0] = (await readFile(join(directory, file), 'utf8')).trim().split(' ').map(Number)
    if (first > 0) firsts.push(first)
    if (last > 0) lasts.push(last)
  }
  return lasts.length === 0 ? null : (Math.max(...lasts) - Math.min(...firsts)) / 1e9
}

interface ResultEvent {
  readonly kind: string
  readonly metrics?: { readonly operators: readonly { readonly operator: string; readonly recordsIn: number }[] }
}

function countedBy(stdout: string): number | undefined {
  const events = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as ResultEvent)
  const result = events.find((event) => event.kind === 'result')
  return result?.metrics?.operators.find(({ operator }) => operator === 'counts')?.recordsIn
}

/** A loop written by hand, without any of what a stream processor promises; the time is that of the whole process. */
export function handWritten(name: string, program: string, ...rest: readonly string[]): Subject {
  const argv = [process.execPath, join(ROOT, 'benchmarks/peers', program), ...rest]
  return {
    name,
    async run() {
      const measured = await measure({ argv })
      return { ...measured, seconds: measured.wallSeconds }
    },
  }
}

const peer = new JavaPeer('flink', 'bench.Peer')

/** Whether Java and Maven are here; builds the Flink peer when it is not built yet. */
export function hasFlink(): boolean {
  return peer.isReady()
}

/** Flink in one process with a warm JVM: time and CPU are those of its second job, the time from the first record to the last. `counted` as in `TidemarkRun`. */
export function flink(name: string, parallelism: number, counted: number, ...rest: readonly string[]): Subject {
  return { name, run: () => peer.run(counted, '--checkpoints', '--parallelism', `${parallelism}`, ...rest) }
}

/** `--name value` among the arguments of a benchmark. */
export function numberArgument(name: string, otherwise: number): number {
  const index = process.argv.indexOf(`--${name}`)
  return index === -1 ? otherwise : Number(process.argv[index + 1])
}

export function jobFile(name: string): string {
  return resolve(ROOT, 'benchmarks/jobs', `${name}.ts`)
}
