import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import type { JobEvent } from '../../packages/tidemark/src/runtime/job/contract.ts'
import { type KillOrder, ORDER_VARIABLE, type ProcessOrder } from './kill-order.ts'

type ProcessEvent =
  | JobEvent
  | {
      readonly kind: 'killing' | 'ended'
      readonly name?: string
      readonly isInWorker?: boolean
      readonly status?: string
    }

type Setup = Pick<ProcessOrder, 'parallelism' | 'workers' | 'checkpointMode'>

/** What one process did. */
export interface RunOutcome {
  readonly signal: string | null
  /** The moment it killed itself at. */
  readonly killedAt: string | null
  readonly isKilledInWorker: boolean
  /** How the job ended. */
  readonly status: string | null
  /** The checkpoint that it resumed from; null when it started fresh, undefined when it did not get so far. */
  readonly restored: number | null | undefined
  /** Checkpoints that it said were complete. */
  readonly completed: readonly number[]
  readonly stderr: string
}

const source = (path: string) => fileURLToPath(new URL(path, import.meta.url))

/** Word counts in processes of their own, all on the same input, output and checkpoints. */
export class WordCountRuns {
  readonly folder: string
  readonly output: string
  readonly checkpoints: string
  private readonly program: string
  private readonly setup: Setup

  private constructor(folder: string, setup: Setup) {
    this.folder = folder
    this.setup = setup
    this.program = join(folder, 'programs/word-count-process.mjs')
    this.output = join(folder, 'out')
    this.checkpoints = join(folder, 'checkpoints')
  }

  /** Makes the input: a large file first, so that the state is soon too large to travel in acknowledgements, then many small ones. */
  static async create(setup: Setup): Promise<WordCountRuns> {
    const runs = new WordCountRuns(await realpath(await mkdtemp(join(tmpdir(), 'tidemark-kill-test-'))), setup)
    const text = await readFile(source('../../examples/data/moby-dick.txt'), 'utf8')
    const lines = text.split('\n')
    await mkdir(join(runs.folder, 'text'))
    const first = Math.floor(lines.length / 3)
    await runs.writeText(0, lines.slice(0, first))
    for (let number = 1, from = first; number <= 150; number++, from += 40) {
      await runs.writeText(number, lines.slice(from, from + 40))
    }
    await build({
      entryPoints: [
        source('word-count-process.ts'),
        source('watched-word-count.ts'),
        source('../../packages/tidemark/src/runtime/worker/worker-main.ts'),
      ],
      outdir: join(runs.folder, 'programs'),
      entryNames: '[name]',
      outExtension: { '.js': '.mjs' },
      // One copy of everything in each thread: what is watched is what runs.
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
    return runs
  }

  remove(): Promise<void> {
    return rm(this.folder, { recursive: true, force: true })
  }

  run(kill: KillOrder | null, isDuringRecovery = false): Promise<RunOutcome> {
    const order: ProcessOrder = { ...this.setup, checkpointDir: this.checkpoints, kill, isDuringRecovery }
    const argv = ['--enable-source-maps', this.program, '--input', 'text/*.txt', '--output', this.output]
    const child = spawn(process.execPath, argv, {
      cwd: this.folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'], [ORDER_VARIABLE]: JSON.stringify(order) },
    })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    return new Promise((resolve, reject) => {
      child.on('error', reject)
      child.on('close', (_code, signal) => resolve(outcome(signal, stdout, stderr)))
    })
  }

  /** The newest checkpoint that is complete: its manifest has its name. */
  async newestCheckpoint(): Promise<number | null> {
    const numbers: number[] = []
    for (const path of await this.listCheckpoints()) {
      const match = /^run-[^/]+\/chk-(\d+)\/manifest$/.exec(path)
      if (match !== null) numbers.push(Number(match[1]))
    }
    return numbers.length === 0 ? null : Math.max(...numbers)
  }

  /** Paths of all files below the checkpoint directory. */
  listCheckpoints(): Promise<readonly string[]> {
    return listFiles(this.checkpoints)
  }

  listOutput(): Promise<readonly string[]> {
    return listFiles(this.output)
  }

  /** Folders of output and checkpoints that hold nothing. */
  async emptyFolders(): Promise<readonly string[]> {
    const empty: string[] = []
    for (const folder of [this.output, this.checkpoints]) {
      for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
        const path = join(entry.parentPath, entry.name)
        if (entry.isDirectory() && (await readdir(path)).length === 0) empty.push(path)
      }
    }
    return empty
  }

  /** The committed values of every word, in no order. */
  async counts(): Promise<ReadonlyMap<string, readonly number[]>> {
    const counts = new Map<string, number[]>()
    for (const name of (await readdir(this.output)).filter((candidate) => candidate.endsWith('.jsonl'))) {
      const text = await readFile(join(this.output, name), 'utf8')
      for (const line of text.split('\n').filter((candidate) => candidate !== '')) {
        const [word, count] = JSON.parse(line) as [string, number]
        const values = counts.get(word)
        if (values === undefined) counts.set(word, [count])
        else values.push(count)
      }
    }
    return counts
  }

  /** How often every word occurs in the input. Counted another way than the job does. */
  async expected(): Promise<ReadonlyMap<string, number>> {
    const expected = new Map<string, number>()
    for (const path of await listFiles(join(this.folder, 'text'))) {
      const text = (await readFile(join(this.folder, 'text', path), 'utf8')).toLowerCase()
      for (const word of text.split(/\P{L}+/u)) if (word !== '') expected.set(word, (expected.get(word) ?? 0) + 1)
    }
    return expected
  }

  private writeText(number: number, lines: readonly string[]): Promise<void> {
    return writeFile(join(this.folder, 'text', `${String(number).padStart(3, '0')}.txt`), `${lines.join('\n')}\n`)
  }
}

function outcome(signal: string | null, stdout: string, stderr: string): RunOutcome {
  const events = stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as ProcessEvent)
  let restored: RunOutcome['restored']
  let killedAt: string | null = null
  let isKilledInWorker = false
  let status: string | null = null
  const completed: number[] = []
  for (const event of events) {
    if (event.kind === 'started') restored = event.from.kind === 'fresh' ? null : event.from.checkpoint
    else if (event.kind === 'checkpoint-completed') completed.push(event.checkpoint)
    else if (event.kind === 'killing') {
      killedAt = event.name ?? null
      isKilledInWorker = event.isInWorker === true
    } else if (event.kind === 'ended') status = event.status ?? null
  }
  return { signal, killedAt, isKilledInWorker, status, restored, completed, stderr }
}

async function listFiles(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => [])
  return entries
    .filter((entry) => entry.isFile() || entry.isSymbolicLink())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort()
}
