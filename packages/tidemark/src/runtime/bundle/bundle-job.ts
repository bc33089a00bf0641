import { basename, extname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { assert, TidemarkError } from '../../core/errors.ts'
import { BundleCache, type CachedBundle, openBundleCache } from './bundle-cache.ts'
import { openBuiltJob } from './built-job.ts'
import { messageOf, runBundler } from './bundler.ts'
import type { JobBundle } from './contract.ts'
import { type Fingerprint, sha256 } from './fingerprint.ts'
import { byPlace, installedPackages, resolveOwnCopy } from './installed-packages.ts'
import { requireFile } from './job-file.ts'
import { identityHere, moduleIdentity } from './module-identity.ts'
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
 * whose inputs have not changed is taken from the cache, and what `tidemark build` made is taken as it is. `JOB_MODULE` with the places when it cannot be bundled.
 */
export async function bundleJob(entry: string, options: BundleJobOptions = {}): Promise<JobBundle> {
  const path = await requireFile(entry)
  const built = await openBuiltJob(path)
  if (built !== null) return built
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
  return { entry, file, neverChanges: true, hash, inputs, warnings, isFromCache }
}

interface BuiltBundle {
  readonly code: Uint8Array
  readonly warnings: readonly string[]
  /** Path → hash of what was bundled. */
  readonly inputs: ReadonlyMap<string, string>
  readonly externals: readonly string[]
}

async function build(entry: string, directory: string): Promise<BuiltBundle> {
  const inputs = new Map<string, string>()
  const externals = new Set<string>()
  const { files, warnings } = await runBundler(entry, {
    outfile: join(directory, 'job.mjs'),
    sourcemap: 'inline',
    // For CommonJS files inside: they have `require`, a module has not.
    banner: {
      js: `import { createRequire as __tidemark_createRequire } from 'node:module'; const require = __tidemark_createRequire(${JSON.stringify(pathToFileURL(entry).href)});`,
    },
    plugins: [
      installedPackages({
        own: resolveOwnCopy,
        installed(found) {
          externals.add(found.path)
          return byPlace(found)
        },
      }),
      moduleIdentity(identityHere, (path, hash) => inputs.set(path, hash)),
    ],
  })
  const [output] = files
  assert(output !== undefined, 'the bundler gives one file')
  return { code: output.contents, warnings, inputs, externals: [...externals].sort() }
}
