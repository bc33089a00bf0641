import { describe, expect, it } from 'vitest'
import { MemoryFileSystem } from '../../testing/simulator/memory-file-system.ts'
import { SAMPLE_DIRECTORY, startSample, writeSample } from '../../testing/simulator/sample-checkpoint.ts'
import { SeededRandom } from '../../testing/simulator/seeded-random.ts'
import { openJobDirectory } from './job-directory.ts'

const RECORD = `${SAMPLE_DIRECTORY}/job.json`

function open(files: MemoryFileSystem, job = 'sample') {
  return openJobDirectory({ files, directory: SAMPLE_DIRECTORY, job, now: () => 5, random: new SeededRandom(9) })
}

describe('the directory of a job', () => {
  it('has no record at first, and a durable one as soon as a run has started', async () => {
    for (let seed = 0; seed < 20; seed++) {
      const disk = new MemoryFileSystem()
      const directory = await open(disk)
      expect(directory.previous).toBeNull()
      const started = await directory.startRun({ kind: 'new', from: null })
      disk.crash(new SeededRandom(seed))
      const record = { ...started, job: 'sample', status: 'running', from: null, updatedAt: 5 }
      expect((await open(disk)).previous).toEqual(record)
    }
  })

  it('is durable with all directories above it, also when somebody had made them and not synced them', async () => {
    for (let seed = 0; seed < 20; seed++) {
      const disk = new MemoryFileSystem()
      // As the job master does to find the place of the lock.
      await disk.makeDirectory(SAMPLE_DIRECTORY)
      await (await open(disk)).startRun({ kind: 'new', from: null })
      disk.crash(new SeededRandom(seed))
      expect((await open(disk)).previous?.status).toBe('running')
    }
  })

  it('makes durable what a start that was killed at any operation has left', async () => {
    let isKilled = true
    for (let index = 0; isKilled; index++) {
      for (let seed = 0; seed < 8; seed++) {
        const disk = new MemoryFileSystem()
        let count = 0
        const killed = new Promise<boolean>((resolve) => {
          disk.inject(() => {
            if (count++ !== index) return undefined
            disk.kill()
            resolve(true)
            return undefined
          })
        })
        const first = startSample(disk.attach(), new SeededRandom(1)).then(() => false)
        isKilled = await Promise.race([killed, first])
        disk.inject(undefined)
        const { epoch } = await startSample(disk, new SeededRandom(2))
        disk.crash(new SeededRandom(seed))
        expect((await open(disk)).previous?.epoch).toBe(epoch)
      }
    }
  })

  it('removes with the next write what a failed one could not remove', async () => {
    const disk = new MemoryFileSystem()
    const { directory } = await startSample(disk, new SeededRandom(1))
    disk.inject(({ kind }) => (kind === 'rename' || kind === 'remove' ? new Error('ENOSPC') : undefined))
    await expect(directory.setStatus('finished')).rejects.toThrow(/ENOSPC/)
    expect(disk.paths(SAMPLE_DIRECTORY)).toHaveLength(2)
    disk.inject(undefined)
    await directory.setStatus('finished')
    expect(disk.paths(SAMPLE_DIRECTORY)).toEqual([RECORD])
  })

  it('keeps the run and raises the epoch when the run goes on; a new run has a new id', async () => {
    const disk = new MemoryFileSystem()
    const first = await startSample(disk, new SeededRandom(1))
    await writeSample(first, 1)
    const second = await startSample(disk, new SeededRandom(2))
    expect(second).toMatchObject({ run: first.run, epoch: 2, restore: { checkpoint: 1 } })
    await second.directory.setStatus('finished')
    const third = await startSample(disk, new SeededRandom(3))
    expect(third).toMatchObject({ epoch: 3, restore: null })
    expect(third.run).not.toBe(first.run)
  })

  it('remembers what a run was started from until it has a checkpoint of its own', async () => {
    const disk = new MemoryFileSystem()
    const first = await startSample(disk, new SeededRandom(1))
    const origin = await writeSample(first, 4)
    await first.directory.setStatus('finished')
    const killed = await startSample(disk, new SeededRandom(2), origin.path)
    expect(killed.restore).toEqual(origin)
    const again = await startSample(disk, new SeededRandom(3))
    expect(again.restore).toEqual(origin)
    await writeSample(again, 5)
    expect((await startSample(disk, new SeededRandom(4))).restore?.checkpoint).toBe(5)
  })

  it('refuses a status from a process whose job was started again', async () => {
    const disk = new MemoryFileSystem()
    const first = await startSample(disk, new SeededRandom(1))
    await startSample(disk, new SeededRandom(2))
    await expect(first.directory.setStatus('finished')).rejects.toMatchObject({ code: 'FENCED' })
  })

  it('refuses the directory of another job', async () => {
    const disk = new MemoryFileSystem()
    await startSample(disk, new SeededRandom(1))
    await expect(open(disk, 'other')).rejects.toMatchObject({ code: 'INVALID_OPTION' })
  })

  it('finds every changed byte of the record and names it', async () => {
    const disk = new MemoryFileSystem()
    await startSample(disk, new SeededRandom(1))
    const original = disk.get(RECORD)!
    for (let position = 0; position < original.length; position++) {
      const changed = Uint8Array.from(original)
      changed[position] = changed[position]! ^ (1 << (position % 8))
      for (const content of [changed, original.subarray(0, position)]) {
        disk.put(RECORD, content)
        const failure = { code: expect.stringMatching(/CHECKPOINT_CORRUPT|UNSUPPORTED/), context: { file: RECORD } }
        await expect(open(disk)).rejects.toMatchObject(failure)
      }
    }
  })

  it('refuses to guess when the record is gone but runs are there', async () => {
    const disk = new MemoryFileSystem()
    const start = await startSample(disk, new SeededRandom(1))
    await writeSample(start, 1)
    await disk.remove(RECORD)
    await expect(open(disk)).rejects.toMatchObject({ code: 'CHECKPOINT_CORRUPT', context: { file: RECORD } })
  })

  it('removes what a process that died while it wrote the record left behind', async () => {
    const disk = new MemoryFileSystem()
    disk.put(`${RECORD}.1-abc.partial`, 'x')
    await open(disk)
    expect(disk.paths(SAMPLE_DIRECTORY)).toEqual([])
  })

  it('writes nothing when the start is refused', async () => {
    const disk = new MemoryFileSystem()
    const start = await startSample(disk, new SeededRandom(1))
    const older = await writeSample(start, 1)
    await writeSample(start, 2)
    const before = disk.text(RECORD)
    await expect(startSample(disk, new SeededRandom(2), older.path)).rejects.toMatchObject({ code: 'INVALID_OPTION' })
    expect(disk.text(RECORD)).toBe(before)
  })
})
