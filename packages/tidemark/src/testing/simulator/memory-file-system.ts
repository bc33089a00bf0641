import type { Random } from '../../core/clock.ts'
import type { FileStat, FileSystem, FileWriter } from '../../core/file-system.ts'
import { fileError, MemoryDirectory, MemoryFile, MemoryTree } from './memory-tree.ts'

export type FileOperationKind =
  | 'create'
  | 'write'
  | 'sync'
  | 'close'
  | 'read'
  | 'stat'
  | 'list'
  | 'make-directory'
  | 'rename'
  | 'link'
  | 'remove'
  | 'remove-tree'
  | 'sync-directory'

/** An operation about to take effect. `path` is absolute and normalised; `to` is the new name of `rename` and `link`. */
export interface FileOperation {
  readonly kind: FileOperationKind
  readonly path: string
  readonly to?: string
}

/**
 * How an operation fails. An error: without effect (but what a failed `sync` was to make durable can no longer be relied on, whatever
 * later syncs say). `torn`: with its effect, whole or in part (half of a write, some entries of a tree, a rename performed), and `EIO` nevertheless.
 */
export type FileFault = Error | 'torn'

export interface MemoryFileSystemOptions {
  /** Runs a step later: decides in which order effects of concurrent operations happen. Default: `queueMicrotask`. */
  readonly schedule?: (step: () => void) => void
  /** Called when an operation is about to take effect. May call `crash`: then the operation has no effect and never settles. */
  readonly onOperation?: (operation: FileOperation) => FileFault | undefined
  /** Wall-clock milliseconds for `modifiedMs`. Default: always 0. */
  readonly now?: () => number
}

/** Stands for one process: operations of one that is no longer alive have no effect and never settle. */
type ProcessMark = { isAlive: boolean }

/** What all views of one disk share. */
class MemoryDisk {
  readonly tree = new MemoryTree()
  readonly now: () => number
  readonly #schedule: (step: () => void) => void
  onOperation: ((operation: FileOperation) => FileFault | undefined) | undefined
  living: ProcessMark = { isAlive: true }

  constructor(options: MemoryFileSystemOptions) {
    this.now = options.now ?? (() => 0)
    this.#schedule = options.schedule ?? queueMicrotask
    this.onOperation = options.onOperation
  }

  endProcess(): void {
    this.living.isAlive = false
    this.living = { isAlive: true }
  }

  perform<T>(process: ProcessMark, kind: FileOperationKind, path: string, act: Effects<T>, to?: string): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (!process.isAlive) return
      this.#schedule(() => {
        if (!process.isAlive) return
        try {
          const fault = this.#faultOf(kind, path, to)
          // The hook may have ended the process.
          if (!process.isAlive) return
          if (fault === undefined) return resolve(act.effect())
          if (fault === 'torn') (act.torn ?? act.effect)()
          act.failed?.()
          reject(fault === 'torn' ? fileError('EIO', kind, path) : fault)
        } catch (error) {
          reject(error)
        }
      })
    })
  }

  #faultOf(kind: FileOperationKind, path: string, to: string | undefined): FileFault | undefined {
    if (this.onOperation === undefined) return undefined
    const operation = { kind, path: this.tree.normalize(path) }
    return this.onOperation(to === undefined ? operation : { ...operation, to: this.tree.normalize(to) })
  }
}

/** `torn`: the effect when the operation fails half way, where that is not the whole effect. `failed`: what any failure does besides. */
interface Effects<T> {
  readonly effect: () => T
  readonly torn?: () => void
  readonly failed?: () => void
}

/** The disk as one process sees it, or (`process` null) as whatever process lives now sees it. */
class MemoryView implements FileSystem {
  readonly #disk: MemoryDisk
  readonly #process: ProcessMark | null

  constructor(disk: MemoryDisk, process: ProcessMark | null) {
    this.#disk = disk
    this.#process = process
  }

  create(path: string): Promise<FileWriter> {
    const process = this.#process ?? this.#disk.living
    const { tree, now } = this.#disk
    const effect = (): FileWriter => new MemoryFileWriter(this.#disk, process, path, tree.create(path, now()))
    return this.#disk.perform(process, 'create', path, { effect })
  }

  read(path: string, offset: number, length: number): Promise<Uint8Array> {
    return this.#perform('read', path, (tree) => tree.file(path, 'read').read(offset, length))
  }

  stat(path: string): Promise<FileStat | null> {
    return this.#perform('stat', path, (tree) => {
      const node = tree.find(path)
      if (node === undefined) return null
      const size = node instanceof MemoryFile ? node.length : 0
      const kind = node instanceof MemoryFile ? 'file' : 'directory'
      return { kind, size, identity: `0:${node.id}`, modifiedMs: node.modifiedMs }
    })
  }

  list(path: string): Promise<readonly string[] | null> {
    return this.#perform('list', path, (tree) => {
      const node = tree.find(path)
      return node instanceof MemoryDirectory ? [...node.entries.keys()].sort() : null
    })
  }

  makeDirectory(path: string): Promise<void> {
    return this.#perform('make-directory', path, (tree) => tree.makeDirectory(path, this.#disk.now()))
  }

  rename(from: string, to: string): Promise<void> {
    return this.#perform('rename', from, (tree) => tree.rename(from, to), to)
  }

  link(existing: string, name: string): Promise<void> {
    return this.#perform('link', existing, (tree) => tree.link(existing, name), name)
  }

  remove(path: string): Promise<void> {
    return this.#perform('remove', path, (tree) => tree.remove(path))
  }

  removeTree(path: string): Promise<void> {
    const { tree } = this.#disk
    return this.#disk.perform(this.#process ?? this.#disk.living, 'remove-tree', path, {
      effect: () => tree.removeTree(path, false),
      torn: () => tree.removeTree(path, true),
    })
  }

  syncDirectory(path: string): Promise<void> {
    return this.#perform('sync-directory', path, (tree) => tree.syncDirectory(path))
  }

  #perform<T>(kind: FileOperationKind, path: string, effect: (tree: MemoryTree) => T, to?: string): Promise<T> {
    const disk = this.#disk
    return disk.perform(this.#process ?? disk.living, kind, path, { effect: () => effect(disk.tree) }, to)
  }
}

/**
 * A disk in memory with the durability that POSIX promises and no more. Content is durable after `sync`, names after `syncDirectory` of their
 * directory. `crash` keeps or forgets every other effect: unsynced content stays, is cut, or ends in zeros; unsynced names
 * stay or go, each for itself, in the order in which they were changed, a rename always as a whole.
 *
 * An effect happens in the step in which its promise settles. The object itself shows the disk to whatever process lives; `attach` gives a view that
 * dies with its process.
 */
export class MemoryFileSystem extends MemoryView {
  readonly #disk: MemoryDisk

  constructor(options: MemoryFileSystemOptions = {}) {
    const disk = new MemoryDisk(options)
    super(disk, null)
    this.#disk = disk
  }

  /** Replaces the fault injection. */
  inject(onOperation: ((operation: FileOperation) => FileFault | undefined) | undefined): void {
    this.#disk.onOperation = onOperation
  }

  /**
   * The machine loses power. Every writer, every view of `attach` and every operation under way dies: no effect, and promises never settle, as in a
   * process that is gone.
   */
  crash(random: Random): void {
    this.#disk.endProcess()
    this.#disk.tree.crash(random)
  }

  /** Only the process is killed: everything dies as in `crash`, but what was done stays visible (and as durable as it was). */
  kill(): void {
    this.#disk.endProcess()
  }

  /** The disk as the process that lives now sees it: dies at the next `crash` or `kill`. */
  attach(): FileSystem {
    return new MemoryView(this.#disk, this.#disk.living)
  }

  /** At once, durable, without faults: puts a file where tests need one. Replaces what was there. */
  put(path: string, content: Uint8Array | string): void {
    const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content
    this.#disk.tree.put(path, bytes, this.#disk.now())
  }

  /** At once, without faults: a copy of a file's content; null when there is no such file. */
  get(path: string): Uint8Array | null {
    const node = this.#disk.tree.find(path)
    return node instanceof MemoryFile ? node.read(0, node.length) : null
  }

  /** At once, without faults: a file's content as text; null when there is no such file. */
  text(path: string): string | null {
    const bytes = this.get(path)
    return bytes === null ? null : new TextDecoder().decode(bytes)
  }

  /** At once, without faults: paths of all files below a directory, sorted. */
  paths(below = '/'): readonly string[] {
    return this.#disk.tree.paths(below)
  }

  /** At once, without faults: the sorted names in a directory; null when there is no such directory. */
  names(path: string): readonly string[] | null {
    const node = this.#disk.tree.find(path)
    return node instanceof MemoryDirectory ? [...node.entries.keys()].sort() : null
  }

  /** As `paths`, with the directories too: theirs end in a slash. */
  allPaths(below = '/'): readonly string[] {
    return this.#disk.tree.paths(below, true)
  }

  /** At once, without faults: the path exists, and a power failure now would certainly leave its name and content as they are. */
  isDurable(path: string): boolean {
    return this.#disk.tree.isDurable(path)
  }
}

class MemoryFileWriter implements FileWriter {
  readonly #disk: MemoryDisk
  readonly #process: ProcessMark
  readonly #path: string
  readonly #file: MemoryFile
  #isClosed = false

  constructor(disk: MemoryDisk, process: ProcessMark, path: string, file: MemoryFile) {
    this.#disk = disk
    this.#process = process
    this.#path = path
    this.#file = file
  }

  write(bytes: Uint8Array): Promise<void> {
    const append = (part: Uint8Array): void => this.#disk.tree.append(this.#file, part, this.#disk.now())
    return this.#perform('write', {
      effect: () => append(bytes),
      torn: () => append(bytes.subarray(0, bytes.length >>> 1)),
    })
  }

  sync(): Promise<void> {
    return this.#perform('sync', {
      effect: () => this.#disk.tree.sync(this.#file),
      torn: () => undefined,
      failed: () => this.#file.taint(),
    })
  }

  close(): Promise<void> {
    return this.#perform('close', {
      effect: () => (this.#isClosed = true),
      failed: () => (this.#isClosed = true),
    }).then(() => undefined)
  }

  #perform<T>(kind: FileOperationKind, effects: Effects<T>): Promise<T> {
    if (this.#isClosed && this.#process.isAlive) return Promise.reject(fileError('EBADF', kind, this.#path))
    return this.#disk.perform(this.#process, kind, this.#path, effects)
  }
}
