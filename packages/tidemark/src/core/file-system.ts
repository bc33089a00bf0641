/** One file being written. Nothing is durable before `sync`. */
export interface FileWriter {
  write(bytes: Uint8Array): Promise<void>
  /** fsync of the file's content and length. After a failed sync the file's content is unknown: write a new file, never retry. */
  sync(): Promise<void>
  close(): Promise<void>
}

export interface FileStat {
  readonly kind: 'file' | 'directory'
  readonly size: number
  /** Changes when another file takes this path: device and inode where the system has them. */
  readonly identity: string
  readonly modifiedMs: number
}

/**
 * Every effect on files that core, runtime and connectors have goes through this, so that a test can make each one
 * fail, tear or be forgotten. Paths use `/`. Errors carry Node's codes (`ENOENT`, `EEXIST`, …) in `code`.
 *
 * Durability is POSIX's: content after `FileWriter.sync`, names (create, rename, link, remove) after `syncDirectory`
 * of the directory that holds them; a crash before may keep or forget each of them.
 */
export interface FileSystem {
  /** Creates a file that does not exist; fails with `EEXIST`. The directory must exist. */
  create(path: string): Promise<FileWriter>
  /** At most `length` bytes from `offset`; shorter only at the end of the file. */
  read(path: string, offset: number, length: number): Promise<Uint8Array>
  stat(path: string): Promise<FileStat | null>
  /** Names in a directory, sorted; null when there is no such directory. */
  list(path: string): Promise<readonly string[] | null>
  /** Creates the directory and its parents; nothing when it exists. */
  makeDirectory(path: string): Promise<void>
  /** Replaces `to` atomically. */
  rename(from: string, to: string): Promise<void>
  /** Gives a file a second name; fails with `EEXIST` instead of replacing. */
  link(existing: string, name: string): Promise<void>
  /** Removes a file; nothing when there is none. */
  remove(path: string): Promise<void>
  /** Removes a directory with all that it holds; nothing when there is none. */
  removeTree(path: string): Promise<void>
  syncDirectory(path: string): Promise<void>
}
