import { mkdir, readFile } from 'node:fs/promises'
import { basename, extname, join, resolve } from 'node:path'
import { assert, TidemarkError } from '../../core/errors.ts'
import { labelLine, readLabel } from './built-job.ts'
import { messageOf, runBundler } from './bundler.ts'
import { installedPackages } from './installed-packages.ts'
import { requireFile } from './job-file.ts'
import { BESIDE_BANNER, identityBeside, moduleIdentity } from './module-identity.ts'
import { OWN_VERSION } from './own-package.ts'
import { dependencyOn } from './package-place.ts'
import { PortableNames } from './portable-names.ts'
import { writeAside } from './write-aside.ts'

/** What `tidemark build` has written. */
export interface BuiltJob {
  /** The module: `tidemark run` takes it as it takes the job file. */
  readonly file: string
  readonly bytes: number
  readonly sourceMap: string
  /** The `package.json` beside it, which lists what has to be installed where it will run. */
  readonly manifest: string
  /** The files inside. */
  readonly inputs: readonly string[]
  /** What stays outside, tidemark aside: names and versions. */
  readonly packages: Readonly<Record<string, string>>
  readonly warnings: readonly string[]
}

/** Says of a `package.json` that it may be written again. */
const WRITTEN_HERE = 'Written by tidemark build.'

/**
 * Writes a job file with all code of its project as one module that runs elsewhere, without the sources and without a bundler. What is installed under node_modules is imported by its
 * name, and listed in a `package.json` beside the module. `JOB_MODULE` when that cannot be.
 */
export async function buildJob(entry: string, directory: string): Promise<BuiltJob> {
  const path = await requireFile(entry)
  await refuseBuilt(path)
  const folder = resolve(directory)
  const file = join(folder, `${basename(path, extname(path))}.js`)
  const manifest = join(folder, 'package.json')
  const others = await dependenciesOfOthers(manifest)
  const { code, map, inputs, packages, warnings } = await bundle(path, file)
  if (inputs.includes(file)) {
    throw new TidemarkError('JOB_MODULE', `${file} is part of the job: it would be overwritten`, {
      action: 'Give another folder with --out.',
      context: { file },
    })
  }
  const dependencies = { ...others, ...packages, tidemark: OWN_VERSION }
  try {
    await mkdir(folder, { recursive: true })
    await writeAside(`${file}.map`, map)
    await writeAside(file, code)
    await writeAside(manifest, manifestText(dependencies))
  } catch (cause) {
    throw new TidemarkError('JOB_MODULE', `${file} could not be written: ${messageOf(cause)}`, {
      action: 'Make the folder writable and see that the disk is not full.',
      context: { file },
      cause,
    })
  }
  return { file, bytes: code.length, sourceMap: `${file}.map`, manifest, inputs, packages, warnings }
}

interface Bundled extends Pick<BuiltJob, 'inputs' | 'packages' | 'warnings'> {
  readonly code: Uint8Array
  readonly map: Uint8Array
}

async function bundle(entry: string, outfile: string): Promise<Bundled> {
  const names = new PortableNames()
  const inputs = new Set<string>()
  const { files, warnings, exports } = await runBundler(entry, {
    outfile,
    sourcemap: 'external',
    banner: {
      js: `${BESIDE_BANNER}; import { createRequire as __tidemark_createRequire } from 'node:module'; const require = __tidemark_createRequire(__tidemark_place);`,
    },
    plugins: [installedPackages(names), moduleIdentity(identityBeside(entry), (path) => inputs.add(path))],
  })
  const code = files.find(({ path }) => path === outfile)
  const map = files.find(({ path }) => path === `${outfile}.map`)
  assert(code !== undefined && map !== undefined, 'the bundler gives a module and its map')
  const packages = Object.fromEntries(
    [...names.packages].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, found]) => [name, dependencyOn(name, found)]),
  )
  const label = labelLine({ format: 1, entry: basename(entry), tidemark: OWN_VERSION, packages })
  return {
    // The label comes first; the map counts lines.
    code: Buffer.from(`${label}\n${code.text}//# sourceMappingURL=${basename(outfile)}.map\n`),
    map: Buffer.from(oneLineDown(map.text)),
    inputs: [...inputs].sort(),
    packages,
    warnings: exports.includes('default') ? warnings : [...warnings, withoutDefault(entry)],
  }
}

/** The same map for code that has one line more at its beginning. */
function oneLineDown(map: string): string {
  const parsed = JSON.parse(map) as { readonly mappings: string }
  return JSON.stringify({ ...parsed, mappings: `;${parsed.mappings}` })
}

function withoutDefault(entry: string): string {
  return `${entry} has no default export: 'tidemark run' needs one, 'export default defineJob(…)'`
}

async function refuseBuilt(path: string): Promise<void> {
  if (readLabel(await readFile(path, 'utf8')) === null) return
  throw new TidemarkError('JOB_MODULE', `${path} was made by tidemark build already`, {
    action: 'Give the file that it was built from, or run this one with tidemark run.',
    context: { file: path },
  })
}

/** Several jobs may be built into one folder: what the others need. */
async function dependenciesOfOthers(manifest: string): Promise<Readonly<Record<string, string>>> {
  const text = await readFile(manifest, 'utf8').catch(() => null)
  if (text === null) return {}
  const found = readManifest(text)
  if (found?.['//'] === WRITTEN_HERE) return (found['dependencies'] ?? {}) as Record<string, string>
  throw new TidemarkError('JOB_MODULE', `${manifest} was not written by tidemark build`, {
    action: 'Give a folder of its own with --out.',
    context: { file: manifest },
  })
}

function readManifest(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const found: unknown = JSON.parse(text)
    return typeof found === 'object' && found !== null ? (found as Record<string, unknown>) : null
  } catch {
    return null
  }
}

function manifestText(dependencies: Readonly<Record<string, string>>): string {
  const sorted = Object.fromEntries(Object.entries(dependencies).sort(([a], [b]) => (a < b ? -1 : 1)))
  const manifest = {
    '//': WRITTEN_HERE,
    private: true,
    type: 'module',
    engines: { node: '>=20.19' },
    dependencies: sorted,
  }
  return `${JSON.stringify(manifest, null, 2)}\n`
}
