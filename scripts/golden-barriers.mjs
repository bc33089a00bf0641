// Replays a file of barrier vectors through the barrier handlers: see test/golden/README.md.
import { replayFile } from '../packages/tidemark/dist/testing/barrier-vectors/command.js'

const output = { out: (line) => console.log(line), error: (line) => console.error(line) }
// npm runs scripts in the package's folder; a relative path means the folder where the command was typed.
process.exitCode = replayFile(process.argv.slice(2), process.env.INIT_CWD ?? process.cwd(), output)
