import { afterEach, describe, expect, test } from 'vitest'
import type { FromWorker, JobModule } from './protocol.ts'
import { ThreadPool } from './thread-pool.ts'
import type { WorkerThread } from './worker-host.ts'

/** Says which thread it is and what it was told to load, and lives on. */
const entry = new URL(
  `data:text/javascript,${encodeURIComponent(`
    import { parentPort, threadId } from 'node:worker_threads'
    parentPort.on('message', ({ kind, module }) => {
      if (kind === 'load') parentPort.postMessage({ kind: 'crashing', error: { name: String(threadId), message: module.file } })
    })`)}`,
)
const threads: WorkerThread[] = []

afterEach(() => Promise.all(threads.splice(0).map((thread) => thread.terminate())))

function started(pool: ThreadPool, module: JobModule): WorkerThread {
  const thread = pool.start(0, module)
  threads.push(thread)
  return thread
}

/** What the thread says it loaded, and who it is. */
function firstMessage(thread: WorkerThread): Promise<{ readonly thread: string; readonly file: string }> {
  return new Promise((resolve, reject) =>
    thread.listen((message: FromWorker) => {
      if (message.kind === 'crashing') resolve({ thread: message.error.name, file: message.error.message })
    }, reject),
  )
}

const moduleOf = (name: string): JobModule => ({ entry: `${name}.ts`, file: `${name}.mjs` })

describe('a pool of threads', () => {
  test('starts threads as they are asked for', async () => {
    const pool = new ThreadPool({ entry })
    const [one, two] = [started(pool, moduleOf('a')), started(pool, moduleOf('b'))]
    const [first, second] = await Promise.all([firstMessage(one), firstMessage(two)])
    expect([first.file, second.file]).toEqual(['a.mjs', 'b.mjs'])
    expect(first.thread).not.toBe(second.thread)
  })

  test('hands out those that it started ahead first, and tells each once what to load', async () => {
    const pool = new ThreadPool({ entry })
    pool.startAhead(2)
    const module = moduleOf('ahead')
    pool.loadAhead(module)
    const taken = [started(pool, module), started(pool, module), started(pool, module)]
    const said = await Promise.all(taken.map(firstMessage))
    expect(said.map(({ file }) => file)).toEqual(['ahead.mjs', 'ahead.mjs', 'ahead.mjs'])
    expect(new Set(said.map(({ thread }) => thread)).size).toBe(3)
    const ids = said.map(({ thread }) => Number(thread))
    expect(Math.max(...ids)).toBe(ids[2])
  })

  test('never hands out one that has loaded something else', async () => {
    const pool = new ThreadPool({ entry })
    pool.startAhead(1)
    pool.loadAhead(moduleOf('a'))
    const { file } = await firstMessage(started(pool, moduleOf('b')))
    expect(file).toBe('b.mjs')
    pool.endSpares()
  })

  test('keeps no thread that nobody has taken', async () => {
    const pool = new ThreadPool({ entry })
    pool.startAhead(1)
    const early = started(pool, moduleOf('a'))
    pool.startAhead(1)
    pool.endSpares()
    const later = started(pool, moduleOf('a'))
    const [first, second] = await Promise.all([firstMessage(early), firstMessage(later)])
    // Numbered as they are started: the one between them is gone.
    expect(Number(second.thread) - Number(first.thread)).toBe(2)
  })
})
