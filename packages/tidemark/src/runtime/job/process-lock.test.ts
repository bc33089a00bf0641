import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { acquireLock, type LockKind } from './process-lock.ts'

/** Locks the directory, says so, and ends unless told to stay. */
const HOLDER = `
  import { acquireLock } from './process-lock.ts'
  const [directory, kind, isStaying] = process.argv.slice(2)
  try {
    await acquireLock(directory, kind)
    console.log('locked')
  } catch (error) {
    console.log(error.code)
  }
  if (isStaying === 'stay') process.stdin.resume()
`

let programs: string
let directory: string
const children: ChildProcess[] = []

beforeAll(async () => {
  programs = await mkdtemp(join(tmpdir(), 'tidemark-lock-program-'))
  await build({
    stdin: { contents: HOLDER, resolveDir: fileURLToPath(new URL('.', import.meta.url)), loader: 'ts' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    outfile: join(programs, 'holder.mjs'),
  })
})

afterAll(() => rm(programs, { recursive: true }))

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tidemark-lock-'))
})

afterEach(async () => {
  for (const child of children.splice(0)) await end(child)
  await rm(directory, { recursive: true })
})

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGKILL')
  await once(child, 'exit')
}

/** A second process; `answer` is what it says first. */
async function spawnHolder(kind: LockKind, mode: 'stay' | 'go'): Promise<{ child: ChildProcess; answer: string }> {
  const program = join(programs, 'holder.mjs')
  const child = spawn(process.execPath, [program, directory, kind, mode], { stdio: ['pipe', 'pipe', 'inherit'] })
  children.push(child)
  const [chunk] = (await once(child.stdout, 'data')) as [Buffer]
  return { child, answer: chunk.toString().trim() }
}

const KINDS: readonly LockKind[] =
  process.platform === 'linux' ? ['abstract', 'socket-file'] : process.platform === 'win32' ? ['pipe'] : ['socket-file']

describe.each(KINDS)('a lock on a directory (%s)', (kind) => {
  it('is held by one process at a time, and names it', async () => {
    const { child, answer } = await spawnHolder(kind, 'stay')
    expect(answer).toBe('locked')
    await expect(acquireLock(directory, kind)).rejects.toMatchObject({
      code: 'JOB_LOCKED',
      message: expect.stringContaining(`process ${child.pid}`),
      action: expect.stringContaining(`Stop process ${child.pid}`),
    })
  })

  it('is free again at once when its holder is killed', async () => {
    for (let round = 0; round < 3; round++) {
      const { child, answer } = await spawnHolder(kind, 'stay')
      expect(answer).toBe('locked')
      await end(child)
    }
    const lock = await acquireLock(directory, kind)
    expect((await spawnHolder(kind, 'go')).answer).toBe('JOB_LOCKED')
    await lock.release()
    expect((await spawnHolder(kind, 'go')).answer).toBe('locked')
  })

  it('stays held by a process that is stopped and cannot answer', async () => {
    const { child } = await spawnHolder(kind, 'stay')
    child.kill('SIGSTOP')
    await expect(acquireLock(directory, kind)).rejects.toMatchObject({
      code: 'JOB_LOCKED',
      message: expect.stringContaining('another process'),
    })
  })

  it('does not keep its process alive', async () => {
    const { child, answer } = await spawnHolder(kind, 'go')
    expect(answer).toBe('locked')
    if (child.exitCode === null) await once(child, 'exit')
    expect(child.exitCode).toBe(0)
  })

  it('excludes a second holder in the same process, and the same directory by another name', async () => {
    const lock = await acquireLock(directory, kind)
    const alias = `${directory}-alias`
    await symlink(directory, alias)
    for (const name of [directory, `${directory}/.`, alias]) {
      await expect(acquireLock(name, kind)).rejects.toMatchObject({
        code: 'JOB_LOCKED',
        message: expect.stringContaining('this process already'),
      })
    }
    await rm(alias)
    await lock.release()
    await lock.release()
    await (await acquireLock(directory, kind)).release()
  })

  it('lets different directories be locked at the same time', async () => {
    const other = join(directory, 'other')
    await mkdir(other)
    const locks = [await acquireLock(directory, kind), await acquireLock(other, kind)]
    for (const lock of locks) await lock.release()
  })

  it('lets exactly one of many contenders win, also over an abandoned lock', async () => {
    for (let round = 0; round < 3; round++) {
      const { child } = await spawnHolder(kind, 'stay')
      await end(child)
      const tries = await Promise.allSettled(Array.from({ length: 8 }, () => acquireLock(directory, kind)))
      const won = tries.filter((result) => result.status === 'fulfilled')
      expect(won).toHaveLength(1)
      for (const { value } of won) await value.release()
    }
  })
})

describe.runIf(process.platform === 'linux')('an abstract lock', () => {
  it('has a name of full length, which every version of Node spells alike', async () => {
    const lock = await acquireLock(directory, 'abstract')
    const sockets = await readFile('/proc/self/net/unix', 'utf8')
    expect(sockets).toMatch(/ @tidemark-[0-9a-f]{98}\n/)
    await lock.release()
  })
})
