// npm start: counts the words of real text with a checkpoint every second, and shows that every count is right.
// On a terminal k kills the job's process with SIGKILL and starts it again; Ctrl-C suspends, and npm start goes on.
import { spawn } from 'node:child_process'
import { copyFile, link, mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { checkCounts, countWords } from './check-counts.mjs'

/** The text is read so many times over: once takes about a second. */
const PASSES = 6
const DATA = 'examples/data'
/** Belongs to this demonstration: a run that has finished is replaced by the next one. */
const FOLDER = 'out/start'
const TEXT = `${FOLDER}/text`
const OUTPUT = `${FOLDER}/output`
const CHECKPOINTS = `${FOLDER}/checkpoints`

process.chdir(fileURLToPath(new URL('..', import.meta.url)))
const isInteractive = process.stdin.isTTY === true && process.stderr.isTTY === true
const tell = (line = '') => console.log(line)
const number = (value) => Math.round(value).toLocaleString('en-US')

const isResumed = await prepare()
tell(`Counting the words of ${DATA}, read ${PASSES} times over, with a checkpoint every second.`)
if (isResumed) tell('The last run did not finish: this one goes on where it stopped.')
if (isInteractive) tell('Press k to kill the process of the job (SIGKILL), Ctrl-C to suspend it.')
tell()
const job = await runJob()
process.exitCode = job.exitCode
if (job.exitCode === 0) await report(job)
else if (job.exitCode === 75) tell('Suspended. npm start goes on from here, npm start -- --fresh begins again.')
else tell(`The job ended with exit code ${job.exitCode}. npm start tries again, npm start -- --fresh begins again.`)

/** Makes the folder, unless it holds a run that can go on. */
async function prepare() {
  if ((await lastRun()) === 'unfinished' && !process.argv.includes('--fresh')) return true
  await rm(FOLDER, { recursive: true, force: true })
  const names = (await readdir(DATA)).filter((name) => name.endsWith('.txt'))
  for (let pass = 1; pass <= PASSES; pass++) {
    await mkdir(`${TEXT}/${pass}`, { recursive: true })
    for (const name of names) {
      const [from, to] = [join(DATA, name), join(TEXT, String(pass), name)]
      await link(from, to).catch(() => copyFile(from, to))
    }
  }
  return false
}

/** What the job's record says. */
async function lastRun() {
  const record = await readFile(`${CHECKPOINTS}/job.json`, 'utf8').catch(() => '')
  if (record === '') return 'none'
  return record.includes('"status":"finished"') ? 'finished' : 'unfinished'
}

/** Runs the job's process, again after every kill. */
async function runJob() {
  const total = { exitCode: 0, kills: 0, words: 0, elapsedMs: 0, durations: [], resumedFrom: [] }
  let child = null
  let isKilled = false
  const stopListening = listen({
    kill() {
      if (child === null || isKilled) return
      isKilled = child.kill('SIGKILL')
    },
    stop: (signal) => child?.kill(signal),
  })
  do {
    isKilled = false
    child = startProcess()
    const ended = await follow(child, total)
    if (!isKilled) {
      total.exitCode = ended ?? 1
      continue
    }
    total.kills++
    // Over the line that the process has left behind.
    process.stderr.write('\r\u001B[K')
    // Too late: starting again would be a new run.
    if ((await lastRun()) === 'finished') isKilled = false
    tell(`killed with SIGKILL; ${isKilled ? 'starting the same command again' : 'the job had just finished'}`)
  } while (isKilled)
  stopListening()
  return total
}

function startProcess() {
  const options = ['--parallelism', '2', '--checkpoint-interval', '1s', '--checkpoint-dir', CHECKPOINTS, '--json']
  const argv = ['run', 'examples/word-count.ts', ...options, isInteractive ? '--live' : '--no-live']
  return spawn(
    process.execPath,
    ['packages/tidemark/bin/tidemark.js', ...argv, '--', '--input', `${TEXT}/*/*.txt`, '--output', OUTPUT],
    { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, TIDEMARK_HINT: 'k kills it' } },
  )
}

/** Reads what the process tells until it has ended; gives its exit code, null after a kill. */
async function follow(child, total) {
  const ended = new Promise((resolve) => child.on('close', resolve))
  let metrics = null
  let rest = ''
  for await (const chunk of child.stdout.setEncoding('utf8')) {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop()
    for (const line of lines) {
      const event = JSON.parse(line)
      if (event.kind === 'metrics') metrics = event
      else if (event.kind === 'result') metrics = event.metrics
      else if (event.kind === 'checkpoint-completed') total.durations.push(event.durationMs)
      if (!isInteractive) tellEvent(event)
    }
  }
  total.words += metrics?.operators.find(({ operator }) => operator === 'counts')?.recordsIn ?? 0
  total.elapsedMs += metrics?.elapsedMs ?? 0
  return ended
}

/** Without a terminal there is no live line: the same as lines. */
function tellEvent(event) {
  if (event.kind === 'started') {
    tell(event.from.kind === 'fresh' ? 'started fresh' : `resumed from checkpoint ${event.from.checkpoint}`)
  } else if (event.kind === 'checkpoint-completed') {
    tell(
      `checkpoint ${event.checkpoint} completed in ${event.durationMs} ms, ${number(event.bytes / 1000)} kB of state`,
    )
  } else if (event.kind === 'error') tell(`${event.error.code}: ${event.error.message}\n${event.error.action ?? ''}`)
}

/** Keys and signals, from now on. Returns how to stop that. */
function listen({ kill, stop }) {
  const onData = (keys) => {
    if (keys.includes('\u0003')) stop('SIGINT')
    else if (keys.toLowerCase().includes('k')) kill()
  }
  if (isInteractive) process.stdin.setRawMode(true).setEncoding('utf8').on('data', onData)
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, stop)
  return () => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.off(signal, stop)
    if (isInteractive) process.stdin.off('data', onData).setRawMode(false).pause()
  }
}

/** Shows what came out, and checks it against a count of our own. */
async function report({ kills, words, elapsedMs, durations }) {
  tell('\nThe job has finished. Counting again without it, to compare …')
  const paths = (await readdir(TEXT, { recursive: true })).filter((path) => path.endsWith('.txt'))
  const expected = await countWords(paths.map((path) => join(TEXT, path)))
  const { values, bytes, files, wrong } = await checkCounts(OUTPUT, expected)
  const frequent = [...expected].sort((left, right) => right[1] - left[1]).slice(0, 10)
  const sorted = durations.sort((left, right) => left - right)
  tell('\nMost frequent words')
  for (const [word, count] of frequent) tell(`  ${word.padEnd(8)}${number(count).padStart(10)}`)
  tell(
    `\nSpeed        ${number((words * 1000) / elapsedMs)} words/s (${number(words)} in ${(elapsedMs / 1000).toFixed(1)} s)`,
  )
  tell(
    `Checkpoints  ${durations.length}, median ${sorted[sorted.length >> 1] ?? 0} ms, in ${CHECKPOINTS} (a job that has finished keeps none)`,
  )
  tell(`Output       ${OUTPUT}: ${number(values)} lines, ${number(bytes / 1e6)} MB in ${files} files`)
  if (wrong.length === 0) {
    const through = kills === 0 ? '' : `, through ${kills} kill${kills === 1 ? '' : 's'} with SIGKILL`
    tell(`\nEvery count is right: ${number(expected.size)} words, each with exactly the values 1 … N${through}.`)
    return
  }
  tell(`\n${wrong.length} counts are WRONG:`)
  for (const line of wrong.slice(0, 20)) tell(`  ${line}`)
  process.exitCode = 1
}
