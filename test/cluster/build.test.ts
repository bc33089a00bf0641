import { cp, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { committed, type Ended, projectWith, publishedFiles, removeAll, tidemark, writeAll } from './installed-copy.ts'

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

const COUNT = 6000

/** Everything a project has: workspace packages, aliases, ES modules and CommonJS from npm, data beside the code. */
const SOURCES = {
  'package.json': '{ "name": "a-project", "type": "module" }',
  'tsconfig.json': '{ "compilerOptions": { "paths": { "#/*": ["./shared/*"] } } }',
  'jobs/numbers.ts': `
    import { defineJob, generate, jsonLines } from 'tidemark'
    import { add } from 'adding'
    import { twice } from 'doubling/lib/twice.js'
    import { one } from '#/one'
    import { offset } from './deep/offset.ts'
    export default defineJob('numbers', (job) => {
      job
        .source('numbers', generate({ create: (index: number) => index, rate: 4000, count: ${COUNT} }))
        .map((index: number): { readonly key: number; readonly value: number } => ({ key: index % 7, value: add(twice(index), one) - offset }))
        .keyBy(({ key }) => key)
        .scan('sums', () => ({ key: -1, count: 0, sum: 0 }), (last, { key, value }) => ({ key, count: last.count + 1, sum: last.sum + value }))
        .to('out', jsonLines('out'))
    })`,
  'jobs/deep/offset.ts': `
    import { readFileSync } from 'node:fs'
    export const offset: number = JSON.parse(readFileSync(new URL('../one.json', import.meta.url), 'utf8'))`,
  'jobs/one.json': '1',
  'shared/one.ts': 'export const one: number = 1',
}

const INSTALLED = {
  'node_modules/adding/package.json':
    '{ "name": "adding", "version": "1.2.3", "type": "module", "exports": "./index.js" }',
  'node_modules/adding/index.js': 'export const add = (a, b) => a + b',
  'node_modules/doubling/package.json': '{ "name": "doubling", "version": "2.0.0" }',
  'node_modules/doubling/lib/twice.js': 'exports.twice = (n) => n * 2',
}

const RUN = ['--parallelism', '2', '--checkpoint-interval', '40ms', '--json']

async function project(files: Readonly<Record<string, string>> = {}): Promise<string> {
  const folder = await projectWith(published, { files: { ...SOURCES, ...INSTALLED, ...files } })
  folders.add(folder)
  return folder
}

/** Another place, without sources and without a bundler, that got what was built. */
async function target(built: string, files: Readonly<Record<string, string>> = INSTALLED): Promise<string> {
  const folder = await projectWith(published, { bundler: false, files })
  folders.add(folder)
  await cp(built, join(folder, 'app'), { recursive: true })
  await writeAll(folder, { 'app/one.json': '1' })
  return folder
}

async function build(folder: string, ...argv: readonly string[]): Promise<Ended> {
  return tidemark(['build', ...argv], { folder })
}

function startOf({ events }: Ended): unknown {
  return events.find(({ kind }) => kind === 'started')?.['from']
}

/** Kills the process when this many checkpoints have been committed. */
function killAfter(checkpoints: number) {
  let seen = 0
  return ({ kind }: { readonly kind: string }) =>
    kind === 'checkpoint-committed' && ++seen === checkpoints ? ('SIGKILL' as const) : null
}

type Line = readonly [key: number, { readonly key: number; readonly count: number; readonly sum: number }]

/** Every record counted once, in state and in output. */
async function expectExactlyOnce(out: string): Promise<void> {
  const lines = (await committed(out)) as readonly Line[]
  expect(lines.length).toBe(COUNT)
  for (let key = 0; key < 7; key++) {
    const ofKey = lines.flatMap(([, sum]) => (sum.key === key ? [sum] : [])).sort((a, b) => a.count - b.count)
    expect(ofKey.findIndex(({ count }, index) => count !== index + 1)).toBe(-1)
    const indices = Array.from({ length: ofKey.length }, (_, index) => key + 7 * index)
    expect(ofKey.at(-1)!.sum).toBe(indices.reduce((sum, index) => sum + 2 * index, 0))
  }
}

describe('a job that was built', () => {
  test('runs where there are neither sources nor a bundler, in workers, and goes on after SIGKILL', async () => {
    const home = await project()
    const { code, stderr } = await build(home, 'jobs/numbers.ts', '--out', 'build/numbers')
    expect(stderr).toMatch(
      /^built {4}build\/numbers\/numbers\.js: .* from 3 files\nneeds {4}tidemark, adding 1\.2\.3, doubling 2\.0\.0/,
    )
    expect(code).toBe(0)
    const away = await target(join(home, 'build/numbers'))
    await removeAll([home])

    const killed = await tidemark(['run', 'app/numbers.js', ...RUN], { folder: away, signalAt: killAfter(2) })
    expect(killed.signal).toBe('SIGKILL')
    const ended = await tidemark(['run', 'app/numbers.js', ...RUN], { folder: away })
    expect(ended.stderr).toBe('')
    expect(startOf(ended)).toMatchObject({ kind: 'restored' })
    expect(ended.code).toBe(0)
    await expectExactlyOnce(join(away, 'out'))
  })

  test('is the same job as its source: it goes on from the checkpoints of either', async () => {
    const home = await project()
    const files = ['jobs/numbers.ts', 'jobs/numbers.js', 'jobs/numbers.ts']
    expect((await build(home, 'jobs/numbers.ts', '--out', 'jobs')).code).toBe(0)
    for (const [index, file] of files.entries()) {
      const isLast = index === files.length - 1
      const ended = await tidemark(
        ['run', file, ...RUN],
        isLast ? { folder: home } : { folder: home, signalAt: killAfter(2) },
      )
      expect(startOf(ended)).toMatchObject({ kind: index === 0 ? 'fresh' : 'restored' })
      expect(isLast ? ended.code : ended.signal).toBe(isLast ? 0 : 'SIGKILL')
    }
    await expectExactlyOnce(join(home, 'out'))
  })

  test('shows the lines of its sources when it fails', async () => {
    const home = await project({
      'bad.ts': `// import.meta.url\nimport { defineJob, fromArray, forEachSink } from 'tidemark'\ninterface Order { readonly price: { readonly amount: number } | null }\nfunction amountOf(order: Order): number {\n  return order.price!.amount\n}\nexport default defineJob('bad', (job) => {\n  job.source('orders', fromArray([{ price: null }] as readonly Order[])).map(amountOf).to('out', forEachSink(() => {}))\n})`,
    })
    expect((await build(home, 'bad.ts')).code).toBe(0)
    const { stderr, code } = await tidemark(
      ['run', 'dist/bad.js', '--restart-strategy', 'none', '--parallelism', '2', '--workers', '1'],
      { folder: home },
    )
    expect(stderr).toMatch(/at amountOf \(bad\.ts:5:23\)/)
    expect(code).toBe(1)
  })

  test('says what is not installed where it is to run', async () => {
    const home = await project()
    await build(home, 'jobs/numbers.ts')
    const away = await target(join(home, 'dist'), {})
    const { stderr, code } = await tidemark(['run', 'app/numbers.js'], { folder: away })
    expect(stderr).toMatch(/JOB_MODULE: .*imports what is not installed: adding@1\.2\.3, doubling@2\.0\.0/)
    expect(stderr).toMatch(/npm install adding@1\.2\.3 doubling@2\.0\.0/)
    expect(code).toBe(2)
  })

  test('warns where it runs with other versions than it was built with', async () => {
    const home = await project()
    await build(home, 'jobs/numbers.ts')
    const away = await target(join(home, 'dist'), {
      ...INSTALLED,
      'node_modules/adding/package.json':
        '{ "name": "adding", "version": "1.3.0", "type": "module", "exports": "./index.js" }',
    })
    const { stderr, code } = await tidemark(['run', 'app/numbers.js'], { folder: away })
    expect(stderr).toMatch(/WARN.*was built with adding 1\.2\.3, and runs with 1\.3\.0/)
    expect(code).toBe(0)
  })

  test('ends, to be started again, when its file was replaced while it ran and new workers are wanted', async () => {
    const home = await project()
    await writeAll(home, {
      'replaced.ts': `
        import { appendFileSync } from 'node:fs'
        import { defineJob, forEachSink, fromArray } from 'tidemark'
        export default defineJob('replaced', (job) => {
          job.source('numbers', fromArray([1])).map((n: number): number => {
            appendFileSync(process.argv[2]!, '\\n// edited')
            throw new Error('once more')
          }).to('out', forEachSink(() => {}))
        })`,
    })
    await build(home, 'replaced.ts')
    const { stderr, code } = await tidemark(
      [
        'run',
        'dist/replaced.js',
        '--workers',
        '1',
        '--restart-strategy',
        'fixed-delay',
        '--',
        join(home, 'dist/replaced.js'),
      ],
      { folder: home },
    )
    expect(stderr).toMatch(/JOB_REPLACED: .*replaced\.js has been replaced since the job was started/)
    // A supervisor starts it again.
    expect(code).toBe(1)
  })

  test('lists what all jobs of its folder need', async () => {
    const home = await project({
      'other.ts': `import { twice } from 'doubling/lib/twice.js'\nimport { defineJob } from 'tidemark'\nexport default defineJob('other', () => void twice(1))`,
      'third.ts': `import { add } from 'adding'\nimport { defineJob } from 'tidemark'\nexport default defineJob('third', () => void add(1, 2))`,
    })
    await build(home, 'other.ts')
    await build(home, 'third.ts')
    const manifest: unknown = JSON.parse(await readFile(join(home, 'dist/package.json'), 'utf8'))
    expect(manifest).toMatchObject({
      type: 'module',
      dependencies: { adding: '1.2.3', doubling: '2.0.0', tidemark: expect.any(String) as string },
    })
  })
})

describe('a job that cannot be built', () => {
  test.each([
    ['does not exist', {}, ['missing.ts'], /missing\.ts does not exist/],
    ['has a mistake', { 'bad.ts': 'export default =' }, ['bad.ts'], /bad\.ts:1:15/],
    [
      'imports what is not installed',
      { 'bad.ts': `import 'nowhere/deep'` },
      ['bad.ts'],
      /Could not resolve "nowhere\/deep"[^]*bad\.ts:1:7[^]*npm install nowhere\n/,
    ],
    [
      'holds a native addon of the project',
      { 'bad.ts': `import './addon.node'`, 'addon.node': '' },
      ['bad.ts'],
      /"\.\/addon\.node" is a native addon of the project[^]*bad\.ts:1:7[^]*Put it into a package of its own/,
    ],
    [
      'names an installed package by an alias that exists only here',
      {
        'bad.ts': `import 'plus'`,
        'tsconfig.json': '{ "compilerOptions": { "paths": { "plus": ["./node_modules/adding/index.js"] } } }',
      },
      ['bad.ts'],
      /"plus" leads into the package adding, but does not name it[^]*bad\.ts:1:7[^]*Import it as "adding"/,
    ],
    [
      'needs two versions of one package',
      {
        'bad.ts': `import 'adding'\nimport './library/index.ts'`,
        'library/index.ts': `import 'adding'`,
        'library/node_modules/adding/package.json': '{ "name": "adding", "version": "9.0.0", "main": "index.js" }',
        'library/node_modules/adding/index.js': '',
      },
      ['bad.ts'],
      /"adding" is adding (?:9\.0\.0|1\.2\.3) here, but (?:9\.0\.0|1\.2\.3) for .*[^]*depend on the same version/,
    ],
    [
      'would be overwritten',
      { 'src/plain.js': `export default 1`, 'src/package.json': '{ "//": "Written by tidemark build." }' },
      ['src/plain.js', '--out', 'src'],
      /plain\.js is part of the job: it would be overwritten\nGive another folder with --out/,
    ],
    [
      'would lie in a package of somebody else',
      {},
      ['jobs/numbers.ts', '--out', '.'],
      /package\.json was not written by tidemark build\nGive a folder of its own with --out/,
    ],
    [
      'was built already',
      { 'done.js': '/* tidemark build {"format":1,"entry":"a.ts","tidemark":"0.1.0","packages":{}} */\n' },
      ['done.js'],
      /done\.js was made by tidemark build already/,
    ],
  ])(
    'is named with the place and what to do when it %s',
    async (_, files: Readonly<Record<string, string>>, argv, expected) => {
      const { code, stderr } = await build(await project(files), ...argv)
      expect(stderr).toMatch(expected)
      expect(code).toBe(2)
    },
  )

  test('leaves nothing behind', async () => {
    const home = await project({ 'bad.ts': `import './missing.ts'` })
    await build(home, 'bad.ts')
    await expect(readFile(join(home, 'dist/package.json'))).rejects.toThrow(/ENOENT/)
  })
})
