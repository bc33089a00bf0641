import { existsSync, realpathSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { assert } from '../../core/errors.ts'

interface OwnManifest {
  readonly name: string
  readonly version: string
  readonly exports: Readonly<Record<string, string | { readonly default: string; readonly types: string }>>
}

const manifestPath = realpathSync(createRequire(import.meta.url).resolve('tidemark/package.json'))
const manifest = createRequire(import.meta.url)(manifestPath) as OwnManifest
assert(manifest.name === 'tidemark', 'the package resolves its own name to itself')

/** The folder of this copy of the package, as a real path. */
export const OWN_PACKAGE = dirname(manifestPath)

export const OWN_VERSION = manifest.version

/** Whether this is the copy that gets published, in few files. In a checkout there is the one that the compiler alone wrote, too. */
const isBundled = dirname(realpathSync(fileURLToPath(import.meta.url))) === join(OWN_PACKAGE, 'dist', 'bundled')

export function isOwnSpecifier(specifier: string): boolean {
  return specifier === 'tidemark' || specifier.startsWith('tidemark/')
}

/**
 * The built file that `tidemark` or `tidemark/…` means in this copy of the package; throws when there is none. Not by Node's resolution: under the
 * condition that development uses it gives sources, which Node does not load.
 */
export function resolveOwn(specifier: string): string {
  const target = manifest.exports[`.${specifier.slice('tidemark'.length)}`]
  if (target === undefined) {
    const all = Object.keys(manifest.exports).map((subpath) => `tidemark${subpath.slice(1)}`)
    throw new Error(`the package has only ${all.join(', ')}`)
  }
  const path = join(OWN_PACKAGE, fileOf(target))
  if (!existsSync(path)) throw new Error(`${path} is missing: the package is not built`)
  return path
}

function fileOf(target: OwnManifest['exports'][string]): string {
  if (typeof target === 'string') return target
  return isBundled ? target.default : target.types.replace(/\.d\.ts$/, '.js')
}
