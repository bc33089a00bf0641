import { realpath, stat } from 'node:fs/promises'
import { basename, dirname, extname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { BuildFailure, BuildOptions, Message } from 'esbuild'
import { TidemarkError } from '../../core/errors.ts'
import { BundleCache, type CachedBundle, openBundleCache } from './bundle-cache.ts'
import type { JobBundle } from './contract.ts'
import { type Fingerprint, sha256 } from './fingerprint.ts'
import { installedPackages } from './installed-packages.ts'
import { IDENTITY_DEFINES, moduleIdentity } from './module-identity.ts'
import { OWN_VERSION, resolveOwn } from './own-package.ts'
import { surroundingsOf } from './surroundings.ts'

/** Counted up when bundling the same sources gives something else. */
const FORMAT = 1

export interface BundleJobOptions {
  /** Where bundles are kept; by default in the project's `node_modules/.cache/tidemark`. */
  readonly cacheDirectory?: string
}

/**
 * Bundles a job file (TypeScript or JavaScript): the project's own code inside, what is installed under node_modules outside, with source maps. A bundle
 * whose inputs have not changed is taken from the cache. `JOB_MODULE` with the places when it cannot be bundled.
 */
export async function bundleJob(entry: string, options: BundleJobOptions = {}): Promise<JobBundle> {
  const path = await requireFile(entry)
  const { cacheDirectory } = options
  const cache = cacheDirectory === undefined ? await openBundleCache(path) : new BundleCache(resolve(cacheDirectory))
  const key = sha256(JSON.stringify([FORMAT, OWN_VERSION, resolveOwn('tidemark'), path, cache.directory]))
  const found = await cache.find(key)
  if (found !== null) return toJobBundle(path, found, true)
  const { code, warnings, inputs, externals } = await build(path, cache.directory)
  const files = [...inputs.keys()].sort()
  const contents: readonly Fingerprint[] = files.map((file) => ({
    kind: 'content',
    path: file,
    state: inputs.get(file) ?? null,
  }))
  const dependsOn = [...contents, ...(await surroundingsOf(files, externals))]
  const name = basename(path, extname(path)).replaceAll(/[^\w.-]/g, '_')
  try {
    return toJobBundle(path, await cache.store(key, name, code, { inputs: files, warnings, dependsOn }), false)
  } catch (cause) {
    throw new TidemarkError(
      'JOB_MODULE',
      `the bundle of ${path} could not be written to ${cache.directory}: ${messageOf(cause)}`,
      {
        action: 'Make the folder writable and see that the disk is not full.',
        context: { file: path, path: cache.directory },
        cause,
      },
    )
  }
}

function toJobBundle(entry: string, { file, hash, inputs, warnings }: CachedBundle, isFromCache: boolean): JobBundle {
  return { entry, file, hash, inputs, warnings, isFromCache }
}

async function requireFile(entry: string): Promise<string> {
  const path = resolve(entry)
  const found = await stat(path).catch(() => null)
  if (found?.isFile() === true) return realpath(path)
  const what = found === null ? 'does not exist' : 'is not a file'
  throw new TidemarkError('JOB_MODULE', `the job file ${path} ${what}`, {
    action: 'Give the path of the TypeScript or JavaScript file that exports the job.',
    context: { file: path },
  })
}

interface BuiltBundle {
  readonly code: Uint8Array
  readonly warnings: readonly string[]
  /** Path → hash of what was bundled. */
  readonly inputs: ReadonlyMap<string, string>
  readonly externals: readonly string[]
}

/** The bundler's service is one per process: it is stopped when nobody uses it, since it would keep tens of megabytes. */
let usersOfService = 0

async function build(entry: string, directory: string): Promise<BuiltBundle> {
  // Only here: loading and starting it takes longer than all the rest of a warm start.
  const esbuild = await import('esbuild')
  const inputs = new Map<string, string>()
  const externals = new Set<string>()
  usersOfService++
  try {
    const result = await esbuild.build({
      ...buildOptions(entry, directory),
      write: false,
      plugins: [
        installedPackages((path) => externals.add(path)),
        moduleIdentity((path, hash) => inputs.set(path, hash)),
      ],
    })
    const warnings = await esbuild.formatMessages(result.warnings, { kind: 'warning', color: false })
    const [output] = result.outputFiles
    if (output === undefined) throw new Error('the bundler wrote nothing')
    return {
      code: output.contents,
      warnings: warnings.map((text) => text.trim()),
      inputs,
      externals: [...externals].sort(),
    }
  } catch (error) {
    if (!isBuildFailure(error)) throw bundlerFailed(entry, error)
    const texts = await esbuild.formatMessages(error.errors.map(withAdvice), { kind: 'error', color: false })
    throw new TidemarkError(
      'JOB_MODULE',
      `${entry} could not be bundled:\n\n${texts.map((text) => text.trim()).join('\n\n')}`,
      {
        action: 'Correct the places named above.',
        context: { file: entry },
      },
    )
  } finally {
    usersOfService--
    if (usersOfService === 0) await esbuild.stop()
  }
}

function buildOptions(entry: string, directory: string): BuildOptions {
  return {
    entryPoints: [entry],
    // Paths in comments and in the source map are relative to these: equal sources give equal bytes wherever the command is given.
    absWorkingDir: dirname(entry),
    outfile: join(directory, 'job.mjs'),
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    // None beyond Node's own, so that packages resolve exactly as Node would resolve them.
    conditions: [],
    sourcemap: 'inline',
    charset: 'utf8',
    legalComments: 'none',
    logLevel: 'silent',
    define: { ...IDENTITY_DEFINES },
    // For CommonJS files inside: they have `require`, a module has not.
    banner: {
      js: `import { createRequire as __tidemark_createRequire } from 'node:module'; const require = __tidemark_createRequire(${JSON.stringify(pathToFileURL(entry).href)});`,
    },
  }
}

function isBuildFailure(error: unknown): error is BuildFailure {
  return error instanceof Error && 'errors' in error && Array.isArray(error.errors) && error.errors.length > 0
}

/** The bundler advises to mark as external what it cannot find; here the package has to be installed. */
function withAdvice(message: Message): Message {
  const missing = /^Could not resolve "([^"./][^"]*)"$/.exec(message.text)?.[1]
  if (missing === undefined) return message
  const [scope = '', name = ''] = missing.split('/')
  const installed = scope.startsWith('@') ? `${scope}/${name}` : scope
  return { ...message, notes: [{ text: `Install it: npm install ${installed}`, location: null }] }
}

function bundlerFailed(entry: string, cause: unknown): TidemarkError {
  return new TidemarkError('JOB_MODULE', `the bundler failed on ${entry}: ${messageOf(cause)}`, {
    action: 'Install the packages again, with their optional dependencies: esbuild brings its program in one of them.',
    context: { file: entry },
    cause,
  })
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
