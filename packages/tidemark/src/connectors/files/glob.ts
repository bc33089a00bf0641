import { TidemarkError } from '../../core/errors.ts'
import type { FileStat, FileSystem } from '../../core/file-system.ts'

/** A file that a pattern matched, as it was then. */
export interface MatchedFile {
  readonly path: string
  readonly stat: FileStat
}

/**
 * The files that any of the patterns matches, each once, sorted by path. In a pattern `*` and `?` stand for any characters of one name, `[a-c]` and
 * `[!a-c]` for one character, `{a,b}` for alternatives, `**` as a whole name for any number of directories (also none); `\` takes the
 * next character literally. Wildcards do not match names that begin with a dot. A path without wildcards that is a directory stands for all files
 * below it. A file whose name looks like a pattern is found by its name.
 */
export async function findFiles(files: FileSystem, patterns: readonly string[]): Promise<readonly MatchedFile[]> {
  const found = new Map<string, FileStat>()
  for (const pattern of patterns) {
    const literal = await files.stat(pattern)
    if (literal?.kind === 'file') found.set(pattern, literal)
    else for (const alternative of expandBraces(pattern)) await new Walk(files, found).start(alternative)
  }
  return [...found].map(([path, stat]) => ({ path, stat })).sort((a, b) => (a.path < b.path ? -1 : 1))
}

/** One pattern without braces, matched name by name. */
class Walk {
  private readonly files: FileSystem
  private readonly found: Map<string, FileStat>

  constructor(files: FileSystem, found: Map<string, FileStat>) {
    this.files = files
    this.found = found
  }

  async start(pattern: string): Promise<void> {
    const isAbsolute = pattern.startsWith('/')
    const names = pattern.split('/').filter((name) => name !== '')
    if (names.some(isWildcard)) return this.match(isAbsolute ? '/' : '', names)
    const path = (isAbsolute ? '/' : '') + names.map((name) => name.replaceAll(/\\(.)/gsu, '$1')).join('/')
    await this.take(path === '' ? '.' : path, true)
  }

  private async match(directory: string, names: readonly string[]): Promise<void> {
    const [name, ...rest] = names
    if (name === undefined) return
    if (name === '**') return this.matchAnyDepth(directory, rest)
    if (!isWildcard(name)) {
      const path = join(directory, name.replaceAll(/\\(.)/gsu, '$1'))
      return rest.length === 0 ? this.take(path, false) : this.match(path, rest)
    }
    const regex = nameToRegex(name)
    for (const entry of await this.names(directory)) {
      if (!regex.test(entry) || (entry.startsWith('.') && !name.startsWith('.'))) continue
      await (rest.length === 0 ? this.take(join(directory, entry), false) : this.match(join(directory, entry), rest))
    }
  }

  private async matchAnyDepth(directory: string, rest: readonly string[]): Promise<void> {
    await this.match(directory, rest.length === 0 ? ['*'] : rest)
    for (const entry of await this.names(directory)) {
      const path = join(directory, entry)
      if (entry.startsWith('.') || (await this.files.stat(path))?.kind !== 'directory') continue
      await this.matchAnyDepth(path, rest)
    }
  }

  private async names(directory: string): Promise<readonly string[]> {
    return (await this.files.list(directory === '' ? '.' : directory)) ?? []
  }

  private async take(path: string, isWholeDirectory: boolean): Promise<void> {
    const stat = await this.files.stat(path)
    if (stat?.kind === 'file') this.found.set(path, stat)
    else if (stat !== null && isWholeDirectory) await this.matchAnyDepth(path, ['*'])
  }
}

function join(directory: string, name: string): string {
  return directory === '' || directory.endsWith('/') ? directory + name : `${directory}/${name}`
}

function isWildcard(name: string): boolean {
  return /(?<!\\)(?:\\\\)*[*?[]/u.test(name)
}

/** `a{b,c{d,e}}` → `ab`, `acd`, `ace`. Braces without a comma stay as they are. */
export function expandBraces(pattern: string): readonly string[] {
  for (let open = 0; open < pattern.length; open++) {
    if (pattern[open] === '\\') open++
    else if (pattern[open] === '{') {
      const alternatives = splitBraces(pattern, open)
      if (alternatives === null) continue
      const before = pattern.slice(0, open)
      const after = expandBraces(pattern.slice(alternatives.end))
      return alternatives.parts.flatMap((part) =>
        expandBraces(part).flatMap((middle) => after.map((end) => before + middle + end)),
      )
    }
  }
  return [pattern]
}

/** The alternatives of the brace at `open`; null when it is not closed or has no comma. */
function splitBraces(pattern: string, open: number): { parts: string[]; end: number } | null {
  const parts: string[] = []
  let depth = 0
  let start = open + 1
  for (let at = open; at < pattern.length; at++) {
    const character = pattern[at]
    if (character === '\\') at++
    else if (character === '{') depth++
    else if (character === ',' && depth === 1) {
      parts.push(pattern.slice(start, at))
      start = at + 1
    } else if (character === '}' && --depth === 0) {
      if (parts.length === 0) return null
      parts.push(pattern.slice(start, at))
      return { parts, end: at + 1 }
    }
  }
  return null
}

/** A regular expression for one name of a path. */
export function nameToRegex(name: string): RegExp {
  let source = ''
  for (let at = 0; at < name.length; at++) {
    const character = name[at]!
    if (character === '*') {
      if (!source.endsWith('.*')) source += '.*'
    } else if (character === '?') source += '.'
    else if (character === '[') {
      const close = name.indexOf(']', name[at + 1] === '!' || name[at + 1] === '^' ? at + 3 : at + 2)
      if (close === -1) source += '\\['
      else {
        source += characterClass(name.slice(at + 1, close))
        at = close
      }
    } else if (character === '\\' && at + 1 < name.length) source += escape(name[++at]!)
    else source += escape(character)
  }
  try {
    return new RegExp(`^${source}$`, 'su')
  } catch (cause) {
    throw new TidemarkError('INVALID_OPTION', `${JSON.stringify(name)} is not a valid file pattern`, {
      action: 'Check the ranges in brackets: [a-z], [!0-9].',
      cause,
    })
  }
}

function characterClass(content: string): string {
  const isNegated = content.startsWith('!') || content.startsWith('^')
  const members = (isNegated ? content.slice(1) : content).replaceAll(/[\\\]^[]/gu, String.raw`\$&`)
  return `[${isNegated ? '^' : ''}${members}]`
}

function escape(character: string): string {
  return /[\\^$.*+?()[\]{}|/]/u.test(character) ? `\\${character}` : character
}
