import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { FileSystem } from '../../core/file-system.ts'
import { SourceRun } from '../../testing/connector-contract/source-run.ts'
import { checkSourceContract } from '../../testing/connector-contract/source-contract.ts'
import { VirtualClock } from '../../testing/connector-contract/virtual-clock.ts'
import { MemoryFileSystem } from '../../testing/simulator/memory-file-system.ts'
import { SeededRandom } from '../../testing/simulator/seeded-random.ts'
import type { LinesOptions } from './file-source.ts'
import { lines } from './lines.ts'

function disk(contents: Readonly<Record<string, string | Uint8Array>>): MemoryFileSystem {
  const files = new MemoryFileSystem()
  for (const [path, content] of Object.entries(contents)) files.put(path, content)
  return files
}

async function begin(
  files: MemoryFileSystem,
  glob: string | readonly string[],
  options: LinesOptions = {},
  parallelism = 1,
) {
  const source = lines(glob, options)
  return { source, run: await SourceRun.start({ source, parallelism, clock: new VirtualClock(), files }) }
}

async function readAll(files: MemoryFileSystem, glob: string | readonly string[], options: LinesOptions = {}) {
  const { run } = await begin(files, glob, options)
  await run.read(Infinity, 7)
  await run.close()
  return run.records
}

/** What the lines of a text are, said in the plainest way. */
function naiveLines(text: string): string[] {
  const parts = text.split('\n')
  const last = parts.pop()!
  const whole = parts.map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line))
  return last === '' ? whole : [...whole, last]
}

const anyText = fc
  .array(
    fc.oneof(
      { weight: 3, arbitrary: fc.string({ unit: 'binary', maxLength: 12 }) },
      { weight: 3, arbitrary: fc.string({ unit: 'grapheme-ascii', maxLength: 30 }) },
      fc.constantFrom('\n', '\r\n', '\n\n', '\r', 'é', '—', '😀'),
      fc.nat(3).map((length) => 'x'.repeat(length * 1500)),
    ),
    { maxLength: 40 },
  )
  .chain((parts) => fc.constantFrom('', '\n', '\r\n').map((separator) => parts.join(separator)))
  // Encoded and decoded, so that unpaired surrogates are what a file would hold; no byte order mark by chance.
  .map((text) => new TextDecoder().decode(new TextEncoder().encode(`.${text}`)))

/**
 * Into how many pieces a text is cut: as splits, and as chunks of each read. A split that begins inside a line reads to that line's end, so what a run costs is splits times chunks: numbers of pieces
 * bound it, where sizes in bytes would not (a line of 100,000 bytes in splits of one byte, read byte by byte, takes hours).
 */
const anyPieces = fc.record({ chunks: fc.integer({ min: 1, max: 100 }), splits: fc.integer({ min: 1, max: 100 }) })

function sizesFor(texts: readonly string[], pieces: { readonly chunks: number; readonly splits: number }) {
  const longest = Math.max(...texts.map((text) => Buffer.byteLength(text)))
  return { chunkSize: Math.ceil(longest / pieces.chunks), splitSize: Math.ceil(longest / pieces.splits) }
}

describe('lines', () => {
  it('are exactly those of a plain split, whatever the sizes of chunks and splits', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyText, { minLength: 1, maxLength: 3 }),
        anyPieces,
        fc.integer({ min: 1, max: 4 }),
        async (texts, pieces, parallelism) => {
          const files = disk(Object.fromEntries(texts.map((text, index) => [`/in/${index}.txt`, text])))
          const { run } = await begin(files, '/in/*.txt', sizesFor(texts, pieces), parallelism)
          await run.read(Infinity, 5)
          expect([...run.records].sort()).toEqual(texts.flatMap(naiveLines).sort())
        },
      ),
      { numRuns: 200 },
    )
  })

  it('come in order within a file that is one split', async () => {
    await fc.assert(
      fc.asyncProperty(anyText, fc.integer({ min: 1, max: 50_000 }), async (text, chunkSize) => {
        const files = disk({ '/in/a.txt': text })
        expect(await readAll(files, '/in/a.txt', { chunkSize })).toEqual(naiveLines(text))
      }),
      { numRuns: 200 },
    )
  })

  it('are replayed exactly from every position, with any parallelism', async () => {
    await fc.assert(
      fc.asyncProperty(anyText, anyText, anyPieces, fc.nat(), async (left, right, pieces, seed) => {
        const files = disk({ '/in/left': left, '/in/right': right })
        const records = await checkSourceContract({
          create: () => lines('/in', sizesFor([left, right], pieces)),
          files,
          random: new SeededRandom(seed),
          positions: 6,
        })
        expect([...records].sort()).toEqual([...naiveLines(left), ...naiveLines(right)].sort())
      }),
      { numRuns: 100 },
    )
  })

  it('have a position that names the byte at which each of them starts', async () => {
    await fc.assert(
      fc.asyncProperty(anyText, fc.integer({ min: 1, max: 9 }), fc.boolean(), async (text, max, skipEmptyLines) => {
        const bytes = Buffer.from(text)
        const { run } = await begin(disk({ '/in/a': text }), '/in/a', { skipEmptyLines, chunkSize: 10_000 })
        while (!run.isFinished) {
          await run.settle()
          const before = run.records.length
          run.poll(0, max)
          for (const [index, line] of run.records.slice(before).entries()) {
            const [, offset] = /^\/in\/a byte (\d+)$/.exec(run.describePosition(0, index)!)!
            const start = Number(offset)
            expect(start === 0 || bytes[start - 1] === 10).toBe(true)
            expect(naiveLines(bytes.subarray(start).toString())[0]).toBe(line)
          }
        }
      }),
      { numRuns: 200 },
    )
  })

  it('begin without the byte order mark', async () => {
    const files = disk({ '/a': '\u{FEFF}first\nsecond', '/b': '\u{FEFF}' })
    expect(await readAll(files, ['/a', '/b'])).toEqual(['first', 'second'])
  })

  it('hold U+FFFD for bytes that are not UTF-8, or fail, or are read as latin1', async () => {
    const files = disk({ '/a': Uint8Array.of(0x61, 0xff, 0x0a, 0x62) })
    expect(await readAll(files, '/a')).toEqual(['a\u{FFFD}', 'b'])
    expect(await readAll(files, '/a', { encoding: 'latin1' })).toEqual(['aÿ', 'b'])
    await expect(readAll(files, '/a', { invalidBytes: 'fail' })).rejects.toMatchObject({ code: 'CORRUPT_DATA' })
  })

  it('keep their positions right where invalid bytes make text and bytes differ in length', async () => {
    const files = disk({ '/a': Buffer.concat([Uint8Array.of(0xff, 0xfe, 0x0a), Buffer.from('one\ntwo\nthree\n')]) })
    await checkSourceContract({ create: () => lines('/a'), files, random: new SeededRandom(1) })
  })

  it('that are too long fail with the place, whether or not they fit in a chunk', async () => {
    const files = disk({ '/a': `short\n${'x'.repeat(100)}\nshort` })
    for (const chunkSize of [1, 16, 1000]) {
      await expect(readAll(files, '/a', { maxLineLength: 20, chunkSize })).rejects.toThrow('/a byte 6')
      expect(await readAll(files, '/a', { maxLineLength: 100, chunkSize })).toHaveLength(3)
    }
  })

  it('can be read without the empty ones', async () => {
    expect(await readAll(disk({ '/a': '\n\na\r\n\r\nb' }), '/a', { skipEmptyLines: true })).toEqual(['a', 'b'])
  })
})

describe('the files of lines', () => {
  it('must exist: a pattern that matches nothing is an error that names it', async () => {
    await expect(begin(disk({ '/in/a.md': '' }), '/in/*.txt')).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringContaining('/in/*.txt') as string,
    })
  })

  it('may grow: only what was there at the start is read', async () => {
    const files = disk({ '/a': 'one\ntwo\n' })
    const { run, source } = await begin(files, '/a')
    await run.read(1, 1)
    const restored = run.snapshot()
    const grown = growing(files, '/a', 'three\n')
    const again = await SourceRun.start({ source, parallelism: 1, clock: new VirtualClock(), files: grown, restored })
    await again.read(Infinity, 9)
    expect(again.records).toEqual(['two'])
  })

  it.each([
    ['replaced', 'one\nXXX\n'],
    ['cut', 'one\n'],
    ['replaced by a longer one', 'onetwo\nthree\nfour\n'],
  ])('must not be %s between start and restore', async (_, content) => {
    const files = disk({ '/a': 'one\ntwo\n' })
    const { run, source } = await begin(files, '/a')
    await run.read(1, 1)
    const restored = run.snapshot()
    files.put('/a', content)
    const again = await SourceRun.start({ source, parallelism: 1, clock: new VirtualClock(), files, restored })
    await expect(again.read(Infinity, 9)).rejects.toMatchObject({ code: 'SOURCE_FAILED', context: { file: '/a' } })
  })

  it('are shared out: every reader of four gets some of a file with many splits', async () => {
    const text = Array.from({ length: 400 }, (_, index) => `line ${index}`).join('\n')
    const { run } = await begin(disk({ '/a': text }), '/a', { splitSize: 100 }, 4)
    const emittedBy = [0, 0, 0, 0]
    while (!run.isFinished) {
      await run.settle()
      for (const subtask of emittedBy.keys()) {
        const before = run.records.length
        run.poll(subtask, 3)
        emittedBy[subtask]! += run.records.length - before
      }
    }
    expect(Math.min(...emittedBy)).toBeGreaterThan(0)
    expect(run.records).toHaveLength(400)
  })
})

/** The same files, one of which has more at its end. */
function growing(files: MemoryFileSystem, path: string, more: string): FileSystem {
  return {
    create: (name) => files.create(name),
    read: async (name, offset, length) => {
      const content = `${files.text(name)}${name === path ? more : ''}`
      return Buffer.from(content).subarray(offset, offset + length)
    },
    stat: async (name) => {
      const found = await files.stat(name)
      return name === path && found !== null ? { ...found, size: found.size + more.length, modifiedMs: 99 } : found
    },
    list: (name) => files.list(name),
    makeDirectory: (name) => files.makeDirectory(name),
    rename: (from, to) => files.rename(from, to),
    link: (existing, name) => files.link(existing, name),
    remove: (name) => files.remove(name),
    removeTree: (name) => files.removeTree(name),
    syncDirectory: (name) => files.syncDirectory(name),
  }
}
