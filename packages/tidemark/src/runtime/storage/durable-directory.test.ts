import { describe, expect, it } from 'vitest'
import { makeDurableDirectory } from '../../core/durable-directory.ts'
import { MemoryFileSystem } from '../../testing/simulator/memory-file-system.ts'
import { SeededRandom } from '../../testing/simulator/seeded-random.ts'

describe('making a directory durable', () => {
  it('also syncs what a process had made that died before it could', async () => {
    for (let seed = 0; seed < 50; seed++) {
      const disk = new MemoryFileSystem()
      await disk.makeDirectory('/results/daily/out')
      await makeDurableDirectory(disk, '/results/daily/out')
      disk.crash(new SeededRandom(seed))
      expect((await disk.attach().stat('/results/daily/out'))?.kind).toBe('directory')
    }
  })
})
