import { describe, expect, it } from 'vitest'
import { MemoryFileSystem } from '../../testing/simulator/memory-file-system.ts'
import { expandBraces, findFiles, nameToRegex } from './glob.ts'

const files = new MemoryFileSystem()
for (const path of [
  '/in/a.txt',
  '/in/b.txt',
  '/in/c.md',
  '/in/.hidden.txt',
  '/in/deep/d.txt',
  '/in/deep/er/e.txt',
  '/in/.git/f.txt',
  '/in/data[1].txt',
  '/in/ü😀.log',
]) {
  files.put(path, path)
}

async function found(...patterns: readonly string[]): Promise<readonly string[]> {
  return (await findFiles(files, patterns)).map(({ path }) => path)
}

describe('findFiles', () => {
  it.each([
    ['/in/*.txt', ['/in/a.txt', '/in/b.txt', '/in/data[1].txt']],
    ['/in/?.txt', ['/in/a.txt', '/in/b.txt']],
    ['/in/[ac].*', ['/in/a.txt', '/in/c.md']],
    ['/in/[!a].txt', ['/in/b.txt']],
    ['/in/[a-b].txt', ['/in/a.txt', '/in/b.txt']],
    ['/in/{a.txt,c.*}', ['/in/a.txt', '/in/c.md']],
    ['/in/{deep/{d,x},b}.txt', ['/in/b.txt', '/in/deep/d.txt']],
    ['/in/**/*.txt', ['/in/a.txt', '/in/b.txt', '/in/data[1].txt', '/in/deep/d.txt', '/in/deep/er/e.txt']],
    ['/in/deep/**', ['/in/deep/d.txt', '/in/deep/er/e.txt']],
    ['/**/e.txt', ['/in/deep/er/e.txt']],
    ['/in/*/d.txt', ['/in/deep/d.txt']],
    ['/in/.*.txt', ['/in/.hidden.txt']],
    ['/in/.git/*', ['/in/.git/f.txt']],
    ['/in/data[1].txt', ['/in/data[1].txt']],
    [String.raw`/in/data\[1].txt`, ['/in/data[1].txt']],
    ['/in/?😀.log', ['/in/ü😀.log']],
    ['/in/ü?.log', ['/in/ü😀.log']],
    ['/in/a.txt', ['/in/a.txt']],
    ['/in/deep', ['/in/deep/d.txt', '/in/deep/er/e.txt']],
    ['/in/deep/', ['/in/deep/d.txt', '/in/deep/er/e.txt']],
    ['in/a.txt', ['in/a.txt']],
    ['in/?.txt', ['in/a.txt', 'in/b.txt']],
    ['/in/none/*', []],
    ['/none', []],
  ])('%s', async (pattern, expected) => {
    expect(await found(pattern)).toEqual(expected)
  })

  it('finds a file once that several patterns match, sorted', async () => {
    expect(await found('/in/b.txt', '/in/[ab].txt', '/in/a.txt')).toEqual(['/in/a.txt', '/in/b.txt'])
  })
})

describe('patterns', () => {
  it('expand nested braces and leave others alone', () => {
    expect(expandBraces('a{b,c{d,e}}f')).toEqual(['abf', 'acdf', 'acef'])
    expect(expandBraces('a{b}c{d')).toEqual(['a{b}c{d'])
    expect(expandBraces(String.raw`\{a,b}`)).toEqual([String.raw`\{a,b}`])
  })

  it('take characters of regular expressions literally', () => {
    expect(nameToRegex('a+(b).c$').test('a+(b).c$')).toBe(true)
    expect(nameToRegex('a.c').test('abc')).toBe(false)
  })

  it('with a range that is none are refused', () => {
    expect(() => nameToRegex('[z-a]')).toThrow('not a valid file pattern')
  })
})
