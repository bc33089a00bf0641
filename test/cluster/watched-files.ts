import type { FileStat, FileSystem, FileWriter } from '../../packages/tidemark/src/core/file-system.ts'
import { NodeFileSystem } from '../../packages/tidemark/src/runtime/storage/node-file-system.ts'

export type FileOperation =
  | 'create'
  | 'write'
  | 'sync'
  | 'close'
  | 'read'
  | 'stat'
  | 'list'
  | 'makeDirectory'
  | 'rename'
  | 'link'
  | 'remove'
  | 'removeTree'
  | 'syncDirectory'

/** Told of every operation, before it begins and after it has succeeded, with the path that it changes. */
export type FileWatcher = (operation: FileOperation, path: string, when: 'before' | 'after') => void | Promise<void>

/** A file system that somebody watches. What the watcher returns is waited for. */
export class WatchedFiles implements FileSystem {
  private readonly inner: FileSystem
  private readonly watch: FileWatcher

  constructor(inner: FileSystem, watch: FileWatcher) {
    this.inner = inner
    this.watch = watch
  }

  async create(path: string): Promise<FileWriter> {
    const file = await this.around('create', path, () => this.inner.create(path))
    return {
      write: (bytes) => this.around('write', path, () => file.write(bytes)),
      sync: () => this.around('sync', path, () => file.sync()),
      close: () => this.around('close', path, () => file.close()),
    }
  }

  read(path: string, offset: number, length: number): Promise<Uint8Array> {
    return this.around('read', path, () => this.inner.read(path, offset, length))
  }

  stat(path: string): Promise<FileStat | null> {
    return this.around('stat', path, () => this.inner.stat(path))
  }

  list(path: string): Promise<readonly string[] | null> {
    return this.around('list', path, () => this.inner.list(path))
  }

  makeDirectory(path: string): Promise<void> {
    return this.around('makeDirectory', path, () => this.inner.makeDirectory(path))
  }

  rename(from: string, to: string): Promise<void> {
    return this.around('rename', to, () => this.inner.rename(from, to))
  }

  link(existing: string, name: string): Promise<void> {
    return this.around('link', name, () => this.inner.link(existing, name))
  }

  remove(path: string): Promise<void> {
    return this.around('remove', path, () => this.inner.remove(path))
  }

  removeTree(path: string): Promise<void> {
    return this.around('removeTree', path, () => this.inner.removeTree(path))
  }

  syncDirectory(path: string): Promise<void> {
    return this.around('syncDirectory', path, () => this.inner.syncDirectory(path))
  }

  private async around<T>(operation: FileOperation, path: string, work: () => Promise<T>): Promise<T> {
    await this.watch(operation, path, 'before')
    const result = await work()
    await this.watch(operation, path, 'after')
    return result
  }
}

/**
 * From now on somebody watches whatever this thread does with files through Node's file system. Workers make a file system of their own, which nobody can hand in: so it is the class that is
 * watched.
 */
export function watchNodeFiles(watch: FileWatcher): void {
  const node = NodeFileSystem.prototype
  const unwatched = Object.create(null, Object.getOwnPropertyDescriptors(node)) as FileSystem
  const watched = new WatchedFiles(unwatched, watch)
  Object.assign(node, {
    create: (path) => watched.create(path),
    read: (path, offset, length) => watched.read(path, offset, length),
    stat: (path) => watched.stat(path),
    list: (path) => watched.list(path),
    makeDirectory: (path) => watched.makeDirectory(path),
    rename: (from, to) => watched.rename(from, to),
    link: (existing, name) => watched.link(existing, name),
    remove: (path) => watched.remove(path),
    removeTree: (path) => watched.removeTree(path),
    syncDirectory: (path) => watched.syncDirectory(path),
  } satisfies FileSystem)
}
