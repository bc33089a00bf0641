// `npm run build` calls it after tsc.
// node bundle.mjs [folder to write to]
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { writeBundle } from '../../scripts/write-bundle.mjs'

const root = fileURLToPath(new URL('.', import.meta.url))

await writeBundle({
  root,
  output: resolve(process.argv[2] ?? join(root, 'dist/bundled')),
  entryPoints: { index: 'src/index.ts', tools: 'src/tools/index.ts' },
  external: ['tidemark'],
})
