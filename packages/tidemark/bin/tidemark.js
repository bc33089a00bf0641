#!/usr/bin/env node
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

// So that stack traces show the lines of the user's own files.
process.setSourceMapsEnabled(true)

const main = new URL('../dist/cli/main.js', import.meta.url)
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)

if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`tidemark needs Node.js 20.19 or later; this is ${process.version}`)
  process.exitCode = 2
} else if (existsSync(main)) {
  const { start } = await import(main.href)
  await start()
} else {
  console.error(`tidemark is not built: ${fileURLToPath(main)} is missing.\nIn a checkout, run: npm run build`)
  process.exitCode = 2
}
