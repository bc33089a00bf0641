import { spawn, spawnSync } from 'node:child_process'
import { mkdtemp, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

const program = fileURLToPath(new URL('../../bin/tidemark.js', import.meta.url))
let folder: string

beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'tidemark-cli-test-')))
  await writeFile(join(folder, 'endless.ts'), endless)
})

afterEach(async () => {
  await rm(folder, { recursive: true, force: true })
})

const endless = `
import { defineJob, generate, jsonLines } from 'tidemark'
export default defineJob('endless', (job) => {
  job.source('numbers', generate({ create: (index: number) => index, rate: 5000 })).to('out', jsonLines('out'))
})`

interface Ended {
  readonly code: number | null
  readonly signal: string | null
  readonly events: readonly Readonly<Record<string, unknown>>[]
}

/** Runs the endless job; `onEvent` says when to send which signal. */
function runEndless(onEvent: (event: Readonly<Record<string, unknown>>) => NodeJS.Signals | null): Promise<Ended> {
  const argv = [program, 'run', 'endless.ts', '--json', '--checkpoint-interval', '50ms']
  const child = spawn(process.execPath, argv, {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: ownEnvironment(),
  })
  const events: Readonly<Record<string, unknown>>[] = []
  let rest = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const lines = `${rest}${text}`.split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      const event = JSON.parse(line) as Readonly<Record<string, unknown>>
      events.push(event)
      const signal = onEvent(event)
      // Once: a second signal quits at once.
      if (signal !== null && !child.killed) child.kill(signal)
    }
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({ code, signal, events }))
  })
}

/** Not the test runner's: its cache folder, its conditions. */
function ownEnvironment(): NodeJS.ProcessEnv {
  return { PATH: process.env['PATH'], XDG_CACHE_HOME: join(folder, 'cache') }
}

function find(events: Ended['events'], kind: string): Readonly<Record<string, unknown>> {
  const found = events.find((event) => event['kind'] === kind)
  if (found === undefined) throw new Error(`no ${kind} among ${events.map((event) => String(event['kind'])).join(' ')}`)
  return found
}

async function committedNumbers(): Promise<readonly number[]> {
  const names = (await readdir(join(folder, 'out'))).filter((name) => name.endsWith('.jsonl'))
  const texts = await Promise.all(names.map((name) => readFile(join(folder, 'out', name), 'utf8')))
  return texts
    .flatMap((text) => text.split('\n').filter((line) => line !== ''))
    .map(Number)
    .sort((a, b) => a - b)
}

describe('the process of a job', () => {
  test('suspends on SIGTERM, goes on after that and after SIGKILL, and has every record once', async () => {
    const suspended = await runEndless(({ kind }) => (kind === 'checkpoint-completed' ? 'SIGTERM' : null))
    expect(suspended.code).toBe(75)
    const kept = find(suspended.events, 'result')['checkpoint'] as { readonly checkpoint: number }
    expect(kept.checkpoint).toBeGreaterThan(0)

    const killed = await runEndless(({ kind }) => (kind === 'checkpoint-committed' ? 'SIGKILL' : null))
    expect(killed.signal).toBe('SIGKILL')
    expect(find(killed.events, 'started')['from']).toMatchObject({ kind: 'restored', checkpoint: kept.checkpoint })

    const again = await runEndless(({ kind }) => (kind === 'checkpoint-completed' ? 'SIGINT' : null))
    expect(again.code).toBe(75)
    expect(find(again.events, 'started')['from']).toMatchObject({ kind: 'restored' })
    const numbers = await committedNumbers()
    expect(numbers.length).toBeGreaterThan(0)
    expect(numbers).toEqual(numbers.map((_, index) => index))
  })

  test('reports what the user’s function threw, with the user’s line, and gives 1', async () => {
    await writeFile(
      join(folder, 'bad.ts'),
      [
        `import { defineJob, fromArray, forEachSink } from 'tidemark'`,
        `interface Order { readonly price: { readonly amount: number } | null }`,
        `function amountOf(order: Order): number {`,
        `  return order.price!.amount`,
        `}`,
        `export default defineJob('bad', (job) => {`,
        `  job.source('orders', fromArray([{ price: null }] as readonly Order[])).map(amountOf).to('out', forEachSink(() => {}))`,
        `})`,
      ].join('\n'),
    )
    const argv = [program, 'run', 'bad.ts', '--restart-strategy', 'none']
    const { status, stderr } = spawnSync(process.execPath, argv, {
      cwd: folder,
      encoding: 'utf8',
      env: ownEnvironment(),
    })
    expect(stderr).toMatch(/USER_FUNCTION/)
    expect(stderr).toMatch(/at amountOf \(bad\.ts:4:23\)/)
    expect(stderr).not.toMatch(/runtime\/operator/)
    expect(status).toBe(1)
  })

  test.each([
    [['--version'], 0, /^\d+\.\d+\.\d+/, /^$/],
    [['run', '--help'], 0, /--checkpoint-interval TIME/, /^$/],
    [['run', 'missing.ts'], 2, /^$/, /JOB_MODULE.*missing\.ts does not exist/],
    [['run', 'endless.ts', '--fresh', '--from', 'x'], 2, /^$/, /both --from and --fresh/],
  ])('answers %j', (argv, code, stdout, stderr) => {
    const answer = spawnSync(process.execPath, [program, ...argv], {
      cwd: folder,
      encoding: 'utf8',
      env: ownEnvironment(),
    })
    expect(answer.stdout).toMatch(stdout)
    expect(answer.stderr).toMatch(stderr)
    expect(answer.status).toBe(code)
  })
})
