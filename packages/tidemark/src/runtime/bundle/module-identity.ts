import { readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
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

/**
 * Every module keeps its own `import.meta.url` (and `dirname`, `filename`, `resolve`, `__dirname`, `__filename`) inside the bundle. Reports the hash of
 * each file as it was bundled.
 */
export function moduleIdentity(onInput: (path: string, hash: string) => void): Plugin {
  return {
    name: 'tidemark-module-identity',
    setup(build) {
      build.onResolve({ filter: /^tidemark-module:/ }, ({ path }) => ({
        path: path.slice(NAMESPACE.length + 1),
        namespace: NAMESPACE,
      }))
      build.onLoad({ filter: /.*/, namespace: NAMESPACE }, ({ path }) => ({ contents: identityOf(path), loader: 'js' }))
      build.onLoad({ filter: /.*/, namespace: 'file' }, async ({ path }) => {
        const bytes = await readFile(path)
        onInput(path, sha256(bytes))
        const contents = /\.(?:[cm]?[jt]s|[jt]sx)$/.test(path) ? withIdentity(bytes.toString('utf8'), path) : bytes
        return { contents, loader: 'default' }
      })
    },
  }
}

function withIdentity(source: string, path: string): string {
  let text = source
  if (/\b__(?:dirname|filename)\b/.test(text)) {
    const declaration = `var __tidemark_commonjs_dirname = ${JSON.stringify(dirname(path))}, __tidemark_commonjs_filename = ${JSON.stringify(path)};`
    const start = text.startsWith('#!') ? text.indexOf('\n') + 1 : 0
    text = text.slice(0, start) + declaration + text.slice(start)
  }
  if (!/\bimport\s*\.\s*meta\b/.test(text)) return text
  // Imports are hoisted: at the end it moves no line and no column of the user's code.
  const names = ['url', 'dirname', 'filename', 'resolve'].map((name) => `${name} as __tidemark_${name}`).join(', ')
  return `${text}\nimport { ${names} } from ${JSON.stringify(`${NAMESPACE}:${path}`)}`
}

function identityOf(path: string): string {
  return [
    `export const url = ${JSON.stringify(pathToFileURL(path).href)}`,
    `export const dirname = ${JSON.stringify(dirname(path))}`,
    `export const filename = ${JSON.stringify(path)}`,
    // Through a variable, since the expression itself is what gets replaced.
    'const meta = import.meta',
    `export const resolve = (specifier) => /^\\.{0,2}\\//.test(specifier) ? new URL(specifier, url).href : meta.resolve(specifier)`,
  ].join('\n')
}
