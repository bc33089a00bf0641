// Bundles a TypeScript program of this checkout from the sources as they are and runs it:
// node scripts/bundle-and-run.mjs test/simulation/command.ts --seeds 100
import { basename } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'

const [, , entry, ...rest] = process.argv
const root = new URL('..', import.meta.url)
const outfile = fileURLToPath(new URL(`node_modules/.cache/programs/${basename(entry, '.ts')}.mjs`, root))
await build({
  entryPoints: [fileURLToPath(new URL(entry, root))],
  bundle: true,
  platform: 'node',
  format: 'esm',
  sourcemap: 'inline',
  outfile,
  conditions: ['@tidemark/source'],
  external: ['esbuild'],
  logLevel: 'warning',
})
// Stacks that point into the sources cost a fifth of the time when many errors are made: for replays, not for long runs.
if (!rest.includes('--seeds')) process.setSourceMapsEnabled(true)
process.argv.splice(1, process.argv.length, outfile, ...rest)
await import(pathToFileURL(outfile).href)
