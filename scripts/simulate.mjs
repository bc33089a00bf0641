// Bundles the simulator with its jobs from the sources as they are and runs it: node scripts/simulate.mjs --help
import { mkdirSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { build } from 'esbuild'

const outfile = new URL('../node_modules/.cache/simulation/command.mjs', import.meta.url).pathname
mkdirSync(new URL('.', pathToFileURL(outfile)), { recursive: true })
await build({
  entryPoints: [new URL('../test/simulation/command.ts', import.meta.url).pathname],
  bundle: true,
  platform: 'node',
  format: 'esm',
  sourcemap: 'inline',
  outfile,
  conditions: ['@tidemark/source'],
  external: ['esbuild'],
  logLevel: 'warning',
})
process.setSourceMapsEnabled(true)
await import(pathToFileURL(outfile).href)
