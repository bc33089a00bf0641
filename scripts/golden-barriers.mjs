// Replays a file of barrier vectors through the barrier handlers: see test/golden/README.md.
// Runs the sources as they are now, without a build.
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const entry = fileURLToPath(new URL('../packages/tidemark/src/testing/barrier-vectors/command.ts', import.meta.url))
const options = { bundle: true, platform: 'node', format: 'esm', target: 'node20', write: false, logLevel: 'error' }
const { outputFiles } = await build({ entryPoints: [entry], ...options })
const { replayFile } = await import(
  `data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString('base64')}`
)

const output = { out: (line) => console.log(line), error: (line) => console.error(line) }
// npm runs scripts in the project's folder; a relative path means the folder where the command was typed.
process.exitCode = replayFile(process.argv.slice(2), process.env.INIT_CWD ?? process.cwd(), output)
