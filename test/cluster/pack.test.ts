import { spawnSync, type SpawnSyncReturns } from 'node:child_process'
import { symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { committed, removeAll, temporaryFolder, writeAll } from './installed-copy.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const TYPESCRIPT = join(ROOT, 'node_modules/typescript/bin/tsc')

let folder: string

/** As a user does it, in an empty folder. What `npm run build` has made is packed, not made again under the hands of other tests. Packages come from npm's cache where it has them, else from the registry. */
beforeAll(async () => {
  folder = await temporaryFolder('user')
  await writeAll(folder, {
    'package.json': '{ "name": "a-user", "private": true, "type": "module" }',
    'job.ts': `
      import { defineJob, fromArray, jsonLines } from 'tidemark'
      interface Reading { readonly sensor: string; readonly celsius: number }
      export default defineJob('readings', (job) => {
        const readings: readonly Reading[] = Array.from({ length: 10 }, (_, index) => ({ sensor: 's' + (index % 2), celsius: index }))
        job
          .source('readings', fromArray(readings))
          .keyBy(({ sensor }) => sensor)
          .scan('sums', () => 0, (sum, { celsius }) => sum + celsius)
          .to('out', jsonLines('out'))
      })`,
  })
  const tarballs = ['packages/tidemark', 'packages/kafka'].map(pack)
  const installed = command('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', ...tarballs])
  expect(installed.status, installed.stdout + installed.stderr).toBe(0)
}, 300_000)

afterAll(() => removeAll([folder]))

function kafka(...argv: readonly string[]): SpawnSyncReturns<string> {
  return command('npx', ['--no-install', 'tidemark', 'kafka', ...argv])
}

/** The tarball of a package of the workspace. */
function pack(path: string): string {
  const packed = command(
    'npm',
    ['pack', '--silent', '--ignore-scripts', '--pack-destination', folder],
    join(ROOT, path),
  )
  expect(packed.status, packed.stdout + packed.stderr).toBe(0)
  return `./${packed.stdout.trim().split('\n').at(-1)!}`
}

function command(program: string, argv: readonly string[], cwd = folder): SpawnSyncReturns<string> {
  // Not the test runner's: its conditions, npm's view of the checkout.
  const env = Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !/^(?:npm_|NODE_|VITEST)/.test(name) || name === 'NODE_EXTRA_CA_CERTS',
    ),
  )
  return spawnSync(program, argv, { cwd, env, encoding: 'utf8', timeout: 240_000 })
}

describe('the package as it is published, installed in an empty folder', () => {
  test('runs a job file in workers with npx tidemark run', async () => {
    const { status, stderr } = command('npx', ['--no-install', 'tidemark', 'run', 'job.ts', '--parallelism', '2'])
    expect(stderr).toMatch(/finished: 10 records/)
    expect(status).toBe(0)
    const last = new Map((await committed(join(folder, 'out'))) as readonly [string, number][])
    expect((await committed(join(folder, 'out'))).length).toBe(10)
    expect([...last.keys()].sort()).toEqual(['s0', 's1'])
  })

  test('builds a job with npx tidemark build', () => {
    const { status, stderr } = command('npx', ['--no-install', 'tidemark', 'build', 'job.ts'])
    expect(stderr).toMatch(/^built {4}dist\/job\.js/m)
    expect(status).toBe(0)
  })

  test('hands tidemark kafka to the installed @tidemark/kafka, which says what it cannot reach', () => {
    expect(kafka('transactions', 'list', '--help')).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/^Usage: tidemark kafka transactions list\|commit\|abort/m),
    })
    expect(kafka('transactions', 'list', '--job', 'readings')).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('--bootstrap host:port'),
    })
    // Nobody listens at port 1 of this machine.
    const { status, stderr } = kafka('transactions', 'list', '--job', 'readings', '--bootstrap', '127.0.0.1:1')
    expect(stderr).toMatch(/^tidemark: .*127\.0\.0\.1:1/m)
    expect(stderr).not.toMatch(/^\s+at /m)
    expect(status).toBe(1)
  }, 60_000)

  test.each([
    [
      'an ES module',
      'program.mjs',
      `import { defineJob } from 'tidemark'; import { testJob } from 'tidemark/testing'; import * as connector from 'tidemark/connector'`,
    ],
    [
      'CommonJS',
      'program.cjs',
      `const { defineJob } = require('tidemark'); const { testJob } = require('tidemark/testing'); const connector = require('tidemark/connector')`,
    ],
  ])('can be loaded from %s, and is one copy under all its names', async (_, file, load) => {
    await writeAll(folder, {
      [file]: `${load}
        const { TidemarkError } = connector
        try { defineJob('') } catch (error) { console.log(typeof testJob, error instanceof TidemarkError, error.code) }`,
    })
    const { stdout, stderr } = command(process.execPath, [file])
    expect(stderr.replaceAll(/^.*ExperimentalWarning[^]*/gm, '')).toBe('')
    expect(stdout).toBe('function true INVALID_JOB\n')
  })

  test.each([
    ['nodenext', { module: 'nodenext' }, ['module.mts', 'commonjs.cts', 'job.ts']],
    ['bundler', { module: 'esnext', moduleResolution: 'bundler' }, ['module.mts', 'job.ts']],
  ])(
    'brings types for moduleResolution %s, which its own declarations pass without skipLibCheck',
    async (_, options, files) => {
      await symlink(join(ROOT, 'node_modules/@types'), join(folder, 'node_modules/@types'), 'junction').catch(() => {})
      await writeAll(folder, {
        'module.mts': `
        import { defineJob, fromArray, jsonLines, run, type JobHandle } from 'tidemark'
        import { testJob } from 'tidemark/testing'
        import { TidemarkError } from 'tidemark/connector'
        const job = defineJob('typed', (job) => {
          job.source('numbers', fromArray([1])).map((n) => n.toFixed()).to('out', jsonLines('out'))
          // @ts-expect-error a number has no length
          job.source('others', fromArray([1])).map((n) => n.length)
        })
        export const handle: JobHandle = run(job, { module: import.meta.url })
        export { testJob, TidemarkError }`,
        'commonjs.cts': `
        import tidemark = require('tidemark')
        export const job: tidemark.Job = tidemark.defineJob('typed', () => {})`,
        'tsconfig.json': JSON.stringify({
          compilerOptions: {
            ...options,
            strict: true,
            // What a job file exports can be named.
            declaration: true,
            noEmit: true,
            target: 'es2022',
            types: ['node'],
            skipLibCheck: false,
          },
          files,
        }),
      })
      const { status, stdout } = command(process.execPath, [TYPESCRIPT, '-p', '.'])
      expect(stdout).toBe('')
      expect(status).toBe(0)
    },
  )
})
