import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { unreachable } from '../../core/errors.ts'
import type { FileSystem, FileWriter } from '../../core/file-system.ts'
import { NodeFileSystem } from '../../runtime/storage/node-file-system.ts'
import { MemoryFileSystem } from './memory-file-system.ts'
import { SeededRandom } from './seeded-random.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

async function write(files: FileSystem, path: string, text: string, isSynced = true): Promise<void> {
  const writer = await files.create(path)
  await writer.write(bytes(text))
  if (isSynced) await writer.sync()
  await writer.close()
}

function move(synced: string): (files: MemoryFileSystem) => Promise<void> {
  return async (files) => {
    files.put('/from/a', 'x')
    files.put('/to/other', 'y')
    await files.rename('/from/a', '/to/b')
    await files.syncDirectory(synced)
  }
}

/** Everything that can be left after a crash of the disk that `prepare` makes, as text per outcome. */
async function outcomes(prepare: (files: MemoryFileSystem) => Promise<void>, crashes = 200): Promise<Set<string>> {
  const found = new Set<string>()
  for (let seed = 0; seed < crashes; seed++) {
    const disk = new MemoryFileSystem()
    await prepare(disk)
    disk.crash(new SeededRandom(seed))
    found.add(
      disk
        .paths()
        .map((path) => `${path}=${disk.text(path)!.replaceAll('\0', '0')}`)
        .join(' '),
    )
  }
  return found
}

describe('a crash of the memory file system', () => {
  it('keeps what was synced with its name', async () => {
    const found = await outcomes(async (files) => {
      await write(files, '/a', 'abc')
      await files.syncDirectory('/')
    })
    expect([...found]).toEqual(['/a=abc'])
  })

  it('may forget a name whose directory was not synced, but not the content behind it', async () => {
    expect(await outcomes((files) => write(files, '/a', 'abc'))).toEqual(new Set(['', '/a=abc']))
  })

  it('keeps, cuts or zeroes content that was not synced', async () => {
    const found = await outcomes(async (files) => {
      await write(files, '/a', 'abc', false)
      await files.syncDirectory('/')
    })
    expect(found).toEqual(new Set(['/a=abc', '/a=ab', '/a=a', '/a=', '/a=000', '/a=a00', '/a=ab0']))
  })

  it('performs a rename whole or not at all', async () => {
    const found = await outcomes(async (files) => {
      files.put('/a', 'new')
      files.put('/b', 'old')
      await files.rename('/a', '/b')
    })
    expect(found).toEqual(new Set(['/a=new /b=old', '/b=new']))
  })

  it('never loses a file that moves between directories, whichever of them is synced', async () => {
    expect(await outcomes(move('/to'))).toEqual(new Set(['/from/a=x /to/b=x /to/other=y', '/to/b=x /to/other=y']))
    expect(await outcomes(move('/from'))).toEqual(new Set(['/to/b=x /to/other=y']))
  })

  it('forgets names independently of each other', async () => {
    const found = await outcomes(async (files) => {
      await write(files, '/a', '1')
      await write(files, '/b', '2')
    })
    expect(found).toEqual(new Set(['', '/a=1', '/b=2', '/a=1 /b=2']))
  })

  it('forgets a directory with all that it holds when its own name was not synced', async () => {
    const found = await outcomes(async (files) => {
      await files.makeDirectory('/d')
      await write(files, '/d/a', '1')
      await files.syncDirectory('/d')
    })
    expect(found).toEqual(new Set(['', '/d/a=1']))
  })

  it('keeps content uncertain for ever once its sync failed, though a later sync succeeds', async () => {
    const found = await outcomes(async (files) => {
      const writer = await files.create('/a')
      await files.syncDirectory('/')
      await writer.write(bytes('ab'))
      files.inject(({ kind }) => (kind === 'sync' ? new Error('EIO') : undefined))
      await expect(writer.sync()).rejects.toThrow('EIO')
      files.inject(undefined)
      await writer.sync()
    })
    expect(found).toEqual(new Set(['/a=ab', '/a=a', '/a=', '/a=00', '/a=a0']))
  })

  it('ends the life of writers and views: their calls have no effect and never settle', async () => {
    const disk = new MemoryFileSystem()
    const view = disk.attach()
    const writer = await view.create('/a')
    disk.kill()
    let settled = 0
    for (const call of [writer.write(bytes('x')), view.makeDirectory('/d'), writer.close()]) {
      void call.finally(() => settled++)
    }
    await disk.stat('/a')
    expect(settled).toBe(0)
    expect(disk.text('/a')).toBe('')
    expect(await disk.list('/')).toEqual(['a'])
  })

  it('gives faults their effect: none for an error, half or whole for a torn operation', async () => {
    const disk = new MemoryFileSystem()
    const writer = await disk.create('/a')
    disk.inject(() => 'torn')
    await expect(writer.write(bytes('abcd'))).rejects.toMatchObject({ code: 'EIO' })
    await expect(disk.rename('/a', '/b')).rejects.toMatchObject({ code: 'EIO' })
    expect(disk.text('/b')).toBe('ab')
    disk.inject(() => new Error('no'))
    await expect(disk.rename('/b', '/c')).rejects.toThrow('no')
    expect(disk.paths()).toEqual(['/b'])
  })
})

const NAMES = ['a', 'b', 'd', 'd/a', 'd/b', 'd/e', 'd/e/a', 'a/x']
const path = fc.constantFrom(...NAMES)
const operation = fc.oneof(
  fc.record({ kind: fc.constant('write' as const), path, text: fc.string({ maxLength: 5 }) }),
  fc.record({ kind: fc.constant('read' as const), path, offset: fc.nat(6), length: fc.nat(6) }),
  fc.record({
    kind: fc.constantFrom('stat' as const, 'list' as const, 'make' as const, 'remove' as const),
    path,
  }),
  fc.record({ kind: fc.constantFrom('tree' as const, 'sync' as const), path }),
  fc.record({ kind: fc.constantFrom('rename' as const, 'link' as const), path, to: path }),
)
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never

/** The result of an operation, or the code of its error. */
async function perform(files: FileSystem, root: string, step: Operation, writers: FileWriter[]): Promise<unknown> {
  const at = `${root}/${step.path}`
  try {
    switch (step.kind) {
      case 'write': {
        const writer = await files.create(at)
        writers.push(writer)
        await writer.write(bytes(step.text))
        await writer.sync()
        return 'written'
      }
      case 'read':
        return [...(await files.read(at, step.offset, step.length))]
      case 'stat': {
        const found = await files.stat(at)
        return found === null ? null : [found.kind, found.size]
      }
      case 'list':
        return await files.list(at)
      case 'make':
        await files.makeDirectory(at)
        return 'made'
      case 'remove':
        await files.remove(at)
        return 'removed'
      case 'tree':
        await files.removeTree(at)
        return 'removed'
      case 'sync':
        await files.syncDirectory(at)
        return 'synced'
      case 'rename':
        await files.rename(at, `${root}/${step.to}`)
        return 'renamed'
      case 'link':
        await files.link(at, `${root}/${step.to}`)
        return 'linked'
      default:
        return unreachable(step)
    }
  } catch (error) {
    return error instanceof Error && 'code' in error ? error.code : error
  }
}

describe.runIf(process.platform === 'linux')('the memory file system', () => {
  it('answers every sequence of operations as the file system of the machine does', async () => {
    const parent = await mkdtemp(join(tmpdir(), 'tidemark-files-'))
    let runs = 0
    try {
      await fc.assert(
        fc.asyncProperty(fc.array(operation, { minLength: 1, maxLength: 25 }), async (steps) => {
          const real = new NodeFileSystem()
          const memory = new MemoryFileSystem()
          const root = `${parent}/${runs++}`
          await real.makeDirectory(root)
          await memory.makeDirectory('/root')
          const writers: FileWriter[] = []
          const looks = NAMES.flatMap((name) => (['stat', 'list'] as const).map((kind) => ({ kind, path: name })))
          try {
            for (const [index, step] of [...steps, ...looks].entries()) {
              const expected = await perform(real, root, step, writers)
              expect([index, await perform(memory, '/root', step, writers)]).toEqual([index, expected])
            }
          } finally {
            for (const writer of writers) await writer.close()
          }
        }),
        { numRuns: 300 },
      )
    } finally {
      await rm(parent, { recursive: true })
    }
  })

  it('gives a replaced file another identity and a renamed file the same', async () => {
    const root = await mkdtemp(join(tmpdir(), 'tidemark-files-'))
    for (const [files, at] of [[new NodeFileSystem(), root] as const, [new MemoryFileSystem(), ''] as const]) {
      await write(files, `${at}/a`, '1')
      await write(files, `${at}/b`, '2')
      const before = (await files.stat(`${at}/a`))?.identity
      expect((await files.stat(`${at}/b`))?.identity).not.toBe(before)
      await files.rename(`${at}/a`, `${at}/b`)
      expect((await files.stat(`${at}/b`))?.identity).toBe(before)
    }
    await rm(root, { recursive: true })
  })
})
