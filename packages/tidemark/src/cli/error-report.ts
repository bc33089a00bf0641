import { fileURLToPath } from 'node:url'
import { isAbsolute, relative, sep } from 'node:path'
import type { ErrorContext, ErrorInfo } from '../core/errors.ts'

export interface ReportOptions {
  /** Whole stack traces. */
  readonly isVerbose: boolean
  /** Paths are shown relative to it. */
  readonly directory: string
  /** Frames under this folder are the engine's own. */
  readonly ownPackage: string
}

const OWN_CONNECTORS = `${sep}node_modules${sep}@tidemark${sep}`
const MOST_FRAMES = 8
const MOST_DETAIL = 300

/** An error for people: code and what; where; why, with the user's own stack; what to do. */
export function renderError(error: ErrorInfo, options: ReportOptions): string {
  const chain = chainOf(error)
  const lines = [`${error.code ?? error.name}: ${error.message}`]
  for (const [name, value] of Object.entries(mergedContext(chain))) lines.push(field(name, value))
  const [, ...causes] = chain
  for (const cause of causes) lines.push(field('because', `${cause.code ?? cause.name}: ${cause.message}`))
  const frames = stackOf(chain, options)
  if (frames.length > 0) lines.push(...frames.map((frame) => `             ${frame}`))
  for (const action of new Set(chain.map((link) => link.action)))
    if (action !== undefined) lines.push(field('what to do', action))
  return visible(lines.join('\n'))
}

/** Records and servers have a say in errors: what would move the cursor of a terminal, colour it or write its title is shown, not done. */
export function visible(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}

/** The error and its causes, without those that only repeat another's message. */
function chainOf(error: ErrorInfo): readonly ErrorInfo[] {
  const chain: ErrorInfo[] = [error]
  for (let cause = error.cause; cause !== undefined; cause = cause.cause) {
    const last = chain.at(-1)!
    if (cause.message === last.message && cause.code === last.code)
      chain[chain.length - 1] = { ...cause, ...last, stack: cause.stack ?? last.stack ?? '' }
    else chain.push(cause)
  }
  return chain
}

/** What is known of the place: the inner error knows it better. */
function mergedContext(chain: readonly ErrorInfo[]): Readonly<Record<string, string>> {
  const names = [
    'job',
    'operator',
    'task',
    'position',
    'value',
    'checkpoint',
    'file',
    'path',
  ] as const satisfies readonly (keyof ErrorContext)[]
  const merged: Record<string, string> = {}
  for (const name of names) {
    const value = chain.findLast((link) => link.context?.[name] !== undefined)?.context?.[name]
    if (value !== undefined) merged[name] = shorten(String(value))
  }
  return merged
}

function shorten(text: string): string {
  return text.length <= MOST_DETAIL ? text : `${text.slice(0, MOST_DETAIL)}…`
}

function field(name: string, value: string): string {
  return `  ${name.padEnd(10)} ${value.replaceAll('\n', `\n${' '.repeat(13)}`)}`
}

/** The user's own part of the innermost stack that has one. */
function stackOf(chain: readonly ErrorInfo[], options: ReportOptions): readonly string[] {
  if (options.isVerbose) return chain.flatMap((link) => [`${link.name}:`, ...framesOf(link)])
  for (const link of chain.toReversed()) {
    const own = framesOf(link).filter((frame) => isUserFrame(frame, options.ownPackage))
    if (own.length > 0) return own.slice(0, MOST_FRAMES).map((frame) => shortPath(frame, options.directory))
  }
  return []
}

function framesOf({ stack }: ErrorInfo): readonly string[] {
  return (stack ?? '')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line.startsWith('at '))
}

function isUserFrame(frame: string, ownPackage: string): boolean {
  const path = placeOf(frame)?.path
  if (path === undefined || !isAbsolute(path) || path.includes(OWN_CONNECTORS)) return false
  return !['dist', 'src', 'bin'].some((folder) => path.startsWith(`${ownPackage}${sep}${folder}${sep}`))
}

function shortPath(frame: string, directory: string): string {
  const place = placeOf(frame)
  if (place === undefined) return frame
  const short = relative(directory, place.path)
  return frame.replace(place.written, short === '' || short.startsWith('..') ? place.path : short)
}

/** The path in `at parse (file:///a/job.ts:3:9)` or `at /a/job.ts:3:9`. */
function placeOf(frame: string): { readonly written: string; readonly path: string } | undefined {
  const written = /(?:\(|^at (?:async )?)([^()]+):\d+:\d+\)?$/.exec(frame)?.[1]
  if (written === undefined) return undefined
  try {
    return { written, path: written.startsWith('file:') ? fileURLToPath(written) : written }
  } catch {
    return undefined
  }
}
