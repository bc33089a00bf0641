import { spawn } from 'node:child_process'
import { SourceMap, type SourceMapPayload } from 'node:module'
import { join } from 'node:path'

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { connectInspector, type InspectorSession } from './inspector-client.ts'
import { committed, projectWith, publishedFiles, removeAll } from './installed-copy.ts'

let published: string
const closing: (() => unknown)[] = []

beforeAll(async () => {
  published = await publishedFiles()
})

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

afterAll(() => removeAll([published]))

const JOB = `
// Lines and columns differ from those of the bundle: types go.
interface Reading {
  readonly sensor: string
  readonly celsius: number
}
import { defineJob, fromArray, jsonLines } from 'tidemark'

function toFahrenheit(reading: Reading): number {
  const fahrenheit: number = reading.celsius * 1.8 + 32
  return fahrenheit
}

export default defineJob('debugged', (job) => {
  const readings: readonly Reading[] = [{ sensor: 'a', celsius: 100 }]
  job.source('readings', fromArray(readings)).map(toFahrenheit).to('out', jsonLines('out'))
})`
const LINE = JOB.split('\n').findIndex((line) => line.includes('return fahrenheit'))

/**
 * Makes time in a thread jump by as much as it is told: whatever is to happen within an hour of a jump happens at once. Evaluated by the debugger before the first line.
 */
const JUMPING_CLOCK = `(() => {
  let jumped = 0
  const { now } = Date, monotonic = performance.now.bind(performance), later = setTimeout
  Date.now = () => now() + jumped
  performance.now = () => monotonic() + jumped
  globalThis.setTimeout = (callback, delay, ...rest) => {
    const due = performance.now() + delay
    const look = () => (performance.now() >= due ? callback(...rest) : arm())
    const handle = { [Symbol.toPrimitive]: () => 0 }
    const arm = () => { handle.timer = later(look, Math.max(0, Math.min(20, due - performance.now()))) }
    arm()
    return handle
  }
  const { clearTimeout } = globalThis
  globalThis.clearTimeout = (handle) => clearTimeout(handle?.timer ?? handle)
  globalThis.jump = (ms) => { jumped += ms }
})()`

interface Debugged {
  readonly main: InspectorSession
  readonly folder: string
  readonly stderr: () => string
  /** Lines of --json. */
  readonly events: readonly { readonly kind: string }[]
  readonly event: (kind: string) => Promise<unknown>
  readonly ended: Promise<number | null>
}

/** A job under a debugger that holds it before its first line. */
async function debug(...argv: readonly string[]): Promise<Debugged> {
  const folder = await projectWith(published, { files: { 'job.ts': JOB, 'package.json': '{ "type": "module" }' } })
  closing.push(() => removeAll([folder]))
  const program = join(folder, 'node_modules/tidemark/bin/tidemark.js')
  const child = spawn(process.execPath, ['--inspect-brk=127.0.0.1:0', program, 'run', 'job.ts', '--json', ...argv], {
    cwd: folder,
    env: { PATH: process.env['PATH'], XDG_CACHE_HOME: join(folder, 'cache') },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  closing.push(() => child.kill('SIGKILL'))
  const ended = new Promise<number | null>((resolve) => child.on('close', (code) => resolve(code)))
  const events: { readonly kind: string }[] = []
  const waiting = new Set<() => void>()
  let rest = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const lines = `${rest}${text}`.split('\n')
    rest = lines.pop() ?? ''
    events.push(...lines.map((line) => JSON.parse(line) as { readonly kind: string }))
    for (const look of waiting) look()
  })
  let stderr = ''
  const url = await new Promise<string>((resolve, reject) => {
    child.on('error', reject)
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
      const [, found] = /listening on (ws:\S+)/.exec(stderr) ?? []
      if (found !== undefined) resolve(found)
    })
  })
  const { session, close } = await connectInspector(url)
  closing.push(close)
  // Node ends only when its debugger has gone.
  session.on('NodeRuntime.waitingForDisconnect', close)
  await session.ask('NodeRuntime.notifyWhenWaitingForDisconnect', { enabled: true })
  const event = (kind: string) =>
    new Promise<unknown>((resolve) => {
      const look = () => {
        const found = events.find((each) => each.kind === kind)
        if (found === undefined) return
        waiting.delete(look)
        resolve(found)
      }
      waiting.add(look)
      look()
    })
  return { main: session, folder, stderr: () => stderr, events, event, ended }
}

interface Hit {
  readonly session: InspectorSession
  readonly title: string
  readonly functionName: string
  readonly callFrameId: string
}

/** Sets a breakpoint as debuggers do: when a script with a source map is about to run, at the place that the map gives for a line of the user's file. */
async function breakIn(session: InspectorSession, title: string, file: string, line: number): Promise<Hit> {
  const maps = new Map<unknown, unknown>()
  session.on('Debugger.scriptParsed', ({ scriptId, sourceMapURL }) => maps.set(scriptId, sourceMapURL))
  await session.ask('Runtime.enable')
  await session.ask('Debugger.enable')
  await session.ask('Debugger.setInstrumentationBreakpoint', { instrumentation: 'beforeScriptWithSourceMapExecution' })
  return new Promise((resolve) => {
    session.on('Debugger.paused', ({ reason, data, callFrames, hitBreakpoints }) => {
      if (reason !== 'instrumentation') {
        // Its very first line, where a debugger holds each thread.
        if ((hitBreakpoints as readonly string[]).length === 0) return void session.ask('Debugger.resume')
        const [top] = callFrames as readonly { readonly functionName: string; readonly callFrameId: string }[]
        resolve({ session, title, ...top! })
        return
      }
      const { scriptId } = data as { readonly scriptId: string }
      const place = placeOf(maps.get(scriptId), file, line)
      const set =
        place === null
          ? Promise.resolve({})
          : session.ask('Debugger.setBreakpoint', { location: { scriptId, ...place } })
      void set.then(() => session.ask('Debugger.resume'))
    })
    void session.ask('Runtime.runIfWaitingForDebugger')
  })
}

/** Where a line of a source is in the script whose map this is. */
function placeOf(
  url: unknown,
  file: string,
  line: number,
): { readonly lineNumber: number; readonly columnNumber: number } | null {
  const [, encoded] = /^data:application\/json;base64,(.*)$/.exec(typeof url === 'string' ? url : '') ?? []
  if (encoded === undefined) return null
  const payload = JSON.parse(Buffer.from(encoded, 'base64').toString('utf8')) as SourceMapPayload
  const map = new SourceMap(payload)
  for (let lineNumber = 0; lineNumber < payload.mappings.split(';').length; lineNumber++) {
    for (let columnNumber = 0; columnNumber < 40; columnNumber++) {
      const entry = map.findEntry(lineNumber, columnNumber)
      if (!('originalSource' in entry) || entry.generatedLine !== lineNumber || entry.generatedColumn !== columnNumber)
        continue
      if (entry.originalLine === line && entry.originalSource.endsWith(file)) return { lineNumber, columnNumber }
    }
  }
  return null
}

describe('a job under a debugger', () => {
  test('stops in a worker at a line of the user’s file, and no timeout of the engine runs meanwhile', async () => {
    const argv = ['--parallelism', '2', '--workers', '2', '--checkpoint-interval', '10ms', '--restart-strategy', 'none']
    const { main, folder, events, event, ended } = await debug(...argv)
    const hits: Promise<Hit>[] = []
    const hit = new Promise<Hit>((resolve) => {
      void main.onWorker((session, title) => {
        const inWorker = breakIn(session, title, 'job.ts', LINE)
        hits.push(inWorker)
        void inWorker.then(resolve)
      })
    })
    await main.ask('Runtime.enable')
    await main.ask('Runtime.evaluate', { expression: JUMPING_CLOCK })
    await main.ask('Runtime.runIfWaitingForDebugger')

    const { session, title, functionName, callFrameId } = await hit
    expect(title).toMatch(/tidemark worker [12]/)
    expect(functionName).toBe('toFahrenheit')
    const { result } = await session.ask('Debugger.evaluateOnCallFrame', { callFrameId, expression: 'fahrenheit' })
    expect(result).toMatchObject({ value: 212 })

    // The checkpoint cannot complete: one of its tasks stands still.
    await event('checkpoint-triggered')
    await main.ask('Runtime.evaluate', { expression: 'jump(6 * 60 * 60 * 1000)' })
    await main.ask('Runtime.evaluate', {
      expression: 'new Promise((resolve) => setTimeout(resolve, 100))',
      awaitPromise: true,
    })
    await session.ask('Debugger.resume')
    expect(await ended).toBe(0)
    expect(events.map(({ kind }) => kind)).not.toContain('checkpoint-failed')
    expect(events.map(({ kind }) => kind)).not.toContain('attempt-failed')
    expect(hits.length).toBe(2)
    expect(await committed(join(folder, 'out'))).toEqual([212])
  })

  test('runs in the main thread unless workers are asked for', async () => {
    const { main, ended } = await debug('--parallelism', '2')
    let workers = 0
    await main.onWorker(() => workers++)
    const { session, functionName } = await breakIn(main, 'main', 'job.ts', LINE)
    expect(functionName).toBe('toFahrenheit')
    expect(workers).toBe(0)
    await session.ask('Debugger.resume')
    expect(await ended).toBe(0)
  })
})
