import { randomBytes } from 'node:crypto'
import { link, readdir, unlink } from 'node:fs/promises'
import type { Server } from 'node:net'
import { tmpdir } from 'node:os'
import { errorCode, ignoreFailure } from '../storage/durable-files.ts'
import type { LockOutcome, ProbeResult } from './process-lock.ts'

/**
 * A lock made of socket files `<name>.<n>` in the temporary directory, for systems whose local sockets are files that outlive their process.
 *
 * The file with the highest number is the lock; it is held while somebody listens on it. Who finds it abandoned links its own listening socket under the next
 * number (a link never replaces, so one contender wins) and looks again: a higher number means that it came late, and it withdraws. Only numbers
 * below one's own are ever removed, not even one's own at release: the highest number never falls, so no contender
 * with an old view can win below a living holder.
 */
export async function acquireSocketFile(
  name: string,
  listen: (address: string) => Promise<Server | null>,
  probe: (address: string) => Promise<ProbeResult>,
): Promise<LockOutcome> {
  const directory = tmpdir()
  const own = `${directory}/${name.slice(0, 20)}-${randomBytes(8).toString('hex')}`
  const server = await listen(own)
  if (server === null) return { kind: 'taken', pid: null }
  try {
    const outcome = await contend(directory, name, own, server, probe)
    if (outcome.kind === 'taken') server.close()
    return outcome
  } catch (error) {
    server.close()
    throw error
  } finally {
    await ignoreFailure(unlink(own))
  }
}

async function contend(
  directory: string,
  name: string,
  own: string,
  server: Server,
  probe: (address: string) => Promise<ProbeResult>,
): Promise<LockOutcome> {
  for (;;) {
    const highest = (await numbers(directory, name)).at(-1) ?? 0
    const holder = highest === 0 ? 'nobody' : await probe(`${directory}/${name}.${highest}`)
    if (holder !== 'nobody') return { kind: 'taken', pid: holder }
    const mine = highest + 1
    if (!(await tryLink(own, `${directory}/${name}.${mine}`))) continue
    const found = await numbers(directory, name)
    if (found.at(-1) === mine) {
      for (const lower of found) if (lower < mine) await ignoreFailure(unlink(`${directory}/${name}.${lower}`))
      return { kind: 'held', server }
    }
    await ignoreFailure(unlink(`${directory}/${name}.${mine}`))
  }
}

async function tryLink(existing: string, name: string): Promise<boolean> {
  try {
    await link(existing, name)
    return true
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false
    throw error
  }
}

async function numbers(directory: string, name: string): Promise<readonly number[]> {
  const found: number[] = []
  for (const entry of await readdir(directory)) {
    if (entry.startsWith(`${name}.`)) found.push(Number(entry.slice(name.length + 1)))
  }
  return found.filter(Number.isSafeInteger).sort((left, right) => left - right)
}
