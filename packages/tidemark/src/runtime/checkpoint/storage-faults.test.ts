import { describe, expect, it } from 'vitest'
import { isTidemarkError } from '../../core/errors.ts'
import type { FileSystem, FileWriter } from '../../core/file-system.ts'
import { type FileFault, type FileOperation, MemoryFileSystem } from '../../testing/simulator/memory-file-system.ts'
import {
  readSample,
  SAMPLE_DIRECTORY,
  sampleState,
  startSample,
  writeSample,
} from '../../testing/simulator/sample-checkpoint.ts'
import { SeededRandom } from '../../testing/simulator/seeded-random.ts'
import type { CompletedCheckpoint } from './contract.ts'

/** What the storage has promised so far. */
interface Promises {
  epoch: number
  /** Completed, and their removal has not begun. */
  readonly complete: Set<number>
  /** Completing failed for certain. */
  readonly failed: Set<number>
  /** Either is allowed: under way, removal begun, outcome unknown. */
  readonly open: Set<number>
  readonly errors: unknown[]
}

function noPromises(): Promises {
  return { epoch: 0, complete: new Set(), failed: new Set(), open: new Set(), errors: [] }
}

/** A process of a job: start, sweep, three checkpoints of which one is kept, suspend. Stops at the first error. */
async function runOnce(files: FileSystem, seed: number, promises: Promises): Promise<void> {
  try {
    const start = await startSample(files, new SeededRandom(seed))
    expect(start.epoch).toBeGreaterThan(promises.epoch)
    promises.epoch = start.epoch
    await start.storage.sweep()
    let previous: CompletedCheckpoint | null = start.restore
    const first = (previous?.checkpoint ?? 0) + 1
    for (let number = first; number < first + 3; number++) {
      promises.open.add(number)
      const completed = await complete(() => writeSample(start, number), number, promises)
      if (previous !== null) {
        promises.complete.delete(previous.checkpoint)
        promises.open.add(previous.checkpoint)
        await start.storage.remove(previous)
        promises.open.delete(previous.checkpoint)
        promises.failed.add(previous.checkpoint)
      }
      previous = completed
    }
    await start.directory.setStatus('suspended')
  } catch (error) {
    promises.errors.push(error)
  }
}

async function complete(
  write: () => Promise<CompletedCheckpoint>,
  number: number,
  promises: Promises,
): Promise<CompletedCheckpoint> {
  try {
    const completed = await write()
    promises.open.delete(number)
    promises.complete.add(number)
    return completed
  } catch (error) {
    if (isTidemarkError(error) && error.code === 'STORAGE_FAILED') {
      promises.open.delete(number)
      promises.failed.add(number)
    }
    throw error
  }
}

/** Starts again without faults, and checks that nothing promised is gone and nothing torn is there. */
async function checkRestart(disk: MemoryFileSystem, promises: Promises): Promise<void> {
  disk.inject(undefined)
  const start = await startSample(disk, new SeededRandom(77))
  expect(start.epoch).toBeGreaterThan(promises.epoch)
  await start.storage.sweep()
  const listed = await start.storage.list()
  const numbers = listed.map(({ checkpoint }) => checkpoint)
  for (const number of promises.complete) expect(numbers).toContain(number)
  for (const number of promises.failed) expect(numbers).not.toContain(number)
  for (const checkpoint of listed) {
    await start.storage.verify(checkpoint)
    const states = await readSample(start, checkpoint)
    expect(states).toEqual([0, 1].map((subtask) => sampleState(checkpoint.checkpoint, subtask)))
  }
  expect(start.restore?.checkpoint).toBe(numbers.at(-1))
  const used = listed.flatMap(({ path, manifest }) => [
    `${path}/manifest`,
    ...manifest.files.map((file) => `${SAMPLE_DIRECTORY}/${file.path}`),
  ])
  expect(disk.paths(SAMPLE_DIRECTORY)).toEqual([`${SAMPLE_DIRECTORY}/job.json`, ...used].sort())
  promises.epoch = start.epoch
}

/** A disk on which one process has run without faults: its state is what the faulty one meets. */
async function prepared(promises: Promises): Promise<MemoryFileSystem> {
  const disk = new MemoryFileSystem()
  await runOnce(disk, 1, promises)
  expect(promises.errors).toEqual([])
  return disk
}

async function countOperations(isSecondRun: boolean): Promise<readonly FileOperation[]> {
  const operations: FileOperation[] = []
  const promises = noPromises()
  const disk = isSecondRun ? await prepared(promises) : new MemoryFileSystem()
  disk.inject((operation) => {
    operations.push(operation)
    return undefined
  })
  await runOnce(disk, 2, promises)
  expect(promises.errors).toEqual([])
  return operations
}

function failure(): Error {
  return Object.assign(new Error('EIO: injected'), { code: 'EIO' })
}

/** Runs until the `index`-th operation, which ends the process by a power failure. Answers how the restart went. */
async function crashAt(index: number, seed: number, isSecondRun: boolean, wrap: (files: FileSystem) => FileSystem) {
  const promises = noPromises()
  const disk = isSecondRun ? await prepared(promises) : new MemoryFileSystem()
  let count = 0
  const crashed = new Promise<void>((resolve) => {
    disk.inject(() => {
      if (count++ === index) {
        disk.crash(new SeededRandom(seed))
        resolve()
      }
      return undefined
    })
  })
  await Promise.race([crashed, runOnce(wrap(disk.attach()), 2, promises)])
  await checkRestart(disk, promises)
}

describe('checkpoint storage when an operation fails', () => {
  it.each([
    { place: 'a new directory', isSecondRun: false, fault: 'error' },
    { place: 'a new directory', isSecondRun: false, fault: 'torn' },
    { place: 'a used directory', isSecondRun: true, fault: 'error' },
    { place: 'a used directory', isSecondRun: true, fault: 'torn' },
  ] as const)('survives each single failure ($fault) in $place, with and without a crash', async (given) => {
    const operations = await countOperations(given.isSecondRun)
    const seen = new Set<string>()
    for (const [index, expected] of operations.entries()) {
      for (const seed of [0, 1, 2]) {
        const promises = noPromises()
        const disk = given.isSecondRun ? await prepared(promises) : new MemoryFileSystem()
        let count = 0
        disk.inject((): FileFault | undefined => {
          if (count++ !== index) return undefined
          return given.fault === 'torn' ? 'torn' : failure()
        })
        await runOnce(disk, 2, promises)
        for (const error of promises.errors) {
          expect(isTidemarkError(error), `${expected.kind} ${expected.path}: ${String(error)}`).toBe(true)
          if (isTidemarkError(error)) {
            seen.add(error.code)
            expect(['STORAGE_FAILED', 'STORAGE_OUTCOME_UNKNOWN']).toContain(error.code)
            expect(error.context.file).toContain(SAMPLE_DIRECTORY)
          }
        }
        if (seed > 0) disk.crash(new SeededRandom(seed))
        await checkRestart(disk, promises)
      }
    }
    expect([...seen].sort()).toEqual(['STORAGE_FAILED', 'STORAGE_OUTCOME_UNKNOWN'])
  })

  it('keeps every promise through a power failure at any operation, whatever the disk forgets', async () => {
    for (const isSecondRun of [false, true]) {
      const { length } = await countOperations(isSecondRun)
      for (let index = 0; index < length; index++) {
        for (let seed = 0; seed < 12; seed++) await crashAt(index, seed, isSecondRun, (files) => files)
      }
    }
  })

  it.each(['content', 'names'] as const)('would be found out if it forgot to sync %s', async (what) => {
    const { length } = await countOperations(true)
    let found = 0
    for (let index = 0; index < length; index++) {
      for (let seed = 0; seed < 4; seed++) {
        await crashAt(index, seed, true, (files) => forgetful(files, what)).catch(() => found++)
      }
    }
    expect(found).toBeGreaterThan(0)
  })
})

function nothing(): Promise<void> {
  return Promise.resolve()
}

/** A planted bug: says that it synced. */
function forgetful(files: FileSystem, what: 'content' | 'names'): FileSystem {
  const create = async (path: string): Promise<FileWriter> => {
    const writer = await files.create(path)
    return { write: (bytes) => writer.write(bytes), sync: nothing, close: () => writer.close() }
  }
  return {
    create: what === 'content' ? create : (path) => files.create(path),
    read: (path, offset, length) => files.read(path, offset, length),
    stat: (path) => files.stat(path),
    list: (path) => files.list(path),
    makeDirectory: (path) => files.makeDirectory(path),
    rename: (from, to) => files.rename(from, to),
    link: (existing, name) => files.link(existing, name),
    remove: (path) => files.remove(path),
    removeTree: (path) => files.removeTree(path),
    syncDirectory: what === 'names' ? nothing : (path) => files.syncDirectory(path),
  }
}
