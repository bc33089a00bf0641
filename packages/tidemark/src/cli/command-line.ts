import { isTidemarkError, TidemarkError } from '../core/errors.ts'
import { type ExecutionOptions, resolveOptions } from '../core/options.ts'
import { asExecutionOption, BUILD_TABLE, type Flag, readOption, RUN_FLAGS, type RunOptionName } from './flags.ts'
import { argumentsAsAssignments, type Assignment, readAssignment } from './parameters.ts'
import { suggest } from './suggest.ts'

export interface RunCommand {
  readonly kind: 'run'
  /** The job file, as given. */
  readonly file: string
  readonly execution: ExecutionOptions
  readonly from: string | null
  readonly isFresh: boolean
  readonly allowsDuplicates: boolean
  /** From `--set`: always for the job's schema. */
  readonly settings: readonly Assignment[]
  /** Everything after `--`. */
  readonly jobArguments: readonly string[]
  /** What of it reads as parameters: for jobs that have a schema. */
  readonly argumentSettings: readonly Assignment[]
  readonly isJson: boolean
  readonly isVerbose: boolean
  /** null: as the terminal is. */
  readonly isLive: boolean | null
}

export interface BuildCommand {
  readonly kind: 'build'
  /** The job file, as given. */
  readonly file: string
  /** The folder to write to, as given. */
  readonly out: string
}

export type HelpTopic = 'all' | 'run' | 'build'

export type Command =
  | RunCommand
  | BuildCommand
  /** Done by the connector, which knows its own arguments. */
  | { readonly kind: 'kafka'; readonly argv: readonly string[] }
  | { readonly kind: 'help'; readonly topic: HelpTopic }
  | { readonly kind: 'version' }

const COMMANDS = ['run', 'build', 'kafka', 'help', 'version'] as const

/** What a command line asks for; `INVALID_OPTION` when it cannot be understood. Reads nothing but its arguments. */
export function parseCommandLine(argv: readonly string[]): Command {
  const [first, ...rest] = argv
  switch (first) {
    case undefined:
    case '--help':
    case '-h':
      return { kind: 'help', topic: 'all' }
    case 'help':
      if (rest[0] === 'kafka') return { kind: 'kafka', argv: ['--help'] }
      return { kind: 'help', topic: rest[0] === 'run' || rest[0] === 'build' ? rest[0] : 'all' }
    case '--version':
    case '-V':
    case 'version':
      return { kind: 'version' }
    case 'run':
      return parseRun(rest)
    case 'build':
      return parseBuild(rest)
    case 'kafka':
      return { kind: 'kafka', argv: rest }
    default:
      throw unknownCommand(first)
  }
}

function parseBuild(argv: readonly string[]): Command {
  if (argv.includes('--help') || argv.includes('-h')) return { kind: 'help', topic: 'build' }
  let file: string | null = null
  let out = BUILD_TABLE.out.default as string
  for (let index = 0; index < argv.length; index++) {
    const [, name = '', given] = /^([^=]*)(?:=([^]*))?$/.exec(argv[index]!) ?? []
    if (!name.startsWith('-')) {
      if (file !== null)
        throw invalid(
          `unexpected argument ${JSON.stringify(argv[index])}: the job file is ${file}`,
          'Build one file at a time.',
        )
      file = argv[index]!
    } else if (name === BUILD_TABLE.out.flag) {
      const value = given ?? argv[++index]
      if (value === undefined || value === '' || (given === undefined && value.startsWith('--')))
        throw invalid(`${name} needs a value`, `Give ${name} ${BUILD_TABLE.out.value}.`)
      out = value
    } else
      throw invalid(
        `unknown option ${name}`,
        advice(suggest(name, ['--out']), 'tidemark build --help lists all options.'),
      )
  }
  if (file === null) throw invalid('no job file is given', 'Give one: tidemark build JOB.ts')
  return { kind: 'build', file, out }
}

/** What has been read so far. */
interface Draft {
  file: string | null
  execution: ExecutionOptions
  readonly settings: Assignment[]
  readonly switches: Map<RunOptionName, string>
}

function parseRun(argv: readonly string[]): Command {
  const split = argv.indexOf('--')
  const own = split === -1 ? argv : argv.slice(0, split)
  const jobArguments = split === -1 ? [] : argv.slice(split + 1)
  if (own.includes('--help') || own.includes('-h')) return { kind: 'help', topic: 'run' }
  const draft: Draft = { file: null, execution: {}, settings: [], switches: new Map() }
  for (let index = 0; index < own.length;) index = readArgument(own, index, draft)
  if (draft.file === null) throw invalid('no job file is given', 'Give one: tidemark run JOB.ts')
  checkTogether(draft.execution)
  const { switches } = draft
  if (switches.has('from') && isOn(switches, 'fresh')) {
    throw invalid(
      'both --from and --fresh are given',
      'Give --from to start from a checkpoint, or --fresh to start without state.',
    )
  }
  return {
    kind: 'run',
    file: draft.file,
    execution: draft.execution,
    from: switches.get('from') ?? null,
    isFresh: isOn(switches, 'fresh'),
    allowsDuplicates: isOn(switches, 'allowDuplicates'),
    settings: draft.settings,
    jobArguments,
    argumentSettings: argumentsAsAssignments(jobArguments),
    isJson: isOn(switches, 'json'),
    isVerbose: isOn(switches, 'verbose'),
    isLive: switches.has('live') ? isOn(switches, 'live') : null,
  }
}

/** Reads the argument at `index`, with its value; returns the index of the next one. */
function readArgument(argv: readonly string[], index: number, draft: Draft): number {
  const argument = argv[index]!
  if (!argument.startsWith('-') || argument === '-') {
    if (draft.file !== null) {
      throw invalid(
        `unexpected argument ${JSON.stringify(argument)}: the job file is ${draft.file}`,
        'Put arguments for the job after --.',
      )
    }
    draft.file = argument
    return index + 1
  }
  const [, name = '', given] = /^([^=]*)(?:=([^]*))?$/.exec(argument) ?? []
  const { flag, isNegated } = findFlag(name)
  if (flag.row.value === '') {
    const text = given ?? 'true'
    if (text !== 'true' && text !== 'false')
      throw invalid(`${name} is ${JSON.stringify(text)}`, `Give ${name} alone, or ${name}=true or ${name}=false.`)
    apply(flag, String((text === 'true') !== isNegated), draft)
    return index + 1
  }
  const value = given ?? argv[index + 1]
  if (value === undefined || (given === undefined && value.startsWith('--')))
    throw invalid(`${name} needs a value`, `Give ${name} ${flag.row.value}.`)
  apply(flag, value, draft)
  const next = index + (given === undefined ? 2 : 1)
  return flag.target.name === 'set' ? readMoreSettings(argv, next, draft) : next
}

/** `--set a=1 b=2`: whatever follows and reads as an assignment is one. */
function readMoreSettings(argv: readonly string[], start: number, draft: Draft): number {
  let index = start
  for (; index < argv.length && /^[\p{L}_$][\p{L}\p{N}_$.-]*=/u.test(argv[index]!); index++)
    draft.settings.push(readAssignment(argv[index]!))
  return index
}

function findFlag(name: string): { readonly flag: Flag; readonly isNegated: boolean } {
  const flag = RUN_FLAGS.get(name)
  if (flag !== undefined) return { flag, isNegated: false }
  const negated = name.startsWith('--no-') ? RUN_FLAGS.get(`--${name.slice('--no-'.length)}`) : undefined
  if (negated?.row.value === '') return { flag: negated, isNegated: true }
  throw invalid(
    `unknown option ${name}`,
    advice(suggest(name, [...RUN_FLAGS.keys()]), 'tidemark run --help lists all options.'),
  )
}

function apply({ row, target }: Flag, text: string, draft: Draft): void {
  if (target.kind === 'run') {
    if (target.name === 'set') draft.settings.push(readAssignment(text))
    else draft.switches.set(target.name, text)
    return
  }
  if (row.value !== '' && text === '') throw invalid(`${row.flag} is empty`, `Give ${row.flag} ${row.value}.`)
  const option = asExecutionOption(target.name, readOption(row, text))
  // Alone, so that the error names the flag; how options fit together is checked at the end.
  if (target.name !== 'parallelism') checkOption(row.flag, text, option)
  draft.execution = { ...draft.execution, ...option }
}

function checkOption(flag: string, text: string, option: ExecutionOptions): void {
  try {
    resolveOptions(option)
  } catch (error) {
    if (!isTidemarkError(error)) throw error
    throw invalid(`${flag} is ${JSON.stringify(text)}`, error.action ?? 'Give another value.')
  }
}

function checkTogether(execution: ExecutionOptions): void {
  const { parallelism } = execution
  if (parallelism === undefined) return
  const { maxParallelism } = execution
  checkOption('--parallelism', String(parallelism), {
    parallelism,
    ...(maxParallelism === undefined ? {} : { maxParallelism }),
  })
}

function isOn(switches: ReadonlyMap<RunOptionName, string>, name: RunOptionName): boolean {
  return switches.get(name) === 'true'
}

function unknownCommand(given: string): TidemarkError {
  if (/\.[cm]?[jt]sx?$/.test(given)) return invalid(`unknown command ${given}`, `To run a job: tidemark run ${given}`)
  const nearest = suggest(given, COMMANDS)
  return invalid(
    `unknown ${given.startsWith('-') ? 'option' : 'command'} ${given}`,
    advice(nearest, 'tidemark --help lists all commands.'),
  )
}

function advice(nearest: readonly string[], otherwise: string): string {
  return nearest.length === 0 ? otherwise : `Did you mean ${nearest.join(' or ')}? ${otherwise}`
}

function invalid(message: string, action: string): TidemarkError {
  return new TidemarkError('INVALID_OPTION', message, { action })
}
