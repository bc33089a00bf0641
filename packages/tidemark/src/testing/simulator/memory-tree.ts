import type { Random } from '../../core/clock.ts'

/** Content of a file: append-only, since files are only ever created new. */
export class MemoryFile {
  readonly id: number
  modifiedMs: number
  length = 0
  /** What survives a crash for certain. */
  durableLength = 0
  #bytes: Uint8Array
  /** A sync failed: what it was to make durable stays uncertain, whatever later syncs say. */
  #isTainted = false

  constructor(id: number, modifiedMs: number, bytes = new Uint8Array(0)) {
    this.id = id
    this.modifiedMs = modifiedMs
    this.#bytes = bytes
    this.length = bytes.length
    this.durableLength = bytes.length
  }

  append(bytes: Uint8Array): void {
    const needed = this.length + bytes.length
    if (needed > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(needed, 64, 2 * this.#bytes.length))
      larger.set(this.#bytes.subarray(0, this.length))
      this.#bytes = larger
    }
    this.#bytes.set(bytes, this.length)
    this.length = needed
  }

  read(offset: number, length: number): Uint8Array {
    return this.#bytes.slice(Math.min(offset, this.length), Math.min(offset + length, this.length))
  }

  sync(): void {
    if (!this.#isTainted) this.durableLength = this.length
  }

  taint(): void {
    if (this.durableLength < this.length) this.#isTainted = true
  }

  get isDurable(): boolean {
    return this.durableLength === this.length
  }

  /** Kept, cut, or cut and filled with zeros again. */
  crash(random: Random): void {
    const unsynced = this.length - this.durableLength
    const outcome = random.next()
    if (unsynced > 0 && outcome >= 0.25) {
      const kept = outcome < 0.5 ? this.durableLength : this.durableLength + Math.floor(random.next() * unsynced)
      if (outcome >= 0.75) this.#bytes.fill(0, kept, this.length)
      else this.length = kept
    }
    this.durableLength = this.length
    this.#isTainted = false
  }
}

export class MemoryDirectory {
  readonly id: number
  modifiedMs: number
  /** Names as processes see them. */
  entries = new Map<string, MemoryNode>()
  /** Names that survive a crash for certain. */
  readonly durable = new Map<string, MemoryNode>()
  /** Changes of names not yet durable, oldest first. */
  pending: NameChange[] = []

  constructor(id: number, modifiedMs: number) {
    this.id = id
    this.modifiedMs = modifiedMs
  }
}

export type MemoryNode = MemoryFile | MemoryDirectory

/** What happened to names in one step: all of it survives a crash, or nothing. A rename has two parts. */
interface NameChange {
  readonly sequence: number
  parts: readonly NamePart[]
}

interface NamePart {
  readonly directory: MemoryDirectory
  readonly name: string
  /** null: the name is gone. */
  readonly node: MemoryNode | null
}

interface Place {
  readonly parent: MemoryDirectory
  readonly name: string
  readonly node: MemoryNode | undefined
}

/** An error as Node makes it. */
export function fileError(code: string, operation: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${operation} '${path}'`), { code, path })
}

/** Directories and files with what is durable of them. Synchronous; who may see what and when is not decided here. */
export class MemoryTree {
  #ids = 1
  #sequence = 0
  readonly #root = new MemoryDirectory(0, 0)
  readonly #dirtyFiles = new Set<MemoryFile>()
  readonly #dirtyDirectories = new Set<MemoryDirectory>()

  normalize(path: string): string {
    return `/${segments(path).join('/')}`
  }

  find(path: string): MemoryNode | undefined {
    let node: MemoryNode | undefined = this.#root
    for (const name of segments(path)) {
      if (!(node instanceof MemoryDirectory)) return undefined
      node = node.entries.get(name)
    }
    return node
  }

  file(path: string, operation: string): MemoryFile {
    const { node } = this.#place(path, operation)
    if (node === undefined) throw fileError('ENOENT', operation, path)
    if (node instanceof MemoryDirectory) throw fileError('EISDIR', operation, path)
    return node
  }

  create(path: string, now: number): MemoryFile {
    const { parent, name, node } = this.#place(path, 'create')
    if (node !== undefined) throw fileError('EEXIST', 'create', path)
    const file = new MemoryFile(this.#ids++, now)
    this.#change([{ directory: parent, name, node: file }])
    return file
  }

  append(file: MemoryFile, bytes: Uint8Array, now: number): void {
    if (bytes.length === 0) return
    file.append(bytes)
    file.modifiedMs = now
    this.#dirtyFiles.add(file)
  }

  sync(file: MemoryFile): void {
    file.sync()
    if (file.isDurable) this.#dirtyFiles.delete(file)
  }

  makeDirectory(path: string, now: number): void {
    const names = segments(path)
    let directory = this.#root
    for (const [index, name] of names.entries()) {
      const node = directory.entries.get(name)
      if (node instanceof MemoryFile) {
        throw fileError(index === names.length - 1 ? 'EEXIST' : 'ENOTDIR', 'make-directory', path)
      }
      const next = node ?? new MemoryDirectory(this.#ids++, now)
      if (node === undefined) this.#change([{ directory, name, node: next }])
      directory = next
    }
  }

  rename(from: string, to: string): void {
    const source = this.#place(from, 'rename')
    const target = this.#place(to, 'rename')
    const node = source.node
    if (node === undefined) throw fileError('ENOENT', 'rename', from)
    const fromPath = this.normalize(from)
    const toPath = this.normalize(to)
    if (node instanceof MemoryDirectory && toPath.startsWith(`${fromPath}/`)) throw fileError('EINVAL', 'rename', from)
    if (fromPath.startsWith(`${toPath}/`)) throw fileError('ENOTEMPTY', 'rename', to)
    // POSIX: two names of one file: nothing happens, both stay.
    if (target.node === node) return
    if (target.node !== undefined) {
      if (node instanceof MemoryDirectory && target.node instanceof MemoryFile) throw fileError('ENOTDIR', 'rename', to)
      if (node instanceof MemoryFile && target.node instanceof MemoryDirectory) throw fileError('EISDIR', 'rename', to)
      if (target.node instanceof MemoryDirectory && target.node.entries.size > 0) {
        throw fileError('ENOTEMPTY', 'rename', to)
      }
    }
    this.#change([
      { directory: source.parent, name: source.name, node: null },
      { directory: target.parent, name: target.name, node },
    ])
  }

  link(existing: string, name: string): void {
    const source = this.#place(existing, 'link')
    if (source.node === undefined) throw fileError('ENOENT', 'link', existing)
    const target = this.#place(name, 'link')
    if (target.node !== undefined) throw fileError('EEXIST', 'link', name)
    if (source.node instanceof MemoryDirectory) throw fileError('EPERM', 'link', existing)
    this.#change([{ directory: target.parent, name: target.name, node: source.node }])
  }

  remove(path: string): void {
    const place = this.#tryPlace(path)
    if (place?.node === undefined) return
    if (place.node instanceof MemoryDirectory) throw fileError('EISDIR', 'remove', path)
    this.#change([{ directory: place.parent, name: place.name, node: null }])
  }

  /** Leaves come first; `isTorn` stops half way. */
  removeTree(path: string, isTorn: boolean): void {
    const place = this.#tryPlace(path)
    if (place?.node === undefined) return
    const parts: NamePart[] = []
    collect({ directory: place.parent, name: place.name, node: place.node }, parts)
    const end = isTorn ? parts.length >>> 1 : parts.length
    for (const part of parts.slice(0, end)) this.#change([{ ...part, node: null }])
  }

  syncDirectory(path: string): void {
    const node = segments(path).length === 0 ? this.#root : this.#place(path, 'sync-directory').node
    if (node === undefined) throw fileError('ENOENT', 'sync-directory', path)
    if (node instanceof MemoryFile) throw fileError('ENOTDIR', 'sync-directory', path)
    this.#makeDurable(node, Number.POSITIVE_INFINITY)
  }

  put(path: string, content: Uint8Array, now: number): void {
    const parent = this.normalize(`${path}/..`)
    this.makeDirectory(parent, now)
    const place = this.#place(path, 'put')
    if (place.node instanceof MemoryDirectory) throw fileError('EISDIR', 'put', path)
    const file = new MemoryFile(this.#ids++, now, Uint8Array.from(content))
    this.#change([{ directory: place.parent, name: place.name, node: file }])
    let directory = this.#root
    for (const name of segments(parent)) {
      this.#makeDurable(directory, Number.POSITIVE_INFINITY)
      directory = directory.entries.get(name) as MemoryDirectory
    }
    this.#makeDurable(directory, Number.POSITIVE_INFINITY)
  }

  /** Whether name and content would certainly survive a crash now. */
  isDurable(path: string): boolean {
    let directory: MemoryNode = this.#root
    for (const name of segments(path)) {
      if (!(directory instanceof MemoryDirectory)) return false
      const node: MemoryNode | undefined = directory.entries.get(name)
      if (node === undefined || directory.durable.get(name) !== node) return false
      directory = node
    }
    return !(directory instanceof MemoryFile) || directory.isDurable
  }

  /** `withDirectories`: also those, with a slash at the end. */
  paths(below: string, withDirectories = false): readonly string[] {
    const found: string[] = []
    const walk = (node: MemoryNode | undefined, path: string): void => {
      if (node instanceof MemoryFile) found.push(path)
      if (node instanceof MemoryDirectory && withDirectories) found.push(`${path}/`)
      if (node instanceof MemoryDirectory) for (const [name, child] of node.entries) walk(child, `${path}/${name}`)
    }
    const start = this.normalize(below)
    walk(this.find(start), start === '/' ? '' : start)
    return found.sort()
  }

  /** Names first (the newest change decides for those it builds on), then content. */
  crash(random: Random): void {
    const changes = new Set<NameChange>()
    for (const directory of this.#dirtyDirectories) for (const change of directory.pending) changes.add(change)
    const inOrder = [...changes].sort((left, right) => left.sequence - right.sequence)
    for (const change of surviving(inOrder, random)) applyDurably(change.parts)
    for (const directory of this.#dirtyDirectories) {
      directory.entries = new Map(directory.durable)
      directory.pending = []
    }
    this.#dirtyDirectories.clear()
    for (const file of this.#dirtyFiles) file.crash(random)
    this.#dirtyFiles.clear()
  }

  #change(parts: readonly NamePart[]): void {
    const change: NameChange = { sequence: this.#sequence++, parts }
    for (const { directory, name, node } of parts) {
      if (node === null) directory.entries.delete(name)
      else directory.entries.set(name, node)
      if (directory.pending.at(-1) !== change) directory.pending.push(change)
      this.#dirtyDirectories.add(directory)
    }
  }

  /**
   * Makes the changes of one directory's names durable, up to a moment. A rename into it leaves the old name pending; a rename out of it takes the
   * new name along: never does a file lose both.
   */
  #makeDurable(directory: MemoryDirectory, upTo: number): void {
    while (directory.pending.length > 0 && directory.pending[0]!.sequence <= upTo) {
      const change = directory.pending.shift()!
      const elsewhere = change.parts.filter((part) => part.directory !== directory)
      const arrival = elsewhere.find((part) => part.node !== null)
      if (arrival !== undefined) {
        this.#makeDurable(arrival.directory, change.sequence)
      }
      applyDurably(change.parts.filter((part) => part.directory === directory))
      change.parts = elsewhere.filter((part) => part.node === null)
    }
    if (directory.pending.length === 0) this.#dirtyDirectories.delete(directory)
  }

  #place(path: string, operation: string): Place {
    const names = segments(path)
    const name = names.pop()
    if (name === undefined) throw fileError('EBUSY', operation, path)
    let node: MemoryNode = this.#root
    for (const step of names) {
      const next: MemoryNode | undefined = node.entries.get(step)
      if (next === undefined) throw fileError('ENOENT', operation, path)
      if (next instanceof MemoryFile) throw fileError('ENOTDIR', operation, path)
      node = next
    }
    return { parent: node, name, node: node.entries.get(name) }
  }

  #tryPlace(path: string): Place | null {
    const names = segments(path)
    const name = names.pop()
    const parent = this.find(names.join('/'))
    if (name === undefined || !(parent instanceof MemoryDirectory)) return null
    return { parent, name, node: parent.entries.get(name) }
  }
}

function segments(path: string): string[] {
  const names: string[] = []
  for (const name of path.split('/')) {
    if (name === '' || name === '.') continue
    if (name === '..') names.pop()
    else names.push(name)
  }
  return names
}

function collect(part: NamePart, parts: NamePart[]): void {
  if (part.node instanceof MemoryDirectory) {
    const directory = part.node
    for (const [name, node] of directory.entries) collect({ directory, name, node }, parts)
  }
  parts.push(part)
}

function applyDurably(parts: readonly NamePart[]): void {
  for (const { directory, name, node } of parts) {
    if (node === null) directory.durable.delete(name)
    else directory.durable.set(name, node)
  }
}

/** Decides from the newest change backwards: what survives takes along the earlier changes of the names it touches. */
function surviving(changes: readonly NameChange[], random: Random): readonly NameChange[] {
  const needed = new Set<string>()
  const kept: NameChange[] = []
  for (const change of changes.toReversed()) {
    const names = change.parts.map((part) => `${part.directory.id}/${part.name}`)
    const isNeeded = names.some((name) => needed.has(name))
    if (!isNeeded && random.next() < 0.5) continue
    kept.push(change)
    for (const name of names) needed.add(name)
  }
  return kept.toReversed()
}
