import { readFile } from 'node:fs/promises'
import { dirname, relative, sep } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Plugin } from 'esbuild'
import { sha256 } from './fingerprint.ts'

const NAMESPACE = 'tidemark-module'

/** Replaces what names a module's own place by names that `moduleIdentity` defines for each module. */
export const IDENTITY_DEFINES: Readonly<Record<string, string>> = {
  'import.meta.url': '__tidemark_url',
  'import.meta.dirname': '__tidemark_dirname',
  'import.meta.filename': '__tidemark_filename',
  'import.meta.resolve': '__tidemark_resolve',
  __dirname: '__tidemark_commonjs_dirname',
  __filename: '__tidemark_commonjs_filename',
}

/** Where a module says that it lies: JavaScript expressions. */
export interface Identity {
  readonly url: string
  readonly dirname: string
  readonly filename: string
}

/** Where it lies now. */
export function identityHere(path: string): Identity {
  return {
    url: JSON.stringify(pathToFileURL(path).href),
    dirname: JSON.stringify(dirname(path)),
    filename: JSON.stringify(path),
  }
}

/** What `identityBeside` refers to. */
export const BESIDE_BANNER = [
  `import { fileURLToPath as __tidemark_path } from 'node:url'`,
  `import { dirname as __tidemark_folder } from 'node:path'`,
  'const __tidemark_place = import.meta.url',
].join('; ')

/** Beside the bundle, wherever that lies, as it lies beside the job file; the job file is the bundle itself. */
export function identityBeside(entry: string): (path: string) => Identity {
  const folder = dirname(entry)
  return (path) => {
    const way = relative(folder, path).split(sep).map(encodeURIComponent).join('/')
    const url = path === entry ? '__tidemark_place' : `new URL(${JSON.stringify(way)}, __tidemark_place).href`
    const filename = `__tidemark_path(${url})`
    return { url, filename, dirname: `__tidemark_folder(${filename})` }
  }
}

/**
 * Every module keeps an `import.meta.url` (and `dirname`, `filename`, `resolve`, `__dirname`, `__filename`) of its own inside the bundle. Reports the hash of
 * each file as it was bundled.
 */
export function moduleIdentity(
  identityOf: (path: string) => Identity,
  onInput: (path: string, hash: string) => void,
): Plugin {
  return {
    name: 'tidemark-module-identity',
    setup(build) {
      build.onResolve({ filter: /^tidemark-module:/ }, ({ path }) => ({
        path: path.slice(NAMESPACE.length + 1),
        namespace: NAMESPACE,
      }))
      build.onLoad({ filter: /.*/, namespace: NAMESPACE }, ({ path }) => ({
        contents: exportsOf(identityOf(path)),
        loader: 'js',
      }))
      build.onLoad({ filter: /.*/, namespace: 'file' }, async ({ path }) => {
        const bytes = await readFile(path)
        onInput(path, sha256(bytes))
        const isCode = /\.(?:[cm]?[jt]s|[jt]sx)$/.test(path)
        const contents = isCode ? withIdentity(bytes.toString('utf8'), path, identityOf(path)) : bytes
        return { contents, loader: 'default' }
      })
    },
  }
}

function withIdentity(source: string, path: string, identity: Identity): string {
  let text = source
  if (/\b__(?:dirname|filename)\b/.test(text)) {
    const declaration = `var __tidemark_commonjs_dirname = ${identity.dirname}, __tidemark_commonjs_filename = ${identity.filename};`
    const start = text.startsWith('#!') ? text.indexOf('\n') + 1 : 0
    text = text.slice(0, start) + declaration + text.slice(start)
  }
  if (!/\bimport\s*\.\s*meta\b/.test(text)) return text
  // Imports are hoisted: at the end it moves no line and no column of the user's code.
  const names = ['url', 'dirname', 'filename', 'resolve'].map((name) => `${name} as __tidemark_${name}`).join(', ')
  return `${text}\nimport { ${names} } from ${JSON.stringify(`${NAMESPACE}:${path}`)}`
}

function exportsOf({ url, dirname: folder, filename }: Identity): string {
  return [
    `export const url = ${url}`,
    `export const dirname = ${folder}`,
    `export const filename = ${filename}`,
    // Through a variable, since the expression itself is what gets replaced.
    'const meta = import.meta',
    `export const resolve = (specifier) => /^\\.{0,2}\\//.test(specifier) ? new URL(specifier, url).href : meta.resolve(specifier)`,
  ].join('\n')
}
