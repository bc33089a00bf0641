import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, dirname, extname, join, resolve } from 'node:path'
import { type Fingerprint, fingerprint } from './fingerprint.ts'

/** What npm, pnpm and Yarn write anew on every install. */
const INSTALL_RECORDS = ['.package-lock.json', '.modules.yaml', '.yarn-state.yml'] as const

/**
 * What decides, besides the files inside, what a bundle of these files looks like: compiler settings, package manifests, installed versions,
 * files that would take precedence.
 */
export async function surroundingsOf(
  inputs: readonly string[],
  externals: readonly string[],
): Promise<readonly Fingerprint[]> {
  const folders = new Set(inputs.map((input) => dirname(input)))
  for (const input of inputs) if (basename(input).startsWith('index.')) folders.add(dirname(dirname(input)))
  const contents = new Set<string>()
  for (const folder of withAncestors(folders)) {
    for (const name of ['package.json', 'tsconfig.json', 'jsconfig.json']) contents.add(join(folder, name))
    for (const name of INSTALL_RECORDS) contents.add(join(folder, 'node_modules', name))
  }
  for (const config of await extendedConfigs([...contents])) contents.add(config)
  return Promise.all([
    ...[...contents].map((path) => fingerprint('content', path)),
    ...[...folders].map((path) => fingerprint('modules', path)),
    ...externals.map((path) => fingerprint('presence', path)),
  ])
}

function withAncestors(folders: Iterable<string>): ReadonlySet<string> {
  const all = new Set<string>()
  for (let folder of folders) {
    while (!all.has(folder)) {
      all.add(folder)
      folder = dirname(folder)
    }
  }
  return all
}

/** The chains of `extends`. Read leniently: comments are allowed in these files, and a name too many does no harm. */
async function extendedConfigs(paths: readonly string[]): Promise<ReadonlySet<string>> {
  const found = new Set<string>()
  const open = paths.filter((path) => basename(path) !== 'package.json' && extname(path) === '.json')
  for (let config = open.pop(); config !== undefined; config = open.pop()) {
    const text = await readFile(config, 'utf8').catch(() => '')
    const given = /"extends"\s*:\s*("[^"]*"|\[[^\]]*\])/.exec(text)?.[1] ?? ''
    for (const [, name = ''] of given.matchAll(/"([^"]*)"/g)) {
      for (const path of configPaths(name, config)) {
        if (found.has(path)) continue
        found.add(path)
        open.push(path)
      }
    }
  }
  return found
}

function configPaths(name: string, from: string): readonly string[] {
  if (/^\.{0,2}\//.test(name) || /^[A-Za-z]:/.test(name)) {
    const path = resolve(dirname(from), name)
    return extname(path) === '.json' ? [path] : [path, `${path}.json`]
  }
  const require = createRequire(from)
  for (const candidate of [name, `${name}.json`, `${name}/tsconfig.json`]) {
    try {
      return [require.resolve(candidate)]
    } catch {
      // Named in another way, or not installed: the bundler says so.
    }
  }
  return []
}
