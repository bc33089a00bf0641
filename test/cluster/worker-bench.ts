import { mkdir, mkdtemp, readdir, readFile, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { ResourceLimits } from 'node:worker_threads'
import { build } from 'esbuild'
import type { JobDefinition } from '../../packages/tidemark/src/core/job.ts'
import type { JobEvent, JobHandle, RunOptions } from '../../packages/tidemark/src/runtime/job/contract.ts'
import { JobMaster } from '../../packages/tidemark/src/runtime/job/job-master.ts'
import { nodeEnvironment } from '../../packages/tidemark/src/runtime/job/run.ts'
import { ThreadPool } from '../../packages/tidemark/src/runtime/worker/thread-pool.ts'
import type { WorkerThread } from '../../packages/tidemark/src/runtime/worker/worker-host.ts'
import { type FileWatcher, WatchedFiles } from './watched-files.ts'

const source = (path: string) => fileURLToPath(new URL(path, import.meta.url))
export const JOBS = [
  'co-stages',
  'counting',
  'handing-out',
  'keeping',
  'slow-sink',
  'striped',
  'told',
  'undecided',
  'unioned',
] as const
export type JobName = (typeof JOBS)[number]

/** The jobs of `worker-jobs/` and what runs in workers, built from source once per file of tests. */
export class WorkerPrograms {
  readonly folder: string

  private constructor(folder: string) {
    this.folder = folder
  }

  static async build(): Promise<WorkerPrograms> {
    const folder = await realpath(await mkdtemp(join(tmpdir(), 'tidemark-worker-programs-')))
    await build({
      entryPoints: [
        source('../../packages/tidemark/src/runtime/worker/worker-main.ts'),
        source('worker-process.ts'),
        ...JOBS.map((name) => source(`worker-jobs/${name}.ts`)),
      ],
      outdir: folder,
      entryNames: '[name]',
      outExtension: { '.js': '.mjs' },
      splitting: true,
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node20',
      conditions: ['@tidemark/source'],
      external: ['esbuild'],
      sourcemap: 'inline',
      logLevel: 'error',
    })
    return new WorkerPrograms(folder)
  }

  file(name: string): string {
    return join(this.folder, `${name}.mjs`)
  }

  get workerEntry(): URL {
    return pathToFileURL(this.file('worker-main'))
  }

  async load(name: JobName): Promise<JobDefinition> {
    const { default: job } = (await import(pathToFileURL(this.file(name)).href)) as { default: JobDefinition }
    return job
  }

  remove(): Promise<void> {
    return rm(this.folder, { recursive: true, force: true })
  }
}

/** What a test may have otherwise than usual. */
export interface Outside {
  readonly resourceLimits?: ResourceLimits
  /** Of what the main thread does with files. */
  readonly watch?: FileWatcher
  /** Told of every message of a worker, before it is delivered. */
  readonly onMessage?: () => void
  /** Stands between the main thread and each worker. */
  readonly between?: (thread: WorkerThread) => WorkerThread
}

/** Runs jobs in worker threads of this process, or in its main thread, on one folder. */
export class WorkerBench {
  readonly folder: string
  readonly events: JobEvent[] = []
  /** Every thread that was started. */
  readonly threads: WorkerThread[] = []
  private readonly programs: WorkerPrograms

  private constructor(programs: WorkerPrograms, folder: string) {
    this.programs = programs
    this.folder = folder
  }

  static async create(programs: WorkerPrograms): Promise<WorkerBench> {
    const folder = await realpath(await mkdtemp(join(tmpdir(), 'tidemark-workers-')))
    await mkdir(join(folder, 'counts'))
    return new WorkerBench(programs, folder)
  }

  async start(
    name: JobName,
    options: RunOptions,
    { resourceLimits, watch, onMessage, between = (thread) => thread }: Outside = {},
  ): Promise<JobHandle> {
    const job = await this.programs.load(name)
    const { workerEntry: entry } = this.programs
    const module = async () => ({ entry: `${name}.ts`, file: this.programs.file(name) })
    const environment = nodeEnvironment(
      module,
      new ThreadPool(resourceLimits === undefined ? { entry } : { entry, resourceLimits }),
    )
    const threads = environment.workers!
    const handle = new JobMaster(
      job,
      {
        checkpointDir: join(this.folder, 'checkpoints'),
        checkpointInterval: 10,
        restartStrategy: { kind: 'fixed-delay', attempts: 20, delay: 0 },
        ...options,
      },
      {
        ...environment,
        files: watch === undefined ? environment.files : new WatchedFiles(environment.files, watch),
        workers: {
          ...threads,
          start: (worker, from) => {
            const thread = threads.start(worker, from)
            this.threads.push(thread)
            return between(onMessage === undefined ? thread : heard(thread, onMessage))
          },
        },
      },
    )
    handle.on((event) => this.events.push(event))
    return handle
  }

  all<Kind extends JobEvent['kind']>(kind: Kind): readonly Extract<JobEvent, { readonly kind: Kind }>[] {
    return this.events.filter((event): event is Extract<JobEvent, { readonly kind: Kind }> => event.kind === kind)
  }

  lines<T>(output: string): Promise<readonly T[]> {
    return outputLines(join(this.folder, output))
  }

  remove(): Promise<void> {
    return rm(this.folder, { recursive: true, force: true })
  }
}

function heard(thread: WorkerThread, onMessage: () => void): WorkerThread {
  return {
    post: (message) => thread.post(message),
    terminate: () => thread.terminate(),
    listen(deliver, onEnd) {
      thread.listen((message) => {
        onMessage()
        deliver(message)
      }, onEnd)
    },
  }
}

/** What a reader of a file sink's folder sees: the lines of all committed files. */
export async function outputLines<T>(folder: string): Promise<readonly T[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.jsonl'))
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')))
  return texts.flatMap((text) =>
    text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as T),
  )
}

/** Everything that a folder holds beside committed output. */
export async function residue(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder, { recursive: true, withFileTypes: true })
  return names
    .filter((entry) => entry.isFile() && !/^part-.*\.jsonl$|^\.tidemark-output\.json$/.test(entry.name))
    .map(({ name }) => name)
}
