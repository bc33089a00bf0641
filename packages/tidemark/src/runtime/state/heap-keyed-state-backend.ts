import { assert, TidemarkError } from '../../core/errors.ts'
import type { Key } from '../../core/key.ts'
import { keyHash } from '../../core/key-bytes.ts'
import type { KeyedBlock } from '../../core/manifest.ts'
import { mapKeyOf } from '../../core/map-key.ts'
import type { StateDescriptor, StateSchema } from '../../core/state.ts'
import type { KeyedHandle, KeyedStateBackend, KeyedStateBackendOptions, KeyedStateSnapshotting } from './contract.ts'
import { HeapSnapshot } from './heap-snapshot.ts'
import { KeyGroupTable, pageOf } from './key-group-table.ts'
import { type BlockTarget, readKeyedBlock } from './keyed-block.ts'
import { createKeyedHandle, type CurrentKeyState } from './keyed-handles.ts'
import { ABSENT } from './state-column.ts'
import { matchStates, stateSchemasOf } from './state-compatibility.ts'

/** NaN is a key but equals nothing: tables compare this instead. */
const NAN_IDENTITY = Symbol('NaN')

/** Keyed state in memory: a table per key group, snapshots by preserving pages before they change. */
export function createHeapKeyedStateBackend(options: KeyedStateBackendOptions): KeyedStateBackend {
  return new HeapKeyedStateBackend(options)
}

class HeapKeyedStateBackend implements KeyedStateBackend, CurrentKeyState, BlockTarget {
  readonly operator: string
  readonly isDevelopment: boolean
  /** Snapshots are numbered from 1. */
  newestSnapshot = 0
  keys = 0
  private readonly maxParallelism: number
  private readonly firstGroup: number
  private readonly names: readonly string[]
  private readonly descriptors: readonly StateDescriptor[]
  private readonly schemas: readonly StateSchema[]
  private readonly handles: readonly KeyedHandle[]
  private readonly tables: (KeyGroupTable | null)[]
  private readonly writing: HeapSnapshot[] = []
  private key: Key | undefined
  private identity: unknown
  private hash = 0
  /** Of the current key, by its offset in `tables`. */
  private group = -1
  private table: KeyGroupTable | null = null
  private slot = -1

  constructor(options: KeyedStateBackendOptions) {
    const { operator, states, maxParallelism, keyGroups, isDevelopment } = options
    this.operator = operator
    this.isDevelopment = isDevelopment
    this.maxParallelism = maxParallelism
    this.firstGroup = keyGroups.start
    this.names = Object.keys(states)
    this.descriptors = Object.values(states)
    this.schemas = stateSchemasOf(states)
    this.tables = Array.from({ length: keyGroups.end - keyGroups.start }, () => null)
    this.handles = this.names.map((name, state) => createKeyedHandle(this, state, name, this.descriptors[state]!))
  }

  get currentKey(): Key {
    if (this.key === undefined) throw this.withoutKey()
    return this.key
  }

  get isSnapshotting(): boolean {
    return this.writing.length > 0
  }

  setCurrentKey(key: Key): void {
    const hash = keyHash(key)
    const group = (hash % this.maxParallelism) - this.firstGroup
    if (group < 0 || group >= this.tables.length) throw this.foreignKey(key)
    const identity = key !== key ? NAN_IDENTITY : mapKeyOf(key)
    const table = this.tables[group]!
    this.key = key
    this.identity = identity
    this.hash = hash
    this.group = group
    this.table = table
    this.slot = table === null ? -1 : table.find(identity, hash)
  }

  handle(name: string): KeyedHandle {
    const state = this.names.indexOf(name)
    assert(state >= 0, `${this.operator} declares no keyed state '${name}'`)
    return this.handles[state]!
  }

  read(state: number): unknown {
    const { slot } = this
    if (slot >= 0) return this.table!.get(slot, state)
    if (this.group < 0) throw this.withoutKey()
    return ABSENT
  }

  write(state: number, value: unknown): void {
    if (this.slot < 0) this.addCurrentKey()
    else this.preserve(this.table!, pageOf(this.slot))
    this.table!.set(this.slot, state, value)
  }

  erase(state: number): void {
    const { table, slot } = this
    if (table === null || slot < 0) {
      if (this.group < 0) throw this.withoutKey()
      return
    }
    this.preserve(table, pageOf(slot))
    if (!table.remove(slot, state)) return
    this.keys--
    this.slot = -1
  }

  snapshot(): KeyedStateSnapshotting {
    const snapshot = new HeapSnapshot(
      ++this.newestSnapshot,
      this.tables.slice(),
      { operator: this.operator, schemas: this.schemas, firstGroup: this.firstGroup },
      () => this.forget(snapshot),
    )
    this.writing.push(snapshot)
    return snapshot
  }

  restoreBlock(block: KeyedBlock, bytes: Uint8Array, states: readonly StateSchema[]): void {
    const { keyGroup } = block
    if (keyGroup < this.firstGroup || keyGroup >= this.firstGroup + this.tables.length) {
      throw new TidemarkError(
        'STATE_INCOMPATIBLE',
        `${this.operator} was given key group ${keyGroup}, but holds ${this.firstGroup} to ${this.firstGroup + this.tables.length - 1}`,
        { context: { operator: this.operator } },
      )
    }
    readKeyedBlock(bytes, block, matchStates(this.operator, states, this.names, this.descriptors), this)
    this.group = -1
    this.slot = -1
    this.key = undefined
  }

  /** Makes the key of a restored entry the current one; false when it does not belong to the key group. */
  enter(key: Key, keyGroup: number): boolean {
    if (keyHash(key) % this.maxParallelism !== keyGroup) return false
    this.setCurrentKey(key)
    return true
  }

  close(): void {
    while (this.writing.length > 0) this.writing[0]!.release()
    this.tables.fill(null)
    this.table = null
    this.slot = -1
    this.group = -1
    this.keys = 0
  }

  private addCurrentKey(): void {
    const { group } = this
    if (group < 0) throw this.withoutKey()
    let table = (this.tables[group] ??= new KeyGroupTable(group + this.firstGroup, this.names.length))
    if (table.isSparse) table = this.tables[group] = table.compact(this.newestSnapshot)
    if (table.lastPage < table.pages) this.preserve(table, table.lastPage)
    this.table = table
    this.slot = table.add(this.key!, this.identity, this.hash, this.newestSnapshot)
    this.keys++
  }

  /** Before a page changes: snapshots that have not written it yet take a copy, once. */
  private preserve(table: KeyGroupTable, page: number): void {
    if (table.preservedAt[page] === this.newestSnapshot) return
    for (const snapshot of this.writing) snapshot.preserve(table, page)
    table.preservedAt[page] = this.newestSnapshot
  }

  private forget(snapshot: HeapSnapshot): void {
    const at = this.writing.indexOf(snapshot)
    if (at >= 0) this.writing.splice(at, 1)
  }

  private withoutKey(): TidemarkError {
    return new TidemarkError('STATE_ACCESS', `keyed state of ${this.operator} was used while there is no key`, {
      action: 'Use keyed state only while a record is processed.',
      context: { operator: this.operator },
    })
  }

  private foreignKey(key: Key): TidemarkError {
    const groups = `${this.firstGroup} to ${this.firstGroup + this.tables.length - 1}`
    return new TidemarkError(
      'INVALID_KEY',
      `the key ${String(key)} came to a task of ${this.operator} that holds key groups ${groups}, to which it does not belong`,
      {
        action: 'Make the key selector return the same key each time it is called with the same record.',
        context: { operator: this.operator },
      },
    )
  }
}
