// `npm run build` calls it after tsc.
// node bundle.mjs [folder to write to]
import { utimes } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { writeBundle } from '../../scripts/write-bundle.mjs'

const root = fileURLToPath(new URL('.', import.meta.url))
const output = resolve(process.argv[2] ?? join(root, 'dist/bundled'))

await writeBundle({
  root,
  output,
  entryPoints: {
    index: 'src/index.ts',
    connector: 'src/connector.ts',
    testing: 'src/testing/index.ts',
    cli: 'src/cli/main.ts',
    'worker-start': 'src/runtime/worker/worker-start.ts',
  },
  external: ['esbuild'],
})
// bin/tidemark.js takes what is newest.
await utimes(join(output, 'cli.js'), new Date(), new Date())
