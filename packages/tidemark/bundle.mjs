// Makes the modules that are published out of the sources: a start then loads a dozen files instead of some two hundred. `npm run build` calls it after tsc.
// node bundle.mjs [folder to write to]
import { readdir, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('.', import.meta.url))
const output = resolve(process.argv[2] ?? join(root, 'dist/bundled'))

const { metafile } = await build({
  absWorkingDir: root,
  entryPoints: {
    index: 'src/index.ts',
    connector: 'src/connector.ts',
    testing: 'src/testing/index.ts',
    cli: 'src/cli/main.ts',
    'worker-main': 'src/runtime/worker/worker-main.ts',
  },
  outdir: output,
  bundle: true,
  // What several entries need exists once: a class, a symbol is the same whichever way it came.
  splitting: true,
  chunkNames: '[name]-[hash]',
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  external: ['esbuild'],
  conditions: [],
  charset: 'utf8',
  // None: Node would read and parse them at every start. The code stays readable, with its names.
  sourcemap: false,
  logLevel: 'warning',
  metafile: true,
})

const written = new Set(Object.keys(metafile.outputs).map((path) => resolve(root, path)))
const old = (await readdir(output)).map((name) => join(output, name)).filter((path) => !written.has(path))
await Promise.all(old.map((path) => rm(path, { recursive: true })))
