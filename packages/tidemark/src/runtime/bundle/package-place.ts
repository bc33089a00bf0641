import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join, sep } from 'node:path'

/** A package that is installed somewhere. */
export interface PackagePlace {
  /** What it is imported by: the name of its folder. */
  readonly name: string
  readonly folder: string
}

/** The package under node_modules that a file belongs to. */
export function packageOf(path: string): PackagePlace | null {
  const parts = path.split(sep)
  const modules = parts.lastIndexOf('node_modules')
  if (modules === -1) return null
  const [scope = '', inner = ''] = parts.slice(modules + 1)
  const isScoped = scope.startsWith('@')
  const end = modules + (isScoped ? 3 : 2)
  if (parts.length < end) return null
  return { name: isScoped ? `${scope}/${inner}` : scope, folder: parts.slice(0, end).join(sep) }
}

/** What a manifest says: the version, and the name under which the package was published. */
export interface PackageVersion {
  readonly publishedAs: string
  readonly version: string
}

export async function versionIn(folder: string): Promise<PackageVersion | null> {
  try {
    const manifest = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as Record<string, unknown>
    const { name, version } = manifest
    return typeof name === 'string' && typeof version === 'string' ? { publishedAs: name, version } : null
  } catch {
    return null
  }
}

/** What a package.json says of such a dependency. */
export function dependencyOn(name: string, { publishedAs, version }: PackageVersion): string {
  return publishedAs === name ? version : `npm:${publishedAs}@${version}`
}

/** The version of a package that a file would get by importing it; null when it is not installed there. */
export async function installedVersion(name: string, importer: string): Promise<PackageVersion | null> {
  for (const modules of createRequire(importer).resolve.paths(name) ?? []) {
    const version = await versionIn(join(modules, ...name.split('/')))
    if (version !== null) return version
  }
  return null
}
