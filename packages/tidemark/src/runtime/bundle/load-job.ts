import { fileURLToPath, pathToFileURL } from 'node:url'
import { isTidemarkError, TidemarkError } from '../../core/errors.ts'
import { JOB, type JobDefinition } from '../../core/job.ts'
import type { JobBundle } from './contract.ts'
import { packageOf } from './package-place.ts'

/** Imports a bundle and gives the job that it exports. `JOB_MODULE` when it throws or exports no job. */
export async function loadJob({ entry, file }: Pick<JobBundle, 'entry' | 'file'>): Promise<JobDefinition> {
  let exported: Readonly<Record<string, unknown>>
  try {
    exported = (await import(pathToFileURL(file).href)) as Readonly<Record<string, unknown>>
  } catch (cause) {
    throw isTidemarkError(cause) ? cause : notLoaded(entry, cause)
  }
  const job = jobIn(exported['default'])
  if (job !== null) return job
  throw new TidemarkError('JOB_MODULE', `${entry} ${describe(exported)}`, {
    action: action(exported),
    context: { file: entry },
  })
}

function notLoaded(entry: string, cause: unknown): TidemarkError {
  const message = cause instanceof Error ? cause.message : String(cause)
  const { what, advice } = explain(message) ?? {
    what: `threw while it was loaded: ${message}`,
    advice:
      'Correct the file. Code outside of functions runs on every start: open clients in resources, sources and sinks instead.',
  }
  return new TidemarkError('JOB_MODULE', `${entry} ${what}`, { action: advice, context: { file: entry }, cause })
}

/** What Node says of imports that the bundler leaves to it: it names neither the user's file nor what to do. */
function explain(message: string): { readonly what: string; readonly advice: string } | null {
  const [, url = '', name] = /^The requested module '(.*)' does not provide an export named '(.*)'$/.exec(message) ?? []
  if (name !== undefined) {
    const module = nameOfModule(url)
    return {
      what: `imports '${name}' from '${module}', which has no such export`,
      advice: `Correct the import, or install a version of ${module} that has it.`,
    }
  }
  const [, missing, importer] = /^Cannot find package '(.*?)' imported from (.*)$/.exec(message) ?? []
  if (missing === undefined) return null
  return {
    what: `needs the package ${missing}, which is not installed (${importer} imports it)`,
    advice: `Install it: npm install ${missing}`,
  }
}

/** The name by which a module was most likely imported, out of where it lies. */
function nameOfModule(url: string): string {
  if (!url.startsWith('file:')) return url
  const path = fileURLToPath(url)
  return packageOf(path)?.name ?? path
}

/** Compiled CommonJS has its default export one level deeper. */
function jobIn(value: unknown): JobDefinition | null {
  if (isJob(value)) return value
  const inner = typeof value === 'object' && value !== null ? (value as { default?: unknown }).default : undefined
  return isJob(inner) ? inner : null
}

function isJob(value: unknown): value is JobDefinition {
  return typeof value === 'object' && value !== null && JOB in value
}

function describe(exported: Readonly<Record<string, unknown>>): string {
  if (!('default' in exported)) return 'has no default export'
  const value = exported['default']
  if (value instanceof Promise) return 'exports a promise by default, not a job'
  return `exports ${value === null ? 'null' : `a value of type ${typeof value}`} by default, not a job`
}

function action(exported: Readonly<Record<string, unknown>>): string {
  const named = Object.keys(exported).find((name) => name !== 'default' && isJob(exported[name]))
  if (named !== undefined) return `'${named}' is a job: export it by default, with 'export default ${named}'.`
  return `Write 'export default defineJob(name, (job) => { … })'.`
}
