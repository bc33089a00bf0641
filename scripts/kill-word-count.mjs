// Runs word count through the command line on any text, kills it again and again with SIGKILL at random moments, and checks every count:
//   node scripts/kill-word-count.mjs --input FILE [--input FILE …] [--kills 10] [--parallelism 2] [--workers N] [--interval 1s] [--folder DIR]
// Tasks run in worker threads, as many as the command line makes, or as --workers says (0: in the main thread).
// Every kill follows a checkpoint newer than the one that the process resumed from, and every start must resume from the newest complete one.
import { spawn } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { checkCounts, countWords } from '../examples/check-counts.mjs'

const { values: given } = parseArgs({
  options: {
    input: { type: 'string', multiple: true },
    kills: { type: 'string', default: '10' },
    parallelism: { type: 'string', default: '2' },
    workers: { type: 'string' },
    interval: { type: 'string', default: '1s' },
    folder: { type: 'string' },
  },
})
if (given.input === undefined) throw new Error('give --input FILE')
const project = fileURLToPath(new URL('..', import.meta.url))
const inputs = given.input.map((path) => resolve(path))
const folder = given.folder ?? (await mkdtemp(join(tmpdir(), 'kill-word-count-')))
const [output, checkpoints] = [join(folder, 'output'), join(folder, 'checkpoints')]

const total = { words: 0, elapsedMs: 0, starts: 0, kills: 0, checkpoints: [] }
for (let exitCode = null; exitCode === null;) {
  exitCode = await runProcess(total.kills < Number(given.kills))
  if (exitCode !== null && exitCode !== 0) throw new Error(`the job ended with exit code ${exitCode}; see ${folder}`)
}
console.log(`finished after ${total.starts} starts, ${total.kills} of them killed; counting again …`)
if (total.kills < Number(given.kills)) fail(`the input is too short for ${given.kills} kills`)

const expected = await countWords(inputs)
const { values, bytes, files, wrong } = await checkCounts(output, expected)
const median = total.checkpoints.sort((left, right) => left - right)[total.checkpoints.length >> 1] ?? 0
const rate = Math.round((total.words * 1000) / total.elapsedMs)
console.log(`${total.words} words processed in ${(total.elapsedMs / 1000).toFixed(1)} s: ${rate} words/s`)
console.log(`${total.checkpoints.length} checkpoints, median ${median} ms`)
console.log(`${values} lines, ${bytes} bytes in ${files} files; ${expected.size} different words`)
const left = [...(await namesIn(output)), ...(await namesIn(checkpoints))].filter(
  (name) => !/^(?:part-[\da-f-]+\.jsonl|\.tidemark-output\.json|job\.json)$/.test(name),
)
if (left.length > 0) fail(`left behind: ${left.join(', ')}`)
for (const line of wrong.slice(0, 20)) fail(line)
if (process.exitCode === undefined) {
  console.log('every word has exactly the values 1 … N; nothing is left behind')
  if (given.folder === undefined) await rm(folder, { recursive: true })
}

/** One process; it is killed at a random moment after a new checkpoint, if it should be. Gives its exit code, null after a kill. */
async function runProcess(isToBeKilled) {
  const newest = await newestCheckpoint()
  const options = ['--parallelism', given.parallelism, '--checkpoint-interval', given.interval, '--json', '--live']
  if (given.workers !== undefined) options.push('--workers', given.workers)
  const argv = ['run', join(project, 'examples/word-count.ts'), ...options, '--checkpoint-dir', checkpoints]
  const child = spawn(
    process.execPath,
    [join(project, 'packages/tidemark/bin/tidemark.js'), ...argv, '--', '--output', output, ...inputArguments()],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  )
  const ended = new Promise((resolve) => child.on('close', resolve))
  let isDying = false
  let metrics = null
  let rest = ''
  for await (const chunk of child.stdout.setEncoding('utf8')) {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop()
    for (const event of lines.map((line) => JSON.parse(line))) {
      if (event.kind === 'metrics') metrics = event
      else if (event.kind === 'result') metrics = event.metrics
      else if (event.kind === 'started') onStarted(event, newest)
      else if (event.kind === 'error') console.log(event.error.code, event.error.message)
      else if (event.kind === 'checkpoint-completed') {
        total.checkpoints.push(event.durationMs)
        if (isToBeKilled && !isDying) {
          isDying = true
          const ms = Math.random() * 1500
          void delay(ms).then(() => child.kill('SIGKILL'))
          console.log(`  checkpoint ${event.checkpoint} completed; kill in ${Math.round(ms)} ms`)
        }
      }
    }
  }
  total.words += metrics?.operators.find(({ operator }) => operator === 'counts')?.recordsIn ?? 0
  total.elapsedMs += metrics?.elapsedMs ?? 0
  const exitCode = await ended
  if (exitCode === null) total.kills++
  return exitCode
}

function inputArguments() {
  return ['--input', inputs.length === 1 ? inputs[0] : `{${inputs.join(',')}}`]
}

function onStarted({ from }, newest) {
  total.starts++
  const restored = from.kind === 'fresh' ? null : from.checkpoint
  console.log(restored === null ? 'started fresh' : `resumed from checkpoint ${restored}`)
  if (restored !== newest) fail(`resumed from ${restored}, though the newest complete checkpoint is ${newest}`)
}

/** The newest checkpoint whose manifest has its name. */
async function newestCheckpoint() {
  const paths = await readdir(checkpoints, { recursive: true }).catch(() => [])
  const found = paths.map((path) => /chk-(\d+)[/\\]manifest$/.exec(path)?.[1]).filter((id) => id !== undefined)
  return found.length === 0 ? null : Math.max(...found.map(Number))
}

async function namesIn(directory) {
  return readdir(directory).catch(() => [])
}

function fail(problem) {
  console.log(`WRONG: ${problem}`)
  process.exitCode = 1
}
