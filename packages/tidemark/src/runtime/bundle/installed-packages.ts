import { isBuiltin } from 'node:module'
import { extname, sep } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { ImportKind, OnResolveResult, Plugin } from 'esbuild'
import { isOwnSpecifier, resolveOwn } from './own-package.ts'

/** Marks a question that this plugin asks the bundler itself. */
const ASKED_HERE = Symbol('asked here')

/** What Node loads by itself. JSON needs import attributes there, and TypeScript is refused under node_modules: such files go into the bundle. */
const LOADED_BY_NODE: ReadonlySet<string> = new Set(['.js', '.mjs', '.cjs', '.node', '.wasm', ''])

/** A file that stays outside of the bundle, and how it was asked for. */
export interface Outside {
  readonly specifier: string
  readonly importer: string
  readonly kind: ImportKind
  readonly path: string
  readonly suffix: string
}

/** How a bundle names what stays outside. */
export interface OutsideNames {
  /** What is installed under node_modules, and native addons. */
  installed(found: Outside): OnResolveResult | Promise<OnResolveResult>
  /** `tidemark` and `tidemark/…`. */
  own(specifier: string, kind: ImportKind): OnResolveResult
}

/** Leaves what really lies under node_modules outside the bundle; workspace packages, which are only linked there, go inside. */
export function installedPackages(names: OutsideNames): Plugin {
  return {
    name: 'tidemark-installed-packages',
    setup(build) {
      build.onResolve({ filter: /.*/ }, async (question): Promise<OnResolveResult | undefined> => {
        const { path, kind, importer, resolveDir, namespace } = question
        if (question.pluginData === ASKED_HERE || kind === 'entry-point' || namespace !== 'file') return undefined
        if (isBuiltin(path)) return { path, external: true }
        if (isOwnSpecifier(path)) return names.own(path, kind)
        const found = await build.resolve(path, { importer, resolveDir, namespace, kind, pluginData: ASKED_HERE })
        // Not found: asked again without us, the bundler words the error and knows whether it may be ignored.
        if (found.errors.length > 0 || found.external || found.namespace !== 'file') return undefined
        if (extname(found.path) === '.node' || isInstalled(found.path))
          return names.installed({ specifier: path, importer, kind, path: found.path, suffix: found.suffix })
        return undefined
      })
    },
  }
}

export function isInstalled(path: string): boolean {
  return isUnderModules(path) && LOADED_BY_NODE.has(extname(path))
}

export function isUnderModules(path: string): boolean {
  return path.split(sep).includes('node_modules')
}

/** Named by its absolute path, so that the bundle may lie anywhere and every importer gets the version that it would have got by itself. */
export function byPlace({ path, kind, suffix }: Pick<Outside, 'path' | 'kind' | 'suffix'>): OnResolveResult {
  const isRequired = kind === 'require-call' || kind === 'require-resolve'
  return { path: isRequired ? path : pathToFileURL(path).href + suffix, external: true }
}

/** Always this copy: the job's values and the engine then agree, also when the job file lies outside of any package. */
export function resolveOwnCopy(specifier: string, kind: ImportKind): OnResolveResult {
  try {
    return byPlace({ path: resolveOwn(specifier), kind, suffix: '' })
  } catch (error) {
    return {
      errors: [{ text: `Could not resolve "${specifier}": ${error instanceof Error ? error.message : String(error)}` }],
    }
  }
}
