import { isTidemarkError, TidemarkError } from '../core/errors.ts'
import type { JobDefinition } from '../core/job.ts'

/** One parameter as it was given on the command line. */
export interface Assignment {
  /** `limits.perShop` is `['limits', 'perShop']`. */
  readonly path: readonly string[]
  readonly text: string
}

/** `key=value`, where dots in the key nest. */
export function readAssignment(text: string): Assignment {
  const at = text.indexOf('=')
  if (at < 1) {
    throw new TidemarkError('INVALID_OPTION', `--set ${JSON.stringify(text)} is not of the form key=value`, {
      action: 'Give for example --set brokers=localhost:9092 or --set limits.perShop=5.',
    })
  }
  return { path: pathOf(text.slice(0, at)), text: text.slice(at + 1) }
}

/**
 * What the arguments after `--` say about parameters: `--name value`, `--name=value`, and `--name` alone for true. `--max-size` is `maxSize`. All else is left to the
 * job, which sees all of them in `process.argv`.
 */
export function argumentsAsAssignments(jobArguments: readonly string[]): readonly Assignment[] {
  const assignments: Assignment[] = []
  for (let index = 0; index < jobArguments.length; index++) {
    const argument = jobArguments[index]!
    if (argument === '--') break
    const [, name, value] = /^--([^=]+)(?:=([^]*))?$/.exec(argument) ?? []
    if (name === undefined) continue
    const next = jobArguments[index + 1]
    const isAlone = value === undefined && (next === undefined || next.startsWith('--'))
    if (value === undefined && !isAlone) index++
    assignments.push({ path: pathOf(camelCase(name)), text: value ?? (isAlone ? 'true' : next!) })
  }
  return assignments
}

/** How many readings of doubtful texts are tried. */
const MOST_READINGS = 256

/**
 * The raw parameters that these assignments mean: each text is read as JSON where it is JSON, and as plain text where the job's schema wants that. Of all
 * readings that the schema accepts, the one with the fewest plain texts. If none is accepted, `run` says what is wrong with the first.
 */
export async function readParameters(job: JobDefinition, assignments: readonly Assignment[]): Promise<unknown> {
  const leaves = effective(assignments).map(({ path, text }) => ({ path, text, json: parseJson(text) }))
  const doubtful = leaves.filter(({ json, text }) => json !== undefined && json !== text)
  const asJson = nest(leaves.map(({ path, text, json }) => ({ path, value: json === undefined ? text : json })))
  if (!job.takesParams) return asJson
  for (const plain of choices(doubtful)) {
    const params = nest(
      leaves.map((leaf) => ({
        path: leaf.path,
        value: leaf.json === undefined || plain.has(leaf) ? leaf.text : leaf.json,
      })),
    )
    if (await isAccepted(job, params)) return params
  }
  return asJson
}

async function isAccepted(job: JobDefinition, params: unknown): Promise<boolean> {
  try {
    await job.resolveParams(params)
    return true
  } catch (error) {
    if (isTidemarkError(error) && error.code === 'INVALID_PARAMS') return false
    throw error
  }
}

/** Subsets, the smaller ones first; where there are too many, only those with at most one element, and all. */
function* choices<T>(elements: readonly T[]): Iterable<ReadonlySet<T>> {
  if (2 ** elements.length > MOST_READINGS) {
    yield new Set()
    for (const element of elements) yield new Set([element])
    yield new Set(elements)
    return
  }
  const subsets = Array.from({ length: 2 ** elements.length }, (_, bits) =>
    elements.filter((_, index) => ((bits >> index) & 1) === 1),
  )
  for (const subset of subsets.sort((a, b) => a.length - b.length)) yield new Set(subset)
}

/** Numbers that JavaScript cannot hold exactly stay text. */
function parseJson(text: string): unknown {
  try {
    const value = JSON.parse(text) as unknown
    const isLossy =
      typeof value === 'number' && (!Number.isFinite(value) || (/^-?\d+$/.test(text) && !Number.isSafeInteger(value)))
    return isLossy ? undefined : value
  } catch {
    return undefined
  }
}

/** What is given twice counts as given last. */
function effective(assignments: readonly Assignment[]): readonly Assignment[] {
  const last = new Map<string, Assignment>()
  for (const assignment of assignments) last.set(assignment.path.join('.'), assignment)
  return [...last.values()]
}

function nest(
  leaves: readonly { readonly path: readonly string[]; readonly value: unknown }[],
): Record<string, unknown> {
  const root: Record<string, unknown> = {}
  const groups = new Set<unknown>([root])
  for (const { path, value } of leaves) {
    let group = root
    for (const part of path.slice(0, -1)) {
      if (!Object.hasOwn(group, part)) {
        group[part] = {}
        groups.add(group[part])
      }
      if (!groups.has(group[part])) throw bothValueAndGroup(path)
      group = group[part] as Record<string, unknown>
    }
    const name = path.at(-1)!
    if (Object.hasOwn(group, name)) throw bothValueAndGroup(path)
    group[name] = value
  }
  return root
}

function bothValueAndGroup(path: readonly string[]): TidemarkError {
  return new TidemarkError(
    'INVALID_OPTION',
    `the parameter ${path.join('.')} is given both as one value and in parts`,
    {
      action: 'Give either the whole as JSON, or its parts.',
    },
  )
}

function pathOf(key: string): readonly string[] {
  const path = key.split('.')
  if (path.includes('') || path.includes('__proto__')) {
    throw new TidemarkError('INVALID_OPTION', `${JSON.stringify(key)} is no name of a parameter`, {
      action: 'Give a name, or names joined by single dots.',
    })
  }
  return path
}

function camelCase(name: string): string {
  return name.replaceAll(/-+([^-.])/g, (_, letter: string) => letter.toUpperCase())
}
