import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import {
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  symlink,
  unlink,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { isTidemarkError, type TidemarkError } from '../../core/errors.ts'
import { JOB } from '../../core/job.ts'
import { bundleJob } from './bundle-job.ts'
import type { JobBundle } from './contract.ts'
import { loadJob } from './load-job.ts'

let root: string

beforeEach(async () => {
  root = await realpath(await mkdtemp(join(tmpdir(), 'tidemark-bundle-test-')))
})

afterEach(async () => {
  await rm(root, { recursive: true, force: true })
})

async function write(files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, name)), { recursive: true })
    await writeFile(join(root, name), content)
  }
}

/** A project with a job file and a package that is really installed. */
async function project(files: Readonly<Record<string, string>>): Promise<string> {
  await write({
    'package.json': '{ "name": "a-project", "type": "module" }',
    'node_modules/installed/package.json':
      '{ "name": "installed", "version": "1.0.0", "type": "module", "exports": "./index.js" }',
    'node_modules/installed/index.js': 'export const where = import.meta.url\nexport const installed = "installed 1"\n',
    ...files,
  })
  return join(root, 'job.ts')
}

/** What the bundle exports, as another process sees it that was given nothing but the bundle. */
function exportsOf(bundle: JobBundle, execArguments: readonly string[] = []): Record<string, unknown> {
  const script = `
    process.setSourceMapsEnabled(true)
    const exported = await import(${JSON.stringify(pathToFileURL(bundle.file).href)})
    console.log(JSON.stringify(Object.fromEntries(Object.entries(exported).map(([name, value]) => [name, typeof value === 'function' ? value() : value]))))`
  const { stdout, stderr } = spawnSync(process.execPath, [...execArguments, '--input-type=module', '-e', script], {
    encoding: 'utf8',
    cwd: tmpdir(),
  })
  if (stdout === '') throw new Error(stderr)
  return JSON.parse(stdout) as Record<string, unknown>
}

/** What must be the same wherever the project lies. */
function withoutPlaces(code: string): string {
  return code.replaceAll(/\/(?:one|two)\//g, '/').replace(/sourceMappingURL.*/, '')
}

async function codeOf(bundle: JobBundle): Promise<string> {
  return readFile(bundle.file, 'utf8')
}

async function rejection(promise: Promise<unknown>): Promise<TidemarkError> {
  const error: unknown = await promise.then(
    () => null,
    (cause: unknown) => cause,
  )
  if (isTidemarkError(error)) return error
  throw new Error('nothing was thrown', { cause: error })
}

describe('a bundle of a job', () => {
  test('holds the code of the project and leaves outside what is installed', async () => {
    const entry = await project({
      'job.ts': `import { installed, where } from 'installed'\nimport { own } from './own.ts'\nexport { installed, where, own }`,
      'own.ts': `const text: string = 'own'\nexport const own = text`,
    })
    const bundle = await bundleJob(entry)
    expect(await codeOf(bundle)).not.toContain('installed 1')
    expect(bundle.inputs).toEqual([entry, join(root, 'own.ts')])
    expect(exportsOf(bundle)).toEqual({
      installed: 'installed 1',
      own: 'own',
      where: pathToFileURL(join(root, 'node_modules/installed/index.js')).href,
    })
    expect(dirname(bundle.file)).toBe(join(root, 'node_modules/.cache/tidemark'))
  })

  test('holds workspace packages, which are only linked under node_modules, and gives each its own versions', async () => {
    const entry = await project({
      'job.ts': `import { shared, theirs } from '@team/shared'\nimport { installed as ours } from 'installed'\nexport { shared, theirs, ours }`,
      'libraries/shared/package.json': '{ "name": "@team/shared", "type": "module", "exports": "./src/index.ts" }',
      'libraries/shared/src/index.ts': `export { installed as theirs } from 'installed'\nexport const shared: string = 'shared'\nimport './plain.js'`,
      'libraries/shared/src/plain.js': 'export {}',
      'libraries/shared/node_modules/installed/package.json':
        '{ "name": "installed", "type": "module", "main": "main.js" }',
      'libraries/shared/node_modules/installed/main.js': 'export const installed = "installed 2"',
    })
    await mkdir(join(root, 'node_modules/@team'))
    await symlink(join(root, 'libraries/shared'), join(root, 'node_modules/@team/shared'), 'junction')
    const bundle = await bundleJob(entry)
    const shared = join(root, 'libraries/shared/src')
    expect(bundle.inputs).toEqual([entry, join(shared, 'index.ts'), join(shared, 'plain.js')])
    expect(exportsOf(bundle)).toEqual({ shared: 'shared', theirs: 'installed 2', ours: 'installed 1' })
  })

  test('follows path aliases of tsconfig, also inherited ones', async () => {
    const entry = await project({
      'job.ts': `export { a } from '#/a'`,
      'tsconfig.json': '{ /* ours */ "extends": "./config/base" }',
      'config/base.json': '{ "compilerOptions": { "paths": { "#/*": ["../src/*"] } } }',
      'src/a.ts': `export const a = 1`,
      'other/a.ts': `export const a = 2`,
    })
    expect(exportsOf(await bundleJob(entry))).toEqual({ a: 1 })
    await write({ 'config/base.json': '{ "compilerOptions": { "paths": { "#/*": ["../other/*"] } } }' })
    expect(exportsOf(await bundleJob(entry))).toEqual({ a: 2 })
  })

  test('keeps for every module what says where it lies', async () => {
    const entry = await project({
      'job.ts': `export * from './deep/inner.ts'\nexport const url = import.meta.url\nexport { place } from './deep/old.cjs'`,
      'deep/inner.ts': `#!/usr/bin/env node
        export const inner = import.meta.url
        export const folder = import.meta.dirname
        export const file = import.meta.filename
        export const beside = import.meta.resolve('./beside.txt')`,
      'deep/old.cjs': `exports.place = [__dirname, __filename]`,
    })
    expect(exportsOf(await bundleJob(entry))).toEqual({
      url: pathToFileURL(entry).href,
      inner: pathToFileURL(join(root, 'deep/inner.ts')).href,
      folder: join(root, 'deep'),
      file: join(root, 'deep/inner.ts'),
      beside: pathToFileURL(join(root, 'deep/beside.txt')).href,
      place: [join(root, 'deep'), join(root, 'deep/old.cjs')],
    })
  })

  test('takes CommonJS, JSON, built-in modules and a `require` of the user’s own', async () => {
    const entry = await project({
      'job.ts': `
        import { createRequire } from 'node:module'
        import { EOL } from 'os'
        import old, { twice } from './old.cjs'
        import data from './data.json' with { type: 'json' }
        import manifest from 'installed-data/package.json'
        const require = createRequire(import.meta.url)
        export const result = [old.platform, twice(2), data.n, manifest.n, typeof EOL, require('./data.json').n]`,
      'old.cjs': `'use strict'
        const os = require('os')
        const { dependency } = require('installed-old')
        exports.platform = os.platform() + dependency
        exports.twice = (n) => n * 2`,
      'data.json': '{ "n": 7 }',
      'node_modules/installed-data/package.json': '{ "name": "installed-data", "n": 8 }',
      'node_modules/installed-old/package.json': '{ "name": "installed-old" }',
      'node_modules/installed-old/index.js': 'exports.dependency = "!"',
    })
    expect(exportsOf(await bundleJob(entry)).result).toEqual([`${process.platform}!`, 4, 7, 8, 'string', 7])
  })

  test('shows the user’s own lines and columns in stack traces', async () => {
    const entry = await project({
      'job.ts': `import { fail } from './fail.ts'\nexport const stack = () => {\n  try { fail({ a: 1 }) } catch (error) { return (error as Error).stack }\n}`,
      'fail.ts': `// import.meta.url\ninterface Shape { readonly a: number }\nexport function fail(shape: Shape): never {\n  console.error(import.meta.url)\n  throw new Error('on purpose')\n}`,
    })
    const stack = String(exportsOf(await bundleJob(entry)).stack)
    expect(stack).toContain(`${join(root, 'fail.ts')}:5:9`)
    expect(stack).toContain(`${entry}:3:`)
  })

  test('imports this copy of tidemark, also from a file outside of any package', async () => {
    await write({ 'job.ts': `import { defineJob } from 'tidemark'\nexport default defineJob('alone', () => {})` })
    const bundle = await bundleJob(join(root, 'job.ts'), { cacheDirectory: join(root, 'cache') })
    const job = await loadJob(bundle)
    expect(job.name).toBe('alone')
    expect(JOB in job).toBe(true)
  })

  test.each(['mjs', 'cjs', 'js'])('is made of plain JavaScript too (.%s)', async (extension) => {
    const source =
      extension === 'cjs'
        ? `const { defineJob } = require('tidemark')\nmodule.exports = defineJob('plain', () => {})`
        : `import { defineJob } from 'tidemark'\nexport default defineJob('plain', () => {})`
    await project({ [`job.${extension}`]: source })
    expect((await loadJob(await bundleJob(join(root, `job.${extension}`)))).name).toBe('plain')
  })
})

describe('the cache of bundles', () => {
  const files = { 'job.ts': `import { a } from './a'\nexport { a }`, 'a.ts': 'export const a = 1' }

  test('gives the same bytes again while nothing changes', async () => {
    const entry = await project(files)
    const first = await bundleJob(entry)
    const second = await bundleJob(entry)
    expect(first.isFromCache).toBe(false)
    expect(second).toEqual({ ...first, isFromCache: true })
  })

  test('notices an edit of the same length, and finds the old bytes when it is undone', async () => {
    const entry = await project(files)
    const first = await bundleJob(entry)
    await write({ 'a.ts': 'export const a = 2' })
    const edited = await bundleJob(entry)
    expect(edited.isFromCache).toBe(false)
    expect(exportsOf(edited)).toEqual({ a: 2 })
    expect(exportsOf(first)).toEqual({ a: 1 })
    await write(files)
    expect((await bundleJob(entry)).file).toBe(first.file)
  })

  test('notices a file that takes precedence, settings that appear, and another installation', async () => {
    const entry = await project({
      ...files,
      'b.ts': `import { installed } from 'installed'\nexport const a = installed`,
    })
    const isBundledAgain = async () => !(await bundleJob(entry)).isFromCache
    await isBundledAgain()
    await write({ 'a.tsx': 'export const a = 3' })
    expect(exportsOf(await bundleJob(entry))).toEqual({ a: 3 })
    expect(await isBundledAgain()).toBe(false)
    await write({ 'tsconfig.json': '{}' })
    expect(await isBundledAgain()).toBe(true)
    await write({ 'job.ts': `export { a } from './b'` })
    expect(await isBundledAgain()).toBe(true)
    await write({ 'node_modules/.package-lock.json': '{}' })
    expect(await isBundledAgain()).toBe(true)
    await rename(join(root, 'node_modules/installed/index.js'), join(root, 'node_modules/installed/new.js'))
    await write({
      'node_modules/installed/package.json': '{ "name": "installed", "type": "module", "exports": "./new.js" }',
    })
    expect(exportsOf(await bundleJob(entry))).toEqual({ a: 'installed 1' })
  })

  test('never gives a damaged bundle', async () => {
    const entry = await project(files)
    const first = await bundleJob(entry)
    await writeFile(first.file, 'export const a = 666')
    const second = await bundleJob(entry)
    expect(second).toEqual(first)
    expect(exportsOf(second)).toEqual({ a: 1 })
    await unlink(first.file)
    expect(exportsOf(await bundleJob(entry))).toEqual({ a: 1 })
  })

  test('may be used by several at once and leaves nothing temporary', async () => {
    const entry = await project(files)
    const bundles = await Promise.all(Array.from({ length: 5 }, () => bundleJob(entry)))
    expect(new Set(bundles.map(({ file }) => file)).size).toBe(1)
    expect((await readdir(dirname(bundles[0]!.file))).filter((name) => name.endsWith('.tmp'))).toEqual([])
  })

  test('equal sources give equal bytes in another place of the same depth', async () => {
    const entry = await project({ 'one/job.ts': files['job.ts'], 'one/a.ts': files['a.ts'] })
    await cp(join(root, 'one'), join(root, 'two'), { recursive: true })
    expect(existsSync(entry)).toBe(false)
    const [one, two] = [await bundleJob(join(root, 'one/job.ts')), await bundleJob(join(root, 'two/job.ts'))]
    expect(withoutPlaces(await codeOf(one))).toBe(withoutPlaces(await codeOf(two)))
  })
})

describe('a job file that cannot be bundled or loaded', () => {
  test.each([
    ['does not exist', {}, /job\.ts does not exist/],
    ['has a mistake', { 'job.ts': 'export const a =\n  = 1' }, /job\.ts:2:2/],
    [
      'imports what is not there',
      { 'job.ts': `import './missing.ts'` },
      /Could not resolve ".\/missing\.ts"[^]*job\.ts:1:7/,
    ],
    ['imports what is not installed', { 'job.ts': `import '@scope/name/deep'` }, /npm install @scope\/name\n?$/],
    [
      'imports what tidemark has not',
      { 'job.ts': `import 'tidemark/nothing'` },
      /Could not resolve "tidemark\/nothing"/,
    ],
  ])('is named with the place when it %s', async (_, files: Readonly<Record<string, string>>, expected) => {
    const error = await rejection(bundleJob(await project(files)))
    expect(error.code).toBe('JOB_MODULE')
    expect(error.message).toMatch(expected)
  })

  test.each([
    ['nothing', 'export {}', /has no default export/, /export default defineJob/],
    ['a function', 'export default () => {}', /a value of type function by default/, /export default defineJob/],
    [
      'a job under another name',
      `import { defineJob } from 'tidemark'\nexport const revenue = defineJob('revenue', () => {})`,
      /has no default export/,
      /'export default revenue'/,
    ],
    ['an exception', `throw new Error('no luck')`, /threw while it was loaded: no luck/, /Correct the file/],
  ])('is told what to export when it exports %s', async (_, source, message, action) => {
    const error = await rejection(loadJob(await bundleJob(await project({ 'job.ts': source }))))
    expect(error.code).toBe('JOB_MODULE')
    expect(error.message).toMatch(message)
    expect(error.action).toMatch(action)
  })
})
