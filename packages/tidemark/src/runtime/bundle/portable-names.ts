import type { OnResolveResult } from 'esbuild'
import { packageNameOf } from './bundler.ts'
import type { Outside, OutsideNames } from './installed-packages.ts'
import { resolveOwn } from './own-package.ts'
import { packageOf, type PackageVersion, versionIn } from './package-place.ts'

interface Named extends PackageVersion {
  readonly folder: string
  readonly importer: string
}

/**
 * Names what stays outside a bundle as its importers did: by the name of the package, to be found wherever the bundle is run. What could not be found there, or not
 * by all its importers, is refused.
 */
export class PortableNames implements OutsideNames {
  /** Every package that stays outside, by the name that it is imported by; tidemark aside. */
  readonly packages = new Map<string, Named>()

  async installed({ specifier, importer, path, suffix }: Outside): Promise<OnResolveResult> {
    const found = packageOf(path)
    if (found === null) {
      return refusal(
        `"${specifier}" is a native addon of the project: it cannot be part of the bundle`,
        `It is ${path}. Put it into a package of its own and install that, here and where the job will run.`,
      )
    }
    const { name, folder } = found
    if (packageNameOf(specifier) !== name) {
      return refusal(
        `"${specifier}" leads into the package ${name}, but does not name it`,
        `Where the job will run there is only the name. Import it as "${name}" or "${name}/…".`,
      )
    }
    const version = await versionIn(folder)
    if (version === null)
      return refusal(`${folder} has no package.json with a name and a version`, `Install ${name} again.`)
    const other = this.packages.get(name)
    if (other !== undefined && (other.version !== version.version || other.publishedAs !== version.publishedAs)) {
      return refusal(
        `"${specifier}" is ${name} ${version.version} here, but ${other.version} for ${other.importer}`,
        `Where the job will run there can be one of them. They are ${other.folder} and ${folder}: let all packages of the project depend on the same version.`,
      )
    }
    this.packages.set(name, { ...version, folder, importer })
    return { path: specifier + suffix, external: true }
  }

  own(specifier: string): OnResolveResult {
    try {
      resolveOwn(specifier)
      return { path: specifier, external: true }
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      return { errors: [{ text: `Could not resolve "${specifier}": ${reason}` }] }
    }
  }
}

function refusal(text: string, advice: string): OnResolveResult {
  return { errors: [{ text, notes: [{ text: advice }] }] }
}
