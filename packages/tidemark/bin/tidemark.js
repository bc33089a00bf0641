#!/usr/bin/env node
import { statSync } from 'node:fs'
import module from 'node:module'
import { fileURLToPath } from 'node:url'

const bundled = new URL('../dist/bundled/cli.js', import.meta.url)
const compiled = new URL('../dist/cli/main.js', import.meta.url)
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)

function writtenAt(file) {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0
}

/** The published package has only the bundled program. A checkout may have compiled since it was made. */
function newestProgram() {
  const bundledAt = writtenAt(bundled)
  const compiledAt = writtenAt(new URL('../dist/.tsbuildinfo', import.meta.url))
  if (bundledAt > 0 && bundledAt >= compiledAt) return bundled
  return writtenAt(compiled) > 0 ? compiled : null
}

// Node 22.1 and later keep what was compiled, in the place that NODE_COMPILE_CACHE names or in the system's temporary folder.
module.enableCompileCache?.()
// So that stack traces show the lines of the user's own files.
process.setSourceMapsEnabled(true)

const program = newestProgram()
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`tidemark needs Node.js 20.19 or later; this is ${process.version}`)
  process.exitCode = 2
} else if (program !== null) {
  const { start } = await import(program.href)
  await start()
} else {
  console.error(`tidemark is not built: ${fileURLToPath(bundled)} is missing.\nIn a checkout, run: npm run build`)
  process.exitCode = 2
}
