import { describe, expect, it } from 'vitest'
import { attempt, checkpointId, type TaskId, taskId } from '../../core/ids.ts'
import { MemoryFileSystem } from '../../testing/simulator/memory-file-system.ts'
import {
  readSample,
  SAMPLE_DIRECTORY,
  sampleManifest,
  sampleState,
  startSample,
  writeSample,
} from '../../testing/simulator/sample-checkpoint.ts'
import { SeededRandom } from '../../testing/simulator/seeded-random.ts'
import { isTidemarkError } from '../../core/errors.ts'
import type { JobStart } from '../job/start-job.ts'
import { stateFilePath } from './checkpoint-paths.ts'
import { FileCheckpointStorage } from './file-checkpoint-storage.ts'

async function started(): Promise<{ disk: MemoryFileSystem; start: JobStart; runPath: string }> {
  const disk = new MemoryFileSystem()
  const start = await startSample(disk, new SeededRandom(1))
  return { disk, start, runPath: `${SAMPLE_DIRECTORY}/run-${start.run}` }
}

/** Whatever reads a checkpoint: finding it, its state, its files. */
async function readEverything(start: JobStart, number: number): Promise<void> {
  const checkpoint = (await start.storage.list()).find((item) => item.checkpoint === number)
  if (checkpoint === undefined) throw new Error(`checkpoint ${number} is not listed`)
  await start.storage.verify(checkpoint)
}

async function errorOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => null,
    (error: unknown) => error,
  )
}

describe('file checkpoint storage', () => {
  it('lays a checkpoint out as state files beside a manifest', async () => {
    const { disk, start, runPath } = await started()
    const completed = await writeSample(start, 1)
    expect(completed.path).toBe(`${runPath}/chk-1`)
    expect(disk.paths(runPath)).toEqual([
      `${runPath}/chk-1/%43ount%20words%2f%u0432%u0441%u0451~0-1-1`,
      `${runPath}/chk-1/%43ount%20words%2f%u0432%u0441%u0451~1-1-1`,
      `${runPath}/chk-1/manifest`,
    ])
  })

  it('lists complete checkpoints oldest first, with their manifests as they were written', async () => {
    const { start } = await started()
    const written = [await writeSample(start, 2), await writeSample(start, 9), await writeSample(start, 10)]
    expect(await start.storage.list()).toEqual(written)
    expect(written[0]!.manifest.vertices[0]!.tasks[1]!.watermark).toBe(Number.POSITIVE_INFINITY)
  })

  it('does not list a checkpoint whose manifest was never completed', async () => {
    const { start } = await started()
    await start.storage.forAttempt(attempt(1)).createStateFile(checkpointId(1), taskId('a', 0))
    expect(await start.storage.list()).toEqual([])
  })

  it('never writes a file twice: the second creation in the same attempt fails, another attempt has its own', async () => {
    const { start } = await started()
    const create = (number: number) =>
      start.storage.forAttempt(attempt(number)).createStateFile(checkpointId(1), taskId('a', 0))
    await create(1)
    await expect(create(1)).rejects.toMatchObject({ code: 'STORAGE_FAILED' })
    await expect(create(2)).resolves.toBeDefined()
  })

  it('takes nothing into a state file after a failure', async () => {
    const { disk, start } = await started()
    const writer = await start.storage.forAttempt(attempt(1)).createStateFile(checkpointId(1), taskId('a', 0))
    disk.inject(({ kind }) => (kind === 'sync' ? new Error('EIO') : undefined))
    await expect(writer.finish()).rejects.toMatchObject({ code: 'STORAGE_FAILED' })
    disk.inject(undefined)
    await expect(writer.finish()).rejects.toMatchObject({ code: 'STORAGE_FAILED' })
    await writer.abandon()
    await writer.abandon()
    expect(disk.paths(SAMPLE_DIRECTORY)).toEqual([`${SAMPLE_DIRECTORY}/job.json`])
  })

  it('refuses to complete a checkpoint once another process has started the job', async () => {
    const { disk, start } = await started()
    await writeSample(start, 1)
    const successor = await startSample(disk, new SeededRandom(2))
    await expect(writeSample(start, 2)).rejects.toMatchObject({ code: 'FENCED' })
    expect((await successor.storage.list()).map(({ checkpoint }) => checkpoint)).toEqual([1])
  })

  it('refuses to complete a checkpoint whose files are not there', async () => {
    const { disk, start } = await started()
    const { manifest } = await writeSample(start, 1)
    await disk.removeTree(`${SAMPLE_DIRECTORY}/run-${start.run}/chk-1`)
    await expect(start.storage.complete(manifest)).rejects.toMatchObject({ code: 'STORAGE_FAILED' })
    expect(await start.storage.list()).toEqual([])
  })

  it('says that nobody knows when the sync after the rename fails, and then deletes nothing', async () => {
    const { disk, start } = await started()
    let isRenamed = false
    disk.inject(({ kind }) => {
      if (kind === 'rename') isRenamed = true
      return isRenamed && kind === 'sync-directory' ? new Error('EIO') : undefined
    })
    await expect(writeSample(start, 1)).rejects.toMatchObject({ code: 'STORAGE_OUTCOME_UNKNOWN' })
    disk.inject(undefined)
    await start.storage.discard(checkpointId(1))
    expect((await start.storage.list()).map(({ checkpoint }) => checkpoint)).toEqual([1])
  })

  it.each(['torn', 'error'] as const)(
    'says that nobody knows when the rename fails (%s) and reading again fails too, and then deletes nothing',
    async (fault) => {
      const { disk, start, runPath } = await started()
      let isRenamed = false
      disk.inject(({ kind }) => {
        if (isRenamed) return kind === 'sync-directory' ? undefined : new Error('EIO')
        if (kind !== 'rename') return undefined
        isRenamed = true
        return fault === 'torn' ? 'torn' : new Error('EIO')
      })
      await expect(writeSample(start, 1)).rejects.toMatchObject({ code: 'STORAGE_OUTCOME_UNKNOWN' })
      disk.inject(undefined)
      const before = disk.paths(runPath)
      await start.storage.discard(checkpointId(1))
      expect(disk.paths(runPath)).toEqual(before)
    },
  )

  it('makes the newest checkpoint it lists durable, for its writer may have died before that', async () => {
    for (let seed = 0; seed < 20; seed++) {
      const { disk, start } = await started()
      const storage = new FileCheckpointStorage({ ...start, files: disk.attach(), directory: SAMPLE_DIRECTORY })
      await new Promise<void>((resolve) => {
        let isRenamed = false
        disk.inject(({ kind }) => {
          if (kind === 'rename') isRenamed = true
          if (!isRenamed || kind !== 'sync-directory') return undefined
          disk.kill()
          resolve()
          return undefined
        })
        void writeSample({ ...start, storage }, 1)
      })
      disk.inject(undefined)
      const listed = await start.storage.list()
      expect(listed).toHaveLength(1)
      disk.crash(new SeededRandom(seed))
      expect(await start.storage.list()).toEqual(listed)
    }
  })

  it('loads a checkpoint by its directory or manifest, from another job directory and after it was moved', async () => {
    const { disk, start } = await started()
    const written = await writeSample(start, 3)
    const other = new FileCheckpointStorage({ ...start, files: disk, directory: '/elsewhere' })
    const reader = { ...start, storage: other }
    const states = [0, 1].map((subtask) => sampleState(checkpointId(3), subtask))
    for (const path of [written.path, `${written.path}/manifest`]) {
      expect(await start.storage.load(path)).toEqual(written)
      const loaded = await other.load(path)
      expect(loaded.path).toBe(written.path)
      expect(await readSample(reader, loaded)).toEqual(states)
      await other.verify(loaded)
    }
    await disk.makeDirectory('/backup')
    await disk.rename(written.path, '/backup/friday')
    const moved = await other.load('/backup/friday')
    expect(await readSample(reader, moved)).toEqual(states)
    await expect(other.load(written.path)).rejects.toMatchObject({ code: 'CHECKPOINT_NOT_FOUND' })
  })

  it('removes a checkpoint whole, and again without harm', async () => {
    const { disk, start, runPath } = await started()
    const first = await writeSample(start, 1)
    const second = await writeSample(start, 2)
    await start.storage.remove(first)
    await start.storage.remove(first)
    expect(await start.storage.list()).toEqual([second])
    expect(disk.paths(runPath).every((path) => path.startsWith(`${runPath}/chk-2/`))).toBe(true)
  })

  it('sweeps what no complete checkpoint uses, and leaves other runs and strangers alone', async () => {
    const { disk, start, runPath } = await started()
    await writeSample(start, 1)
    const complete = disk.paths(runPath)
    disk.put(`${runPath}/chk-1/left-1-1`, 'x')
    disk.put(`${runPath}/chk-1/manifest.1-1-1.partial`, 'x')
    disk.put(`${runPath}/chk-2/left-1-1`, 'x')
    disk.put(`${SAMPLE_DIRECTORY}/run-other/chk-4/left-1-1`, 'x')
    disk.put(`${SAMPLE_DIRECTORY}/run-other/chk-5/manifest`, 'of somebody else')
    disk.put(`${SAMPLE_DIRECTORY}/run-other/chk-5/state-1-1`, 'x')
    disk.put(`${SAMPLE_DIRECTORY}/notes.txt`, 'x')
    await start.storage.sweep()
    const kept = ['job.json', 'notes.txt', 'run-other/chk-5/manifest', 'run-other/chk-5/state-1-1']
    const expected = [...kept.map((name) => `${SAMPLE_DIRECTORY}/${name}`), ...complete].sort()
    expect(disk.paths(SAMPLE_DIRECTORY)).toEqual(expected)
    expect(await disk.list(runPath)).toEqual(['chk-1'])
  })

  it('removes the files of a late acknowledgement and nothing else', async () => {
    const { disk, start, runPath } = await started()
    const writer = await start.storage.forAttempt(attempt(1)).createStateFile(checkpointId(1), taskId('a', 0))
    const file = await writer.finish()
    disk.put('/data/precious', 'x')
    await start.storage.discardFiles([file, { ...file, path: '../precious' }])
    expect(disk.paths(runPath)).toEqual([])
    expect(disk.text('/data/precious')).toBe('x')
  })

  it('finds every changed and every missing byte of a checkpoint and names the file', async () => {
    const { disk, start, runPath } = await started()
    await writeSample(start, 1)
    let positions = 0
    for (const path of disk.paths(runPath)) {
      const original = disk.get(path)!
      for (let position = 0; position < original.length; position++) {
        const changed = Uint8Array.from(original)
        changed[position] = changed[position]! ^ (1 << (position % 8))
        const shortened = Uint8Array.from([...original.subarray(0, position), ...original.subarray(position + 1)])
        for (const content of [changed, original.subarray(0, position), shortened]) {
          disk.put(path, content)
          const error = await errorOf(readEverything(start, 1))
          expect(isTidemarkError(error), `${path} at ${position}: ${String(error)}`).toBe(true)
          if (!isTidemarkError(error)) continue
          expect(['CHECKPOINT_CORRUPT', 'UNSUPPORTED']).toContain(error.code)
          expect(error.context.file).toBe(path)
          expect(error.message).toContain(path)
        }
        positions++
      }
      disk.put(path, original)
    }
    expect(positions).toBeGreaterThan(1000)
    await readEverything(start, 1)
  })

  it('verifies state when it reads it, also without verifying the files before', async () => {
    const { disk, start } = await started()
    const checkpoint = await writeSample(start, 1)
    const path = `${SAMPLE_DIRECTORY}/${checkpoint.manifest.files[0]!.path}`
    disk.put(path, disk.get(path)!.fill(0, 5, 6))
    const error = await errorOf(readSample(start, checkpoint))
    expect(error).toMatchObject({ code: 'CHECKPOINT_CORRUPT', context: { file: path } })
    expect(String(error)).toMatch(/expected CRC-32C 0x[0-9a-f]{8}, found 0x[0-9a-f]{8}/)
    await disk.remove(path)
    await expect(readSample(start, checkpoint)).rejects.toMatchObject({ code: 'CHECKPOINT_CORRUPT' })
  })

  it('refuses a manifest that lies in the directory of another checkpoint', async () => {
    const { disk, start, runPath } = await started()
    await writeSample(start, 1)
    await disk.rename(`${runPath}/chk-1`, `${runPath}/chk-2`)
    await expect(start.storage.list()).rejects.toMatchObject({ code: 'CHECKPOINT_CORRUPT' })
  })

  it('completes a checkpoint that has no files of its own', async () => {
    const { start } = await started()
    const completed = await start.storage.complete(sampleManifest(start.run, start.epoch, checkpointId(1), []))
    expect(await start.storage.list()).toEqual([completed])
  })
})

describe('names of state files', () => {
  it('differ for tasks that differ, also where case is ignored, and stay short', async () => {
    const { start } = await started()
    const long = 'x'.repeat(300)
    const tasks = ['a#1', 'A#1', 'a~1', 'a%1', 'a/1', '../a#1', 'ä#1', '\ud800#1', '\ud801#1', 'a#11', long, `${long}y`]
    const paths = tasks.map((task) =>
      stateFilePath(start.run, checkpointId(1), task as TaskId, start.epoch, attempt(1)),
    )
    expect(new Set(paths.map((path) => path.toLowerCase())).size).toBe(tasks.length)
    for (const path of paths) expect(path.split('/').at(-1)).toMatch(/^[a-z0-9_~%-]{1,130}$/)
  })
})
