import type { FileStat, FileSystem } from '../../core/file-system.ts'
import type { MemoryFileSystem } from './memory-file-system.ts'

/** A disk at rest: reads answer at once and without faults, syncs do nothing, and nothing can be changed. For checkers. */
export function stillFileSystem(disk: MemoryFileSystem): FileSystem {
  return {
    create: refuse,
    read: async (path, offset, length) => {
      const bytes = disk.get(path)
      if (bytes === null) throw Object.assign(new Error(`ENOENT: read '${path}'`), { code: 'ENOENT' })
      return bytes.subarray(offset, offset + length)
    },
    stat: async (path) => statOf(disk, path),
    list: async (path) => disk.names(path),
    makeDirectory: refuse,
    rename: refuse,
    link: refuse,
    remove: refuse,
    removeTree: refuse,
    syncDirectory: async () => undefined,
  }
}

function statOf(disk: MemoryFileSystem, path: string): FileStat | null {
  const bytes = disk.get(path)
  if (bytes !== null) return { kind: 'file', size: bytes.length, identity: path, modifiedMs: 0 }
  return disk.names(path) === null ? null : { kind: 'directory', size: 0, identity: path, modifiedMs: 0 }
}

function refuse(): Promise<never> {
  return Promise.reject(new Error('a checker changes nothing'))
}
