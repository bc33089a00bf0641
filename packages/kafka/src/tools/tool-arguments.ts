import { TidemarkError } from 'tidemark/connector'

export interface ToolArguments {
  readonly action: 'list' | 'commit' | 'abort'
  readonly bootstrap: string
  readonly job: string | null
  readonly prefix: string | null
  readonly ids: readonly string[]
  readonly isAll: boolean
  readonly isForced: boolean
  readonly isJson: boolean
  readonly showsFinished: boolean
  readonly checkpointDir: string | null
  readonly isTls: boolean
  /** Files with PEM texts. */
  readonly ca: string | null
  readonly cert: string | null
  readonly key: string | null
  readonly saslMechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512' | null
  readonly saslUsername: string | null
}

export const TOOL_HELP = `Lists, commits or aborts the transactions of a job's Kafka sinks.

Usage: tidemark kafka transactions list|commit|abort --bootstrap HOST:PORT --job NAME [options]

  --bootstrap HOST:PORT   Brokers, comma separated.
  --job NAME              Sinks of this job, which have no transactionalIdPrefix of their own.
  --prefix PREFIX         The sink with this transactionalIdPrefix, instead.
  --id ID                 This transaction; may be given several times (commit, abort).
  --all                   All that are open (commit, abort).
  --force                 Commit what no checkpoint is known to hold; abort what one holds or may hold.
  --checkpoint-dir DIR    The job's checkpoint directory, to see which checkpoint holds what. [.tidemark/NAME]
  --finished              List also those that are committed or aborted.
  --json                  One JSON object per line.
  --tls                   Speak TLS; --ca FILE, --cert FILE and --key FILE give PEM files.
  --sasl-mechanism NAME   plain, scram-sha-256 or scram-sha-512, with --sasl-username NAME.

The password is read from KAFKA_PASSWORD, the passphrase of the key from KAFKA_KEY_PASSPHRASE: never from the command line, which others can see.

Stop the job first: a running job commits and aborts by itself, and starts anew when somebody else ends its transactions.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused.
`

const VALUES = [
  'bootstrap',
  'job',
  'prefix',
  'id',
  'checkpoint-dir',
  'ca',
  'cert',
  'key',
  'sasl-mechanism',
  'sasl-username',
] as const
const SWITCHES = ['all', 'force', 'json', 'finished', 'tls'] as const
const MECHANISMS = ['plain', 'scram-sha-256', 'scram-sha-512'] as const

/** Null: help is wanted. `INVALID_OPTION` when the arguments cannot be understood. */
export function parseToolArguments(argv: readonly string[]): ToolArguments | null {
  if (argv.length === 0 || argv.includes('--help') || argv.includes('-h')) return null
  const [topic, action, ...rest] = argv
  if (topic !== 'transactions')
    throw invalid(`unknown command kafka ${topic}`, 'There is: tidemark kafka transactions.')
  if (action !== 'list' && action !== 'commit' && action !== 'abort') {
    throw invalid(`kafka transactions does not know ${action ?? 'what to do'}`, 'Give list, commit or abort.')
  }
  const { values, switches } = readFlags(rest)
  const one = (name: (typeof VALUES)[number]) => values.get(name)?.at(-1) ?? null
  const bootstrap = one('bootstrap')
  const [job, prefix] = [one('job'), one('prefix')]
  if (bootstrap === null) throw invalid('no brokers are given', 'Give --bootstrap host:port.')
  if (job === null && prefix === null) throw invalid('no job is given', 'Give --job NAME, or --prefix of the sink.')
  const ids = values.get('id') ?? []
  const isAll = switches.has('all')
  if (action !== 'list' && ids.length === 0 && !isAll)
    throw invalid(`nothing to ${action} is given`, 'Give --id ID (see list), or --all.')
  const mechanism = one('sasl-mechanism')
  const saslMechanism = MECHANISMS.find((known) => known === mechanism) ?? null
  if (mechanism !== null && saslMechanism === null)
    throw invalid(`--sasl-mechanism is ${mechanism}`, `Give one of ${MECHANISMS.join(', ')}.`)
  const [ca, cert, key] = [one('ca'), one('cert'), one('key')]
  return {
    action,
    bootstrap,
    job,
    prefix,
    ids,
    isAll,
    isForced: switches.has('force'),
    isJson: switches.has('json'),
    showsFinished: switches.has('finished'),
    checkpointDir: one('checkpoint-dir') ?? (job === null ? null : `.tidemark/${job}`),
    isTls: switches.has('tls') || ca !== null || cert !== null,
    ca,
    cert,
    key,
    saslMechanism,
    saslUsername: one('sasl-username'),
  }
}

function readFlags(argv: readonly string[]) {
  const values = new Map<string, string[]>()
  const switches = new Set<string>()
  for (let index = 0; index < argv.length; index++) {
    const [, name = '', given] = /^--([^=]+)(?:=([^]*))?$/.exec(argv[index]!) ?? []
    if (SWITCHES.some((known) => known === name) && given === undefined) switches.add(name)
    else if (VALUES.some((known) => known === name)) {
      const value = given ?? argv[++index]
      if (value === undefined || value === '')
        throw invalid(`--${name} needs a value`, 'tidemark kafka --help shows all options.')
      values.set(name, [...(values.get(name) ?? []), value])
    } else throw invalid(`unknown option ${argv[index]}`, 'tidemark kafka --help shows all options.')
  }
  return { values, switches }
}

function invalid(message: string, action: string): TidemarkError {
  return new TidemarkError('INVALID_OPTION', message, { action })
}
