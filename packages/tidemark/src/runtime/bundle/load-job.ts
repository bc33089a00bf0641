import { pathToFileURL } from 'node:url'
import { isTidemarkError, TidemarkError } from '../../core/errors.ts'
import { JOB, type JobDefinition } from '../../core/job.ts'
import type { JobBundle } from './contract.ts'

/** Imports a bundle and gives the job that it exports. `JOB_MODULE` when it throws or exports no job. */
export async function loadJob({ entry, file }: Pick<JobBundle, 'entry' | 'file'>): Promise<JobDefinition> {
  let exported: Readonly<Record<string, unknown>>
  try {
    exported = (await import(pathToFileURL(file).href)) as Readonly<Record<string, unknown>>
  } catch (cause) {
    if (isTidemarkError(cause)) throw cause
    throw new TidemarkError(
      'JOB_MODULE',
      `${entry} threw while it was loaded: ${cause instanceof Error ? cause.message : String(cause)}`,
      {
        action:
          'Correct the file. Code outside of functions runs on every start: open clients in resources, sources and sinks instead.',
        context: { file: entry },
        cause,
      },
    )
  }
  const job = jobIn(exported['default'])
  if (job !== null) return job
  throw new TidemarkError('JOB_MODULE', `${entry} ${describe(exported)}`, {
    action: action(exported),
    context: { file: entry },
  })
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
