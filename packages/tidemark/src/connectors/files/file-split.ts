import type { FileStat } from '../../core/file-system.ts'
import type { Split } from '../../core/source.ts'
import type { MatchedFile } from './glob.ts'

/**
 * The lines of a file that start in `start` … `end − 1`, and how far they are read. `size`, `identity` and `modifiedMs` are the file's when it was found: only
 * those bytes are read, however the file grows.
 */
export interface FileSplit extends Split {
  readonly path: string
  readonly size: number
  readonly identity: string
  readonly modifiedMs: number
  readonly start: number
  readonly end: number
  /** Where the next line to emit starts; `start` as long as that is not known (`isAligned` false). */
  readonly position: number
  readonly isAligned: boolean
}

const MIB = 1024 * 1024
export const MAX_DEFAULT_SPLIT_SIZE = 64 * MIB

/** About four splits per reader, so that a slow reader does not hold up the others at the end; never tiny, never more than 64 MiB. */
export function defaultSplitSize(totalBytes: number, parallelism: number): number {
  return Math.min(MAX_DEFAULT_SPLIT_SIZE, Math.max(MIB, Math.ceil(totalBytes / (parallelism * 4))))
}

/** Byte ranges that cover every file, in order. An empty file has none. */
export function splitFiles(files: readonly MatchedFile[], splitSize: number): readonly FileSplit[] {
  return files.flatMap(({ path, stat }) => {
    const count = Math.ceil(stat.size / splitSize)
    return Array.from({ length: count }, (_, index) => {
      const start = index * splitSize
      return fileSplit(path, stat, start, Math.min(start + splitSize, stat.size))
    })
  })
}

function fileSplit(path: string, stat: FileStat, start: number, end: number): FileSplit {
  const { size, identity, modifiedMs } = stat
  return {
    id: `${path}:${start}-${end}`,
    path,
    size,
    identity,
    modifiedMs,
    start,
    end,
    position: start,
    isAligned: start === 0,
  }
}

/** What tells that the file is not the one that was found; null when it is, perhaps with more at its end. */
export function describeChange(split: FileSplit, now: FileStat | null): string | null {
  if (now === null) return 'it is gone'
  if (now.kind === 'directory') return 'it is a directory now'
  if (now.size < split.size) return `it has shrunk from ${split.size} to ${now.size} bytes`
  if (now.identity !== split.identity) return 'another file has taken its place'
  if (now.size === split.size && now.modifiedMs !== split.modifiedMs) return 'it was modified'
  return null
}
