import { type ChildProcess, spawn } from 'node:child_process'
import { copyFile, mkdir, mkdtemp, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

const pathOf = (relative: string) => fileURLToPath(new URL(relative, import.meta.url))
const program = pathOf('../../packages/tidemark/bin/tidemark.js')
const wordCount = pathOf('../../examples/word-count.ts')
const text = pathOf('../../examples/data/king-james-old-testament.txt')

interface Event {
  readonly kind: string
  readonly from?: { readonly kind: string; readonly checkpoint?: number }
  readonly path?: string
  readonly error?: { readonly code: string; readonly message: string; readonly action?: string }
  readonly message?: string
  /** The number; in the result the whole summary. */
  readonly checkpoint?: unknown
}

interface Summary {
  readonly checkpoint: number
  readonly path: string
}

interface Ended {
  readonly code: number | null
  readonly events: readonly Event[]
}

let folder: string
const living = new Set<ChildProcess>()

beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'tidemark-command-test-')))
  await mkdir(join(folder, 'text'))
  for (const name of ['a.txt', 'b.txt']) await copyFile(text, join(folder, 'text', name))
})

afterEach(async () => {
  for (const child of living) child.kill('SIGKILL')
  await rm(folder, { recursive: true, force: true })
})

interface Command {
  readonly job?: string
  readonly output?: string
  readonly options?: readonly string[]
}

/** Runs a job through the command line in the test's folder, by default the word count of examples/. */
function tidemark(
  { job = wordCount, output = 'out', options = [] }: Command,
  onEvent: (event: Event, child: ChildProcess) => void = () => {},
): Promise<Ended> {
  const own = ['--json', '--checkpoint-interval', '20ms', '--parallelism', '2', ...options]
  const argv = ['run', job, ...own, '--', '--input', 'text/*.txt', '--output', output]
  const child = spawn(process.execPath, [program, ...argv], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: process.env['PATH'], XDG_CACHE_HOME: join(folder, 'cache') },
  })
  living.add(child)
  const events: Event[] = []
  let rest = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    const lines = `${rest}${chunk}`.split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      const event = JSON.parse(line) as Event
      events.push(event)
      onEvent(event, child)
    }
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => {
      living.delete(child)
      resolve({ code, events })
    })
  })
}

function first(ended: Ended, kind: string): Event {
  const found = ended.events.find((event) => event.kind === kind)
  if (found === undefined) throw new Error(`no ${kind} among ${ended.events.map((event) => event.kind).join(' ')}`)
  return found
}

/** The checkpoint that is left to go on from. */
function keptBy(ended: Ended): Summary {
  return first(ended, 'result').checkpoint as Summary
}

function suspend({ kind }: Event, child: ChildProcess): void {
  // Once: a second signal quits at once.
  if (kind === 'checkpoint-committed' && !child.killed) child.kill('SIGTERM')
}

/** Values per word in an output folder. */
async function countsIn(output: string): Promise<ReadonlyMap<string, readonly number[]>> {
  const counts = new Map<string, number[]>()
  for (const name of await readdir(join(folder, output))) {
    if (!name.endsWith('.jsonl')) continue
    for (const line of (await readFile(join(folder, output, name), 'utf8')).split('\n')) {
      if (line === '') continue
      const [word, count] = JSON.parse(line) as [string, number]
      const values = counts.get(word)
      if (values === undefined) counts.set(word, [count])
      else values.push(count)
    }
  }
  return counts
}

/** Every word of the text has exactly the values 1 … N. */
async function expectEveryCountOnce(output: string): Promise<void> {
  const expected = new Map<string, number>()
  for (const word of (await readFile(text, 'utf8')).toLowerCase().split(/\P{L}+/u)) {
    if (word !== '') expected.set(word, (expected.get(word) ?? 0) + 2)
  }
  const counts = await countsIn(output)
  expect(counts.size).toBe(expected.size)
  for (const [word, total] of expected) {
    const values = [...(counts.get(word) ?? [])].sort((left, right) => left - right)
    if (values.length !== total || values.some((value, index) => value !== index + 1)) {
      throw new Error(`${word} occurs ${total} times, its values are ${values.join(' ')}`)
    }
  }
}

describe('tidemark run', () => {
  test('suspends on SIGTERM, and the same command goes on until every word is counted once', async () => {
    const suspended = await tidemark({}, suspend)
    expect(suspended.code).toBe(75)
    const { checkpoint } = keptBy(suspended)
    expect(suspended.events.findLast(({ kind }) => kind === 'notice')?.message).toMatch(/^to go on: npx tidemark run /)

    const finished = await tidemark({})
    expect(finished.code).toBe(0)
    expect(first(finished, 'started').from).toMatchObject({ kind: 'restored', checkpoint })
    await expectEveryCountOnce('out')
    expect(await readdir(join(folder, '.tidemark', 'word-count'))).toEqual(['job.json'])
  })

  test('refuses a second process while the first goes on', async () => {
    const job = join(folder, 'endless.ts')
    await writeFile(job, endless)
    let second: Promise<Ended> | undefined
    const running = tidemark({ job }, (event, child) => {
      if (event.kind !== 'started') return
      second = tidemark({ job })
      void second.finally(() => child.kill('SIGTERM'))
    })
    const stopped = await running
    const refused = await second!
    expect(refused.code).toBe(3)
    expect(first(refused, 'error').error).toMatchObject({ code: 'JOB_LOCKED' })
    expect(stopped.code).toBe(75)
    expect(stopped.events.some(({ kind }) => kind === 'attempt-failed')).toBe(false)
  })

  test('refuses --fresh when the output holds results, touches nothing, and still goes on without it', async () => {
    const suspended = await tidemark({}, suspend)
    const before = await readdir(join(folder, 'out'), { recursive: true })
    const refused = await tidemark({ options: ['--fresh'] })
    expect(refused.code).toBe(3)
    expect(first(refused, 'error').error?.code).toBe('OUTPUT_EXISTS')
    expect(await readdir(join(folder, 'out'), { recursive: true })).toEqual(before)

    const { checkpoint } = keptBy(suspended)
    const finished = await tidemark({})
    expect(first(finished, 'started').from).toMatchObject({ kind: 'restored', checkpoint })
    await expectEveryCountOnce('out')
  })

  test('starts afresh into another output with --fresh', async () => {
    await tidemark({}, suspend)
    const finished = await tidemark({ output: 'out-2', options: ['--fresh'] })
    expect(finished.code).toBe(0)
    expect(first(finished, 'started').from).toEqual({ kind: 'fresh' })
    await expectEveryCountOnce('out-2')
  })

  test('goes on from the checkpoint that --from names, in a new run that takes over the output', async () => {
    const suspended = await tidemark({}, suspend)
    const { checkpoint, path } = keptBy(suspended)
    const options = ['--checkpoint-dir', 'elsewhere', '--from', path]
    const finished = await tidemark({ options })
    expect(finished.code).toBe(0)
    expect(first(finished, 'started').from).toMatchObject({ kind: 'restored', checkpoint })
    await expectEveryCountOnce('out')
  })

  test('refuses an older checkpoint of a run whose output may be committed, and one that is not there', async () => {
    const older: string[] = []
    await tidemark({ options: ['--checkpoints-retained', '10'] }, (event, child) => {
      if (event.kind === 'checkpoint-completed') older.push(event.path!)
      if (older.length >= 2) suspend(event, child)
    })
    const refused = await tidemark({ options: ['--from', older[0]!] })
    expect(refused.code).toBe(2)
    expect(first(refused, 'error').error?.message).toMatch(/is older than checkpoint \d+/)
    const missing = await tidemark({ options: ['--from', 'nowhere'] })
    expect(missing.code).toBe(3)
    expect(first(missing, 'error').error?.code).toBe('CHECKPOINT_NOT_FOUND')
    expect((await tidemark({})).code).toBe(0)
    await expectEveryCountOnce('out')
  })
})

const endless = `
import { defineJob, generate, jsonLines } from 'tidemark'
export default defineJob('endless', (job) => {
  job.source('words', generate({ create: (index: number) => 'word' + (index % 100), rate: 5000 }))
    .keyBy((word) => word).runningCount('counts').to('out', jsonLines('out'))
})`
