import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const PAGE = 'docs/design/001-verification.md'

/** Files in backticks, each with the titles in quotes that follow it up to the next file. */
const claims = readFileSync(`${ROOT}${PAGE}`, 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('|') || line.includes('.test.ts'))
  .flatMap((line) => [...line.matchAll(/`(?<file>[\w./-]+\.ts)`(?<rest>[^`]*)/g)])
  .map(({ groups }) => ({
    file: groups!['file']!,
    titles: [...groups!['rest']!.matchAll(/"([^"]+)"/g)].map((match) => match[1]!),
  }))

function read(file: string): string {
  const isOfRepository = /^(?:test|docs|examples|benchmarks|packages)\//.test(file)
  return readFileSync(`${ROOT}${isOfRepository ? '' : 'packages/tidemark/src/'}${file}`, 'utf8')
}

test('the page of verification names tests', () => {
  expect(claims.flatMap(({ titles }) => titles).length).toBeGreaterThan(50)
})

test.each(claims)('$file is there, with the tests that the page names', ({ file, titles }) => {
  const text = read(file)
  expect(titles.filter((title) => !text.includes(title))).toEqual([])
})
