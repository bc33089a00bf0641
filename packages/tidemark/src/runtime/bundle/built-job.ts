import { readFile } from 'node:fs/promises'
import { extname } from 'node:path'
import { TidemarkError } from '../../core/errors.ts'
import type { JobBundle } from './contract.ts'
import { sha256 } from './fingerprint.ts'
import { OWN_VERSION } from './own-package.ts'
import { dependencyOn, installedVersion } from './package-place.ts'

/** What the first line of a built job says. */
export interface BuiltJobLabel {
  readonly format: 1
  /** The job file, as it was called. */
  readonly entry: string
  /** The version that built it. */
  readonly tidemark: string
  /** What it imports: names, with what a package.json says of them. */
  readonly packages: Readonly<Record<string, string>>
}

const START = '/* tidemark build '
const END = ' */'

export function labelLine(label: BuiltJobLabel): string {
  // Names of packages and files cannot end the comment.
  return START + JSON.stringify(label).replaceAll('*/', String.raw`*\/`) + END
}

/** What a file made by `tidemark build` says of itself; null: it is another file. */
export function readLabel(code: string): BuiltJobLabel | null {
  const [line = ''] = code.split('\n', 1)
  if (!line.startsWith(START) || !line.trimEnd().endsWith(END)) return null
  try {
    const label = JSON.parse(line.trimEnd().slice(START.length, -END.length)) as BuiltJobLabel
    return label.format === 1 ? label : null
  } catch {
    return null
  }
}

/**
 * A file that `tidemark build` has made, as a bundle: nothing is bundled again, and nothing is copied. Null when it is another file. `JOB_MODULE` when packages
 * that it imports are not installed where it lies.
 */
export async function openBuiltJob(path: string): Promise<JobBundle | null> {
  if (extname(path) !== '.js' && extname(path) !== '.mjs') return null
  const bytes = await readFile(path)
  const label = readLabel(bytes.toString('utf8'))
  if (label === null) return null
  const warnings = [...(await checkPackages(path, label)), ...(await checkOwn(path, label))]
  return {
    entry: path,
    file: path,
    neverChanges: false,
    hash: sha256(bytes),
    inputs: [path],
    warnings,
    isFromCache: true,
  }
}

async function checkPackages(path: string, { packages }: BuiltJobLabel): Promise<readonly string[]> {
  const found = await Promise.all(
    Object.entries(packages).map(async ([name, wanted]) => {
      const installed = await installedVersion(name, path)
      return { name, wanted, is: installed === null ? null : dependencyOn(name, installed) }
    }),
  )
  const missing = found.filter(({ is }) => is === null)
  if (missing.length > 0) {
    const names = missing.map(({ name, wanted }) => `${name}@${wanted}`)
    throw new TidemarkError('JOB_MODULE', `${path} imports what is not installed: ${names.join(', ')}`, {
      action: `Where the file lies, run: npm install ${names.join(' ')} (the package.json that was written beside it lists them all).`,
      context: { file: path },
    })
  }
  return found
    .filter(({ wanted, is }) => is !== wanted)
    .map(({ name, wanted, is }) => `${path} was built with ${name} ${wanted}, and runs with ${is}`)
}

/** The file imports the copy of tidemark that is installed where it lies; the command line may be another one. */
async function checkOwn(path: string, label: BuiltJobLabel): Promise<readonly string[]> {
  const installed = await installedVersion('tidemark', path)
  if (installed === null) {
    throw new TidemarkError('JOB_MODULE', `${path} imports tidemark, which is not installed where it lies`, {
      action: `Run there: npm install tidemark@${OWN_VERSION}`,
      context: { file: path },
    })
  }
  if (installed.version !== OWN_VERSION) {
    throw new TidemarkError(
      'JOB_MODULE',
      `${path} imports tidemark ${installed.version}, but this is the command line of tidemark ${OWN_VERSION}`,
      { action: 'Run it with `npx tidemark` where it lies, or install the same version.', context: { file: path } },
    )
  }
  if (label.tidemark === OWN_VERSION) return []
  return [`${path} was built with tidemark ${label.tidemark}, and runs with ${OWN_VERSION}`]
}
