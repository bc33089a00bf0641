import { OPTION_TABLE, type OptionRow } from '../core/options.ts'
import { BUILD_TABLE, RUN_TABLE } from './flags.ts'

const WIDTH = 100

export function generalHelp(): string {
  return `Runs stream processing jobs with exactly-once checkpoints.

Usage: tidemark <command>

Commands:
  run JOB.ts      Run a job; after a crash the same command goes on, exactly once.
  build JOB.ts    Write a job as one module that runs elsewhere, without its sources.
  kafka …         List, commit or abort transactions of Kafka sinks (needs @tidemark/kafka).
  help [COMMAND]  Show this, or the options of a command.
  version         Show the version.
`
}

/** Made from the tables of options. */
export function runHelp(): string {
  return `Runs the job that a TypeScript or JavaScript file exports by default.

Usage: tidemark run JOB.ts [options] [-- arguments for the job]

Starting:
${section([RUN_TABLE.from, RUN_TABLE.fresh, RUN_TABLE.allowDuplicates, RUN_TABLE.set])}
Execution:
${section(Object.values(OPTION_TABLE))}
Output:
${section([RUN_TABLE.json, RUN_TABLE.live, RUN_TABLE.verbose, RUN_TABLE.help])}
${paragraph('TIME is a number with a unit (500ms, 10s, 1m, 2h, 1d) or milliseconds. Names may also be written as Flink writes them (EXACTLY_ONCE).')}

${paragraph('Arguments after -- are seen by the job in process.argv.slice(2). If it has a schema of parameters, --name value there sets the parameter name, as --set name=value does.')}

${paragraph('Ctrl-C or SIGTERM once suspends the job: the same command goes on later. Twice quits at once, which loses nothing either.')}

Exit codes: 0 finished, 1 failed, 2 wrong usage or job file, 3 refused, 4 cancelled, 75 suspended.
`
}

export function buildHelp(): string {
  return `Writes a job with all code of its project as one module, for production.

Usage: tidemark build JOB.ts [options]

${section(Object.values(BUILD_TABLE))}
${paragraph('tidemark run runs what was written as it runs the job file, also somewhere else, and goes on from the checkpoints of either. What is installed under node_modules stays outside: install it where the job will run, from the package.json in the folder. Neither the sources nor esbuild are needed there.')}

Exit codes: 0 written, 2 the job file cannot be built.
`
}

function section(rows: readonly OptionRow[]): string {
  const heads = rows.map(({ flag, value }) => `  ${flag}${value === '' ? '' : ` ${value}`}`)
  const indent = Math.min(38, Math.max(...heads.map((head) => head.length)) + 2)
  return rows.map((row, index) => entry(heads[index]!, describe(row), indent)).join('')
}

function describe(row: OptionRow): string {
  return row.default === '' ? row.help : `${row.help} [${row.default}]`
}

function entry(head: string, text: string, indent: number): string {
  const lines = wrap(text, WIDTH - indent)
  const first = head.length + 2 > indent ? `${head}\n${' '.repeat(indent)}` : head.padEnd(indent)
  return `${first}${lines.join(`\n${' '.repeat(indent)}`)}\n`
}

function paragraph(text: string): string {
  return wrap(text, WIDTH).join('\n')
}

function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines
}
