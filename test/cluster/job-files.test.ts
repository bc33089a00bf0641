import { spawnSync } from 'node:child_process'
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { committed, projectWith, publishedFiles, removeAll, tidemark } from './installed-copy.ts'

let published: string
const folders = new Set<string>()

beforeAll(async () => {
  published = await publishedFiles()
})

afterEach(async () => {
  await removeAll(folders)
  folders.clear()
})

afterAll(() => removeAll([published]))

async function project(files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await projectWith(published, { files: { 'package.json': '{ "type": "module" }', ...files } })
  folders.add(folder)
  return folder
}

const WORKERS = ['--parallelism', '2', '--workers', '2', '--restart-strategy', 'none']

/** Says of each thing that a job file may import what it is, from within the tasks of both workers. */
const EVERYTHING = {
  'tsconfig.json': '{ "compilerOptions": { "paths": { "#/*": ["./source/*"] } } }',
  'source/aliased.ts': 'export const aliased: string = import.meta.url',
  'libraries/shared/package.json': '{ "name": "@team/shared", "type": "module", "exports": "./src/index.ts" }',
  'libraries/shared/src/index.ts': `export { version as theirs } from 'esm-package'\nexport const shared: string = import.meta.filename`,
  'libraries/shared/node_modules/esm-package/package.json':
    '{ "name": "esm-package", "type": "module", "main": "i.js" }',
  'libraries/shared/node_modules/esm-package/i.js': 'export const version = 2',
  'node_modules/esm-package/package.json':
    '{ "name": "esm-package", "version": "1.0.0", "type": "module", "main": "i.js" }',
  'node_modules/esm-package/i.js': 'export const version = 1\nexport const where = import.meta.url',
  'node_modules/cjs-package/package.json': '{ "name": "cjs-package", "version": "1.0.0" }',
  'node_modules/cjs-package/index.js': 'exports.place = __filename\nexports.inner = require("./inner.js")',
  'node_modules/cjs-package/inner.js': 'module.exports = 7',
  'old.cjs': `const { inner } = require('cjs-package')\nconst { sep } = require('path')\nmodule.exports = [inner, sep, __dirname]`,
  'data.json': '{ "n": 3 }',
  'job.ts': `
    import { isMainThread, threadId } from 'node:worker_threads'
    import { basename } from 'path'
    import { defineJob, fromArray, generate, jsonLines } from 'tidemark'
    import { shared, theirs } from '@team/shared'
    import { aliased } from '#/aliased'
    import { place } from 'cjs-package'
    import { version, where } from 'esm-package'
    import data from './data.json' with { type: 'json' }
    import old from './old.cjs'
    export default defineJob('everything', (job) => {
      job
        .source('indices', generate({ create: (index: number) => index, count: 2 }))
        .map((): Record<string, unknown> => ({
          isMainThread, theirs, version, where, aliased, shared, place, data: data.n, old, builtin: basename('/a/b'), url: import.meta.url, argv: process.argv.slice(2),
        }))
        .to('out', jsonLines('out'))
    })`,
}

describe('a job file in workers', () => {
  test('imports path aliases, workspace packages in TypeScript, ES modules, CommonJS, JSON and node: modules, each in its version and knowing its place', async () => {
    const folder = await project(EVERYTHING)
    await mkdir(join(folder, 'node_modules/@team'))
    await symlink(join(folder, 'libraries/shared'), join(folder, 'node_modules/@team/shared'), 'junction')
    const { code, stderr } = await tidemark(['run', 'job.ts', ...WORKERS, '--', 'a', '--b'], { folder })
    expect(stderr).toMatch(/finished/)
    expect(code).toBe(0)
    const url = (path: string) => pathToFileURL(join(folder, path)).href
    const expected = {
      isMainThread: false,
      theirs: 2,
      version: 1,
      where: url('node_modules/esm-package/i.js'),
      aliased: url('source/aliased.ts'),
      shared: join(folder, 'libraries/shared/src/index.ts'),
      place: join(folder, 'node_modules/cjs-package/index.js'),
      data: 3,
      old: [7, '/', folder],
      builtin: 'b',
      url: url('job.ts'),
      argv: ['a', '--b'],
    }
    expect(await committed(join(folder, 'out'))).toEqual([expected, expected])
  })

  test('runs where code may not be made from strings', async () => {
    const folder = await project({
      'job.ts': `
        import { defineJob, fromArray, jsonLines } from 'tidemark'
        import { isMainThread } from 'node:worker_threads'
        const refusal = (): string => {
          try { return String(new Function('return 1')()) } catch (error) { return (error as Error).name }
        }
        export default defineJob('strict', (job) => {
          job
            .source('numbers', fromArray(Array.from({ length: 1000 }, (_, index) => ({ key: 'k' + (index % 10), value: index, tags: ['a', index] }))))
            .rebalance()
            .map((record) => ({ ...record, refusal: refusal(), isMainThread }))
            .keyBy(({ key }) => key)
            .scan('sums', () => ({ count: 0, sum: 0, seen: '' }), (last, { value, refusal, isMainThread }) => ({ count: last.count + 1, sum: last.sum + value, seen: refusal + isMainThread }))
            .to('out', jsonLines('out'))
        })`,
    })
    const { code, stderr } = await tidemark(['run', 'job.ts', ...WORKERS], {
      folder,
      nodeArguments: ['--disallow-code-generation-from-strings'],
    })
    expect(stderr).not.toMatch(/WARN|ERROR/)
    expect(code).toBe(0)
    const lines = (await committed(join(folder, 'out'))) as readonly [
      string,
      { count: number; sum: number; seen: string },
    ][]
    expect(lines.length).toBe(1000)
    expect(new Set(lines.map(([, { seen }]) => seen))).toEqual(new Set(['EvalErrorfalse']))
    const totals = lines.filter(([, { count }]) => count === 100).map(([key, { sum }]) => `${key} ${sum}`)
    expect(totals.sort()).toEqual(Array.from({ length: 10 }, (_, key) => `k${key} ${49_500 + 100 * key}`))
  })

  test('may start itself, as JavaScript that Node runs and as a job that was built', async () => {
    const folder = await project({
      'self.mjs': `
        import { isMainThread } from 'node:worker_threads'
        import { defineJob, fromArray, jsonLines, run } from 'tidemark'
        export const job = defineJob('self', (job) => {
          job.source('numbers', fromArray([1, 2, 3])).map((n) => [n, isMainThread]).to('out', jsonLines(process.argv[2]))
        })
        const { status } = await run(job, { module: import.meta.url, parallelism: 2, workers: 2, checkpointDir: process.argv[2] + '-checkpoints' }).result
        console.log(status)`,
    })
    expect((await tidemark(['build', 'self.mjs'], { folder })).code).toBe(0)
    for (const [out, file] of Object.entries({ plain: 'self.mjs', built: 'dist/self.js' })) {
      const { stdout, stderr, status } = spawnSync(process.execPath, [join(folder, file), join(folder, out)], {
        cwd: folder,
        encoding: 'utf8',
        env: { PATH: process.env['PATH'] },
      })
      expect({ stdout, stderr, status }).toEqual({ stdout: 'finished\n', stderr: '', status: 0 })
      const numbers = (await committed(join(folder, out))) as readonly [number, boolean][]
      expect(numbers.toSorted(([a], [b]) => a - b)).toEqual([1, 2, 3].map((n) => [n, false]))
    }
  })

  test('runs the bytes that it was started with, whatever is edited meanwhile', async () => {
    const folder = await project({
      'job.ts': `
        import { existsSync, readFileSync, writeFileSync } from 'node:fs'
        import { defineJob, fromArray, jsonLines } from 'tidemark'
        export default defineJob('edited', (job) => {
          job.source('numbers', fromArray([1])).map((n: number): string => {
            const self = new URL('job.ts', import.meta.url)
            if (!existsSync('edited')) {
              writeFileSync(self, readFileSync(self, 'utf8').replace("'be" + "fore'", "'after'"))
              writeFileSync('edited', '')
              throw new Error('once more')
            }
            return 'before'
          }).to('out', jsonLines('out'))
        })`,
    })
    const argv = ['run', 'job.ts', '--workers', '1', '--restart-strategy', 'fixed-delay']
    expect((await tidemark(argv, { folder })).code).toBe(0)
    expect(await readFile(join(folder, 'job.ts'), 'utf8')).toContain(`return 'after'`)
    expect(await committed(join(folder, 'out'))).toEqual(['before'])
  })
})

const JOB_OF = (statement: string) =>
  `import { defineJob, fromArray } from 'tidemark'\nexport default defineJob('a', (job) => {\n  ${statement}\n})`

describe('a mistake in a job file', () => {
  test.each([
    [
      'no file',
      ['gone.ts'],
      {},
      /JOB_MODULE: the job file .*gone\.ts does not exist[^]*Give the path of the TypeScript/,
    ],
    ['a folder', ['sub'], { 'sub/a.ts': '' }, /JOB_MODULE: the job file .*sub is not a file/],
    ['no name of a file', [], {}, /no job file is given\nGive one: tidemark run JOB\.ts/],
    ['a mistake in the syntax', ['a.ts'], { 'a.ts': JOB_OF('job.source(') }, /Unexpected "}"[^]*a\.ts:4:0:/],
    [
      'no default export',
      ['a.ts'],
      { 'a.ts': `import { defineJob } from 'tidemark'\nexport const mine = defineJob('a', () => {})` },
      /has no default export[^]*'mine' is a job: .*'export default mine'/,
    ],
    [
      'a function as default export',
      ['a.ts'],
      { 'a.ts': 'export default () => 1' },
      /exports a value of type function by default, not a job/,
    ],
    [
      'an import of a file that is missing',
      ['a.ts'],
      { 'a.ts': `import './b.ts'` },
      /Could not resolve "\.\/b\.ts"[^]*a\.ts:1:7:/,
    ],
    [
      'an import of a package that is missing',
      ['a.ts'],
      { 'a.ts': `import 'zod/v4'` },
      /Could not resolve "zod\/v4"[^]*a\.ts:1:7:[^]*npm install zod\n/,
    ],
    [
      'a package that lacks one that it needs',
      ['a.ts'],
      {
        'a.ts': `import 'needy'`,
        'node_modules/needy/index.mjs': `import 'absent'`,
        'node_modules/needy/package.json': '{ "main": "index.mjs" }',
      },
      /a\.ts needs the package absent, which is not installed \(.*needy.index\.mjs imports it\)[^]*npm install absent/,
    ],
    [
      'an import that a package does not export',
      ['a.ts'],
      { 'a.ts': `import { defineJop } from 'tidemark'\ndefineJop()` },
      /a\.ts imports 'defineJop' from 'tidemark', which has no such export[^]*Correct the import/,
    ],
    [
      'an exception at its top',
      ['a.ts'],
      { 'a.ts': `\nthrow new Error('BROKERS is not set')` },
      /threw while it was loaded: BROKERS is not set[^]*at .*a\.ts:2:7/,
    ],
    [
      'a method that streams have not',
      ['a.ts'],
      { 'a.ts': JOB_OF(`job.source('n', fromArray([1])).mapp()`) },
      /INVALID_JOB: build of job 'a' threw: .*mapp is not a function[^]*at .*a\.ts:3:35/,
    ],
    [
      'no source',
      ['a.ts'],
      { 'a.ts': JOB_OF('') },
      /INVALID_JOB: job 'a': there is no source[^]*Begin with job\.source/,
    ],
  ])(
    'is named, with the place and what to do, before anything is written: %s',
    async (_, argv, files: Readonly<Record<string, string>>, expected) => {
      const folder = await project(files)
      const { code, stderr, stdout } = await tidemark(['run', ...argv, ...(argv.length === 0 ? [] : WORKERS)], {
        folder,
      })
      expect(stderr).toMatch(expected)
      // Nobody reads a stack of ours, and a mistake is told once, however many threads met it.
      expect(stderr).not.toMatch(/dist.bundled.*:\d+:\d+/)
      expect(stderr.match(/ERROR [^\n]*: [A-Z_]+: /g)?.length ?? 1).toBe(1)
      expect(stdout).toBe('')
      expect(code).toBe(2)
      await expect(writeFile(join(folder, '.tidemark'), '', { flag: 'wx' })).resolves.toBe(undefined)
    },
  )
})
