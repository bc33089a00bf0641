import { constants } from 'node:fs'
import { access, mkdir, mkdtemp, readdir, readFile, rm, stat, utimes } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { basename, dirname, extname, join } from 'node:path'
import { type Fingerprint, isUnchanged, sha256 } from './fingerprint.ts'
import { writeAside } from './write-aside.ts'

/** A bundle in the cache with all that it depends on. */
export interface CachedBundle {
  readonly file: string
  readonly hash: string
  readonly inputs: readonly string[]
  readonly warnings: readonly string[]
  readonly dependsOn: readonly Fingerprint[]
}

/** Bundles of one project that are kept, those of running jobs included: far more than anybody starts from one folder. */
const KEPT_BUNDLES = 64

/**
 * A folder of bundles named by their content, and for each key a record that says which one is valid under which circumstances. Processes may use it at the
 * same time: files are written aside and renamed, and whatever is not as expected counts as absent.
 */
export class BundleCache {
  readonly directory: string

  constructor(directory: string) {
    this.directory = directory
  }

  /** The bundle under this key, if it is whole and nothing that it depends on has changed. */
  async find(key: string): Promise<CachedBundle | null> {
    try {
      const cached = asCachedBundle(JSON.parse(await readFile(this.recordOf(key), 'utf8')))
      if (cached === null || dirname(cached.file) !== this.directory) return null
      if (sha256(await readFile(cached.file)) !== cached.hash) return null
      const unchanged = await Promise.all(cached.dependsOn.map(isUnchanged))
      if (unchanged.includes(false)) return null
      // Says that it is in use; only cleaning up looks at it.
      await utimes(cached.file, new Date(), new Date()).catch(() => {})
      return cached
    } catch {
      return null
    }
  }

  async store(
    key: string,
    name: string,
    code: Uint8Array,
    rest: Omit<CachedBundle, 'file' | 'hash'>,
  ): Promise<CachedBundle> {
    const hash = sha256(code)
    const cached = { file: join(this.directory, `${name}-${hash.slice(0, 16)}.mjs`), hash, ...rest }
    await mkdir(this.directory, { recursive: true, mode: 0o700 })
    await writeAside(cached.file, code)
    await writeAside(this.recordOf(key), JSON.stringify(cached))
    await this.removeOld()
    return cached
  }

  private recordOf(key: string): string {
    return join(this.directory, `${key.slice(0, 32)}.json`)
  }

  private async removeOld(): Promise<void> {
    const names = await readdir(this.directory).catch(() => [])
    const bundles = names.filter((name) => extname(name) === '.mjs')
    if (bundles.length <= KEPT_BUNDLES) return
    const paths = bundles.map((name) => join(this.directory, name))
    const times = await Promise.all(
      paths.map((path) =>
        stat(path).then(
          ({ mtimeMs }) => mtimeMs,
          () => 0,
        ),
      ),
    )
    const byAge = paths.map((path, index) => ({ path, time: times[index] ?? 0 })).sort((a, b) => b.time - a.time)
    await Promise.all(byAge.slice(KEPT_BUNDLES).map(({ path }) => rm(path, { force: true })))
  }
}

/**
 * Where bundles of this job file are kept: in `node_modules/.cache` of its project, where names computed at run time resolve as in the project; without one, or
 * when that cannot be written, in the user's own cache folder. Never in a folder that others can write.
 */
export async function openBundleCache(entry: string): Promise<BundleCache> {
  for (const directory of [await projectCache(dirname(entry)), userCache()]) {
    if (directory !== null && (await isWritable(directory))) return new BundleCache(directory)
  }
  return new BundleCache(await mkdtemp(join(tmpdir(), 'tidemark-')))
}

async function projectCache(start: string): Promise<string | null> {
  for (let folder = start; ; folder = dirname(folder)) {
    const modules = join(folder, 'node_modules')
    const found = await stat(modules).catch(() => null)
    if (found?.isDirectory() === true && basename(folder) !== 'node_modules') return join(modules, '.cache', 'tidemark')
    if (dirname(folder) === folder) return null
  }
}

function userCache(): string {
  const { XDG_CACHE_HOME, LOCALAPPDATA } = process.env
  if (process.platform === 'win32' && LOCALAPPDATA !== undefined) return join(LOCALAPPDATA, 'tidemark', 'cache')
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Caches', 'tidemark')
  return join(
    XDG_CACHE_HOME === undefined || XDG_CACHE_HOME === '' ? join(homedir(), '.cache') : XDG_CACHE_HOME,
    'tidemark',
  )
}

async function isWritable(directory: string): Promise<boolean> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 })
    await access(directory, constants.W_OK)
    return true
  } catch {
    return false
  }
}

function asCachedBundle(value: unknown): CachedBundle | null {
  if (typeof value !== 'object' || value === null) return null
  const { file, hash, inputs, warnings, dependsOn } = value as Partial<Record<keyof CachedBundle, unknown>>
  const isWhole =
    typeof file === 'string' &&
    typeof hash === 'string' &&
    Array.isArray(inputs) &&
    Array.isArray(warnings) &&
    Array.isArray(dependsOn)
  return isWhole ? (value as CachedBundle) : null
}
