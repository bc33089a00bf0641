import { readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Job } from 'tidemark'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const PAGES = [
  'README.md',
  ...readdirSync(`${ROOT}docs/guide`).map((page) => `docs/guide/${page}`),
  ...['kafka', 'schema-registry'].map((name) => `packages/${name}/README.md`),
]

const jobs = PAGES.flatMap((page) => {
  const text = readFileSync(`${ROOT}${page}`, 'utf8')
  return [...text.matchAll(/^```ts\n(.*?)^```$/gms)]
    .filter(([, code]) => code!.includes('export default defineJob('))
    .map(({ 1: code, index }) => ({ page, line: text.slice(0, index).split('\n').length, code: code! }))
})

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(ROOT, 'node_modules', '.documented-jobs-'))
})
afterAll(() => rm(directory, { recursive: true, force: true }))

test('the guide has jobs', () => {
  expect(jobs.length).toBeGreaterThan(15)
})

// That they compile is not enough: whoever copies one has to be able to start it.
test.each(jobs)('the job of $page at line $line can be built', async ({ page, line, code }) => {
  const outfile = join(directory, `${page.replaceAll('/', '-')}-${line}.mjs`)
  await build({
    stdin: { contents: code, loader: 'ts', resolveDir: `${ROOT}test` },
    bundle: true,
    platform: 'node',
    format: 'esm',
    conditions: ['@tidemark/source'],
    // CommonJS, which cannot be inside of a module.
    external: ['esbuild', 'avsc', 'ajv', 'protobufjs'],
    outfile,
    logLevel: 'silent',
  })
  const { default: job } = (await import(/* @vite-ignore */ pathToFileURL(outfile).href)) as { default: Job }
  const anyParams = new Proxy({}, { get: () => 'some-text' })
  expect(job.build(job.takesParams ? anyParams : undefined).plan.operators.length).toBeGreaterThan(1)
})
