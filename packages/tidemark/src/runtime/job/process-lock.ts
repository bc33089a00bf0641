import { createHash } from 'node:crypto'
import { realpath } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import { TidemarkError } from '../../core/errors.ts'
import { errorCode } from '../storage/durable-files.ts'
import { acquireSocketFile } from './socket-file-lock.ts'

const ANSWER_TIMEOUT_MS = 1000
const TRIES = 5
/**
 * Fills the address to its 108 bytes: Node 20 pads shorter abstract names with zeros, later versions do not, and the same directory must have
 * the same address in both.
 */
const ABSTRACT_DIGEST_LENGTH = 108 - '\0tidemark-'.length

/** A lock that this process holds. It neither keeps the process alive nor outlives it. */
export interface ProcessLock {
  /** Idempotent. */
  release(): Promise<void>
}

/** Where a lock is held. `abstract` and `pipe` names vanish with their process; `socket-file` is for systems that have neither. */
export type LockKind = 'abstract' | 'pipe' | 'socket-file'

/**
 * Locks a directory against every other process of this machine: a listening local socket named after the directory's real path, which the kernel
 * takes back when its holder dies, however it dies. `JOB_LOCKED` says who holds it.
 *
 * Machines (and containers with a network namespace of their own) that share a directory do not see each other's locks: against those stands the epoch.
 */
export async function acquireLock(directory: string, kind: LockKind = defaultKind()): Promise<ProcessLock> {
  const path = await realpath(directory)
  const digest = createHash('sha512').update(path).digest('hex')
  const name = `tidemark-${digest.slice(0, kind === 'abstract' ? ABSTRACT_DIGEST_LENGTH : 24)}`
  const outcome = kind === 'socket-file' ? await acquireSocketFile(name, listen, probe) : await acquireName(kind, name)
  if (outcome.kind === 'taken') throw locked(directory, outcome.pid)
  return {
    release: () =>
      new Promise((resolve) => {
        outcome.server.close(() => resolve())
      }),
  }
}

/** Held by us, or by the process `pid` (null: it does not say). */
export type LockOutcome =
  | { readonly kind: 'held'; readonly server: Server }
  | { readonly kind: 'taken'; readonly pid: number | null }

/** Who listens there: its process id, null when it does not say, `nobody` when no process does. */
export type ProbeResult = number | null | 'nobody'

function defaultKind(): LockKind {
  if (process.platform === 'linux') return 'abstract'
  return process.platform === 'win32' ? 'pipe' : 'socket-file'
}

async function acquireName(kind: 'abstract' | 'pipe', name: string): Promise<LockOutcome> {
  const address = kind === 'abstract' ? `\0${name}` : `\\\\.\\pipe\\${name}`
  for (let tries = 1; ; tries++) {
    const server = await listen(address)
    if (server !== null) return { kind: 'held', server }
    const holder = await probe(address)
    // Its holder has died since: try again, but not for ever.
    if (holder !== 'nobody' || tries === TRIES) return { kind: 'taken', pid: holder === 'nobody' ? null : holder }
  }
}

/** A server at this local address that tells everybody our process id; null when the address is taken. */
function listen(address: string): Promise<Server | null> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => {
      socket.unref()
      socket.on('error', () => undefined)
      socket.end(`${process.pid}\n`)
    })
    server.once('error', (error) => {
      if (errorCode(error) === 'EADDRINUSE' || errorCode(error) === 'EACCES') resolve(null)
      else reject(error)
    })
    // Exclusive: a cluster's workers must not share it.
    server.listen({ path: address, exclusive: true }, () => {
      server.unref()
      resolve(server)
    })
  })
}

function probe(address: string): Promise<ProbeResult> {
  return new Promise((resolve) => {
    const socket = connect({ path: address })
    let answer = ''
    let isConnected = false
    const settle = (): void => {
      const pid = Number.parseInt(answer, 10)
      resolve(isConnected ? (Number.isNaN(pid) ? null : pid) : 'nobody')
      socket.destroy()
    }
    // A holder that is stopped or busy does not answer, but holds.
    socket.setTimeout(ANSWER_TIMEOUT_MS, settle)
    socket.on('connect', () => (isConnected = true))
    socket.on('data', (chunk) => (answer += chunk.toString('latin1')))
    socket.on('error', (error) => {
      const code = errorCode(error)
      if (code !== 'ECONNREFUSED' && code !== 'ENOENT') isConnected = true
      settle()
    })
    socket.on('close', settle)
  })
}

function locked(directory: string, pid: number | null): TidemarkError {
  const isSelf = pid === process.pid
  const who = isSelf ? 'this process already' : pid === null ? 'another process' : `process ${pid}`
  return new TidemarkError('JOB_LOCKED', `The job in ${directory} is run by ${who}`, {
    action: isSelf
      ? 'Await the end of the first run of the job, or give the second one a checkpoint directory of its own (--checkpoint-dir).'
      : `Stop ${pid === null ? 'it' : `process ${pid}`} first, or use another checkpoint directory (--checkpoint-dir).`,
    context: { file: directory },
  })
}
