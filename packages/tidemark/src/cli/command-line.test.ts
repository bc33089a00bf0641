import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isTidemarkError } from '../core/errors.ts'
import { type ExecutionOptions, OPTION_TABLE } from '../core/options.ts'
import { parseCommandLine, type RunCommand } from './command-line.ts'
import { type ExecutionOptionName, RUN_FLAGS } from './flags.ts'
import { buildHelp, generalHelp, runHelp } from './help.ts'

function parseRun(...argv: readonly string[]): RunCommand {
  const command = parseCommandLine(['run', ...argv])
  if (command.kind !== 'run') throw new Error(`got ${command.kind}`)
  return command
}

function refusal(...argv: readonly string[]): string {
  try {
    parseCommandLine(argv)
  } catch (error) {
    if (isTidemarkError(error)) return `${error.code} ${error.message}. ${error.action}`
    throw error
  }
  throw new Error('nothing was thrown')
}

const names = fc.constantFrom
const counts = fc.integer({ min: 1, max: 100 })
const durations = fc.oneof(
  fc.integer({ min: 1, max: 100_000 }),
  fc.tuple(fc.integer({ min: 1, max: 99 }), names('ms', 's', 'm', 'h', 'd')).map(([n, unit]) => `${n}${unit}`),
)

/** One arbitrary for every row: a new row without one does not compile. */
const VALUES: Readonly<Record<ExecutionOptionName, fc.Arbitrary<unknown>>> = {
  parallelism: counts,
  maxParallelism: fc.integer({ min: 100, max: 32_768 }),
  workers: fc.integer({ min: 0, max: 100 }),
  checkpointMode: names('exactly-once', 'at-least-once', 'EXACTLY_ONCE', 'AT_LEAST_ONCE'),
  checkpointInterval: fc.oneof(durations, fc.constant('disabled')),
  checkpointTimeout: durations,
  minPauseBetweenCheckpoints: durations,
  maxConcurrentCheckpoints: counts,
  tolerableCheckpointFailureNumber: counts,
  externalizedCheckpointCleanup: names(
    'retain-on-cancellation',
    'DELETE_ON_CANCELLATION',
    'no-externalized-checkpoints',
  ),
  checkpointsRetained: counts,
  checkpointDir: fc.string({ minLength: 1 }).filter((text) => !text.startsWith('--')),
  taskCancellationTimeout: fc.oneof(durations, fc.constant('disabled')),
  restartStrategy: names('none', 'fixed-delay', 'FAILURE_RATE', 'exponential-delay'),
  channelCapacity: counts,
  batchSize: counts,
  development: fc.boolean(),
}

describe('tidemark run', () => {
  test('reads back every execution option, in both spellings and any order', () => {
    const options = fc.record(VALUES, { requiredKeys: [] }) as fc.Arbitrary<ExecutionOptions>
    const place = fc.nat({ max: 20 })
    fc.assert(
      fc.property(options, fc.boolean(), place, (given, isJoined, filePlace) => {
        const groups = Object.entries(given).map(([name, value]) => {
          const { flag } = OPTION_TABLE[name as ExecutionOptionName]
          return isJoined || typeof value === 'boolean' ? [`${flag}=${String(value)}`] : [flag, String(value)]
        })
        groups.splice(filePlace % (groups.length + 1), 0, ['job.ts'])
        const command = parseRun(...groups.flat())
        expect(command.file).toBe('job.ts')
        expect(command.execution).toEqual(given)
      }),
    )
  })

  test('hands on everything after -- unread', () => {
    fc.assert(
      fc.property(fc.array(fc.string()), (rest) => {
        const safe = rest.filter((argument) => !/^--(?:=|$|[^=]*(?:\.\.|\.$|__proto__)|[^=]*\.=|\.)/.test(argument))
        expect(parseRun('job.ts', '--', ...safe).jobArguments).toEqual(safe)
      }),
    )
  })

  test.each([
    [['a.ts', '--set', 'a=1'], [['a', '1']]],
    [
      ['a.ts', '--set', 'a=1', 'b=x=y', '--set=c=', 'd=4'],
      [
        ['a', '1'],
        ['b', 'x=y'],
        ['c', ''],
        ['d', '4'],
      ],
    ],
    [['--set', 'deep.er=1', 'a.ts'], [['deep.er', '1']]],
  ])('reads settings: %j', (argv, expected) => {
    expect(parseRun(...argv).settings.map(({ path, text }) => [path.join('.'), text])).toEqual(expected)
  })

  test('takes the last of options that are given twice', () => {
    expect(parseRun('job.ts', '--parallelism', '2', '--parallelism=4').execution).toEqual({ parallelism: 4 })
    expect(parseRun('job.ts', '--live', '--no-live').isLive).toBe(false)
    expect(parseRun('job.ts').isLive).toBe(null)
  })

  test('takes parallelism above the default limit together with a higher limit', () => {
    expect(parseRun('job.ts', '--parallelism', '200', '--max-parallelism', '256').execution.parallelism).toBe(200)
    expect(refusal('run', 'job.ts', '--parallelism', '200')).toMatch(/--parallelism is "200".*from 1 to 128/)
  })

  test.each([
    [['run'], /no job file/],
    [['run', 'a.ts', 'b.ts'], /unexpected argument "b\.ts": the job file is a\.ts.*after --/],
    [['run', 'a.ts', '--paralelism', '2'], /unknown option --paralelism\. Did you mean --parallelism/],
    [['run', 'a.ts', '--interval', '2'], /--checkpoint-interval/],
    [['run', 'a.ts', '--zzz'], /unknown option --zzz\. tidemark run --help/],
    [['run', 'a.ts', '-p', '2'], /unknown option -p/],
    [['run', 'a.ts', '--no-parallelism'], /unknown option --no-parallelism/],
    [['run', 'a.ts', '--parallelism'], /--parallelism needs a value/],
    [['run', 'a.ts', '--from', '--fresh'], /--from needs a value/],
    [['run', 'a.ts', '--parallelism', 'two'], /--parallelism is "two"/],
    [['run', 'a.ts', '--parallelism', '0'], /--parallelism is "0"/],
    [['run', 'a.ts', '--checkpoint-interval', '5 parsecs'], /--checkpoint-interval is "5 parsecs".*'10s'/],
    [['run', 'a.ts', '--checkpoint-mode', 'ONCE'], /--checkpoint-mode is "ONCE".*exactly-once, at-least-once/],
    [['run', 'a.ts', '--checkpoint-dir='], /--checkpoint-dir is empty/],
    [['run', 'a.ts', '--json=maybe'], /--json is "maybe"/],
    [['run', 'a.ts', '--set', 'novalue'], /key=value/],
    [['run', 'a.ts', '--set', '__proto__.x=1'], /no name of a parameter/],
    [['run', 'a.ts', '--from', 'x', '--fresh'], /both --from and --fresh/],
    [['rum', 'a.ts'], /unknown command rum\. Did you mean run/],
    [['a.ts'], /tidemark run a\.ts/],
  ])('refuses %j', (argv, expected) => {
    const text = refusal(...argv)
    expect(text).toMatch(/^INVALID_OPTION /)
    expect(text).toMatch(expected)
  })
})

describe('tidemark build', () => {
  test.each([
    [['job.ts'], { file: 'job.ts', out: 'dist' }],
    [['--out', 'build/jobs', 'job.ts'], { file: 'job.ts', out: 'build/jobs' }],
    [['job.ts', '--out=a=b'], { file: 'job.ts', out: 'a=b' }],
  ])('reads %j', (argv, expected) => {
    expect(parseCommandLine(['build', ...argv])).toEqual({ kind: 'build', ...expected })
  })

  test.each([
    [[], /no job file is given.*tidemark build JOB\.ts/],
    [['a.ts', 'b.ts'], /unexpected argument "b\.ts": the job file is a\.ts/],
    [['a.ts', '--out'], /--out needs a value.*--out DIR/],
    [['a.ts', '--out='], /--out needs a value/],
    [['a.ts', '--out', '--fresh'], /--out needs a value/],
    [['a.ts', '--oout', 'x'], /unknown option --oout\. Did you mean --out/],
    [['a.ts', '--parallelism', '2'], /unknown option --parallelism/],
  ])('refuses %j', (argv, expected) => {
    expect(refusal('build', ...argv)).toMatch(expected)
  })
})

describe('help', () => {
  test('names every option with its default, within the width of a page', () => {
    const help = runHelp()
    for (const { row } of RUN_FLAGS.values())
      expect(help).toContain(`  ${row.flag}${row.value === '' ? '' : ` ${row.value}`}`)
    for (const row of Object.values(OPTION_TABLE)) expect(help).toContain(`[${row.default}]`)
    for (const line of `${help}${generalHelp()}${buildHelp()}`.split('\n')) expect(line.length).toBeLessThanOrEqual(100)
  })

  test.each([
    [[], { kind: 'help', topic: 'all' }],
    [['--help'], { kind: 'help', topic: 'all' }],
    [['run', '--help'], { kind: 'help', topic: 'run' }],
    [['run', 'a.ts', '--nonsense', '-h'], { kind: 'help', topic: 'run' }],
    [['help', 'run'], { kind: 'help', topic: 'run' }],
    [['help', 'build'], { kind: 'help', topic: 'build' }],
    [['help', 'kafka', 'transactions'], { kind: 'kafka', argv: ['--help'] }],
    [['build', 'a.ts', '-h'], { kind: 'help', topic: 'build' }],
    [['--version'], { kind: 'version' }],
  ])('is given for %j', (argv, expected) => {
    expect(parseCommandLine(argv)).toEqual(expected)
  })

  test('is not given for what belongs to the job', () => {
    expect(parseRun('a.ts', '--', '--help').jobArguments).toEqual(['--help'])
  })
})
