// Makes the modules that are published out of the sources: a start then loads a dozen files instead of some two hundred. `npm run build` calls it after tsc.
import { readdir, rm } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const OUTPUT = 'dist/bundled'
const root = fileURLToPath(new URL('.', import.meta.url))

const { metafile } = await build({
  absWorkingDir: root,
  entryPoints: {
    index: 'src/index.ts',
    connector: 'src/connector.ts',
    testing: 'src/testing/index.ts',
    cli: 'src/cli/main.ts',
    'worker-main': 'src/runtime/worker/worker-main.ts',
  },
  outdir: OUTPUT,
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

const written = new Set(Object.keys(metafile.outputs))
const present = await readdir(new URL(OUTPUT, import.meta.url))
await Promise.all(
  present
    .filter((name) => !written.has(`${OUTPUT}/${name}`))
    .map((name) => rm(new URL(`${OUTPUT}/${name}`, import.meta.url))),
)
