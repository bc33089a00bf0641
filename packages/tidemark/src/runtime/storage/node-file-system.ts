import { constants } from 'node:fs'
import { type FileHandle, link, mkdir, open, readdir, rename, rm, stat, unlink } from 'node:fs/promises'
import type { FileStat, FileSystem, FileWriter } from '../../core/file-system.ts'

const IS_WINDOWS = process.platform === 'win32'

/** The file system of this machine. Errors are Node's own, with their `code`. Paths may be relative to the working directory. */
export class NodeFileSystem implements FileSystem {
  async create(path: string): Promise<FileWriter> {
    return new NodeFileWriter(await open(path, 'wx'))
  }

  async read(path: string, offset: number, length: number): Promise<Uint8Array> {
    const file = await open(path, 'r')
    try {
      // The size bounds the allocation: `length` may come from a damaged file.
      const { size } = await file.stat()
      const bytes = new Uint8Array(Math.max(0, Math.min(length, size - offset)))
      if (bytes.length === 0) await file.read(new Uint8Array(1), 0, 1, 0) // EISDIR for directories
      let filled = 0
      while (filled < bytes.length) {
        const { bytesRead } = await file.read(bytes, filled, bytes.length - filled, offset + filled)
        if (bytesRead === 0) break
        filled += bytesRead
      }
      return filled === bytes.length ? bytes : bytes.subarray(0, filled)
    } finally {
      await file.close()
    }
  }

  async stat(path: string): Promise<FileStat | null> {
    try {
      const found = await stat(path, { bigint: true })
      return {
        kind: found.isDirectory() ? 'directory' : 'file',
        size: found.isDirectory() ? 0 : Number(found.size),
        identity: `${found.dev}:${found.ino}`,
        modifiedMs: Number(found.mtimeNs / 1_000_000n),
      }
    } catch (error) {
      if (isMissing(error)) return null
      throw error
    }
  }

  async list(path: string): Promise<readonly string[] | null> {
    try {
      return (await readdir(path)).sort()
    } catch (error) {
      if (isMissing(error)) return null
      throw error
    }
  }

  async makeDirectory(path: string): Promise<void> {
    await mkdir(path, { recursive: true })
  }

  async rename(from: string, to: string): Promise<void> {
    await rename(from, to)
  }

  async link(existing: string, name: string): Promise<void> {
    await link(existing, name)
  }

  async remove(path: string): Promise<void> {
    try {
      await unlink(path)
    } catch (error) {
      if (!isMissing(error)) throw error
    }
  }

  async removeTree(path: string): Promise<void> {
    try {
      await rm(path, { recursive: true, force: true })
    } catch (error) {
      if (!isMissing(error)) throw error
    }
  }

  async syncDirectory(path: string): Promise<void> {
    // Windows has no fsync of directories: NTFS journals names in order.
    if (IS_WINDOWS) return
    const directory = await open(path, constants.O_RDONLY | constants.O_DIRECTORY)
    try {
      await directory.sync()
    } finally {
      await directory.close()
    }
  }
}

class NodeFileWriter implements FileWriter {
  readonly #file: FileHandle

  constructor(file: FileHandle) {
    this.#file = file
  }

  async write(bytes: Uint8Array): Promise<void> {
    let written = 0
    while (written < bytes.length) {
      written += (await this.#file.write(bytes, written, bytes.length - written)).bytesWritten
    }
  }

  async sync(): Promise<void> {
    await this.#file.sync()
  }

  async close(): Promise<void> {
    await this.#file.close()
  }
}

/** Nothing is there, or a part of the path that should be a directory is a file. */
function isMissing(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return code === 'ENOENT' || code === 'ENOTDIR'
}
