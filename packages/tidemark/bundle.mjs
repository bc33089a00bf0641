// Makes the modules that are published out of the sources: a start then loads a dozen files instead of some two hundred. `npm run build` calls it after tsc.
// node bundle.mjs [folder to write to]
import { mkdir, readdir, readFile, rename, rm, utimes, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('.', import.meta.url))
const output = resolve(process.argv[2] ?? join(root, 'dist/bundled'))

const { outputFiles } = await build({
  absWorkingDir: root,
  entryPoints: {
    index: 'src/index.ts',
    connector: 'src/connector.ts',
    testing: 'src/testing/index.ts',
    cli: 'src/cli/main.ts',
    'worker-start': 'src/runtime/worker/worker-start.ts',
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
  write: false,
})

// Processes may be loading from here: what is the same stays, and what is new appears at once.
await mkdir(output, { recursive: true })
for (const { path, contents } of outputFiles) {
  const old = await readFile(path).catch(() => null)
  if (old?.equals(contents) === true) continue
  await writeFile(`${path}.tmp`, contents)
  await rename(`${path}.tmp`, path)
}
const written = new Set(outputFiles.map(({ path }) => path))
const stale = (await readdir(output)).map((name) => join(output, name)).filter((path) => !written.has(path))
await Promise.all(stale.map((path) => rm(path, { recursive: true, force: true })))
// bin/tidemark.js takes what is newest.
await utimes(join(output, 'cli.js'), new Date(), new Date())
