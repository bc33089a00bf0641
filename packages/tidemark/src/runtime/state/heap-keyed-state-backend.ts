import { assert, TidemarkError } from '../../core/errors.ts'
import type { Key } from '../../core/key.ts'
import { isKey, signedKeyHash, signedNumberHash } from '../../core/key-bytes.ts'
import type { KeyedBlock } from '../../core/manifest.ts'
import { mapKeyOf } from '../../core/map-key.ts'
import type { StateDescriptor, StateSchema } from '../../core/state.ts'
import type {
  KeyedHandle,
  KeyedStateBackend,
  NumberCells,
  KeyedStateBackendOptions,
  KeyedStateSnapshotting,
} from './contract.ts'
import { HeapSnapshot } from './heap-snapshot.ts'
import { type KeyPage, PageGroup } from './key-pages.ts'
import { KeyTable } from './key-table.ts'
import { type BlockTarget, readKeyedBlock } from './keyed-block.ts'
import { createKeyedHandle, type CurrentKeyState } from './keyed-handles.ts'
import { ABSENT } from './state-column.ts'
import { matchStates, stateSchemasOf } from './state-compatibility.ts'

const SAME_KEY = 'Make the key selector return the same key each time it is called with the same record.'

/** Keyed state in memory: one table for all key groups of the task, snapshots by preserving pages before they change. */
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
  private table: KeyTable
  /** By key group; null where no key has come yet. */
  private readonly groups: (PageGroup | null)[]
  private readonly writing: HeapSnapshot[] = []
  /**
   * Those that still have to be asked before a page changes: with records of random keys for a few milliseconds only, where writing takes hundreds. (To ask costs each record two places in memory: measured as
   * CPU per record by benchmarks/checkpoint-cost.ts.)
   */
  private unfixed: readonly HeapSnapshot[] = []
  private key: Key | undefined
  private hash = 0
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
    this.table = new KeyTable(this.names.length)
    this.groups = Array.from({ length: keyGroups.end - keyGroups.start }, () => null)
    this.handles = this.names.map((name, state) => createKeyedHandle(this, state, name, this.descriptors[state]!))
  }

  get currentKey(): Key {
    if (this.key === undefined) throw this.withoutKey()
    return this.key
  }

  get moves(): number {
    return this.table.moves
  }

  get isSnapshotting(): boolean {
    return this.writing.length > 0
  }

  setCurrentKey(key: Key): void {
    this.hash = typeof key === 'number' ? signedNumberHash(key) : signedKeyHash(key)
    this.slot =
      typeof key === 'number' ? this.table.findNumber(key, this.hash) : this.table.find(mapKeyOf(key), this.hash)
    this.key = key
    // A key that is known has been looked at before.
    if (this.slot < 0) this.checkKeyGroup(key)
  }

  setHashedKey(key: Key, hash: number): void {
    if (typeof key === 'string' || typeof key === 'number' || isKey(key)) {
      const slot = typeof key === 'number' ? this.table.findNumber(key, hash) : this.table.find(mapKeyOf(key), hash)
      // A key that is known has been looked at before.
      if (slot < 0 && signedKeyHash(key) !== hash) throw this.changedKey(key)
      this.hash = hash
      this.slot = slot
      this.key = key
      if (slot < 0) this.checkKeyGroup(key)
      return
    }
    this.setCurrentKey(key)
  }

  handle(name: string): KeyedHandle {
    return this.handles[this.stateOf(name)]!
  }

  lookUp(
    keys: readonly Key[],
    hashes: readonly number[],
    hashesFrom: number,
    slots: Int32Array,
    count: number,
  ): number {
    this.table.findAll(keys, hashes, hashesFrom, slots, count)
    return this.table.moves
  }

  setFoundKey(key: Key, hash: number, slot: number, moves: number): void {
    // Not found says nothing: the key may have come since, or its hash may not be one.
    if (slot < 0 || moves !== this.table.moves) return this.setHashedKey(key, hash)
    this.hash = hash
    this.slot = slot
    this.key = key
  }

  numbers(name: string): NumberCells {
    return new HeapNumberCells(this, this.stateOf(name))
  }

  numberAt(slot: number, state: number): number {
    return slot < 0 ? Number.NaN : this.table.numberAt(slot, state)
  }

  replaceNumber(slot: number, state: number, value: number): void {
    if (this.unfixed.length > 0) this.preserve(this.table.pageOf(slot))
    this.table.replaceNumber(slot, state, value)
  }

  addNumber(slot: number, state: number, summand: number): number {
    if (slot < 0) return Number.NaN
    if (this.unfixed.length > 0) this.preserve(this.table.pageOf(slot))
    return this.table.addTo(slot, state, summand)
  }

  read(state: number): unknown {
    if (this.slot >= 0) return this.table.get(this.slot, state)
    if (this.key === undefined) throw this.withoutKey()
    return ABSENT
  }

  write(state: number, value: unknown): void {
    if (this.slot < 0) this.addCurrentKey()
    else if (this.unfixed.length > 0) this.preserve(this.table.pageOf(this.slot))
    this.table.set(this.slot, state, value)
  }

  erase(state: number): void {
    const { slot } = this
    if (slot < 0) {
      if (this.key === undefined) throw this.withoutKey()
      return
    }
    if (this.unfixed.length > 0) this.preserve(this.table.pageOf(slot))
    if (!this.table.remove(slot, state)) return
    this.keys--
    this.slot = -1
  }

  snapshot(): KeyedStateSnapshotting {
    const snapshot = new HeapSnapshot(
      ++this.newestSnapshot,
      this.table,
      this.groups.slice(),
      { operator: this.operator, schemas: this.schemas, firstGroup: this.firstGroup },
      {
        onFixed: () => this.onFixed(snapshot),
        onRelease: () => {
          this.onFixed(snapshot)
          const at = this.writing.indexOf(snapshot)
          if (at >= 0) this.writing.splice(at, 1)
        },
      },
    )
    this.writing.push(snapshot)
    if (this.groups.some((group) => group !== null)) this.unfixed = [...this.unfixed, snapshot]
    return snapshot
  }

  restoreBlock(block: KeyedBlock, bytes: Uint8Array, states: readonly StateSchema[]): void {
    const { keyGroup } = block
    if (keyGroup < this.firstGroup || keyGroup >= this.firstGroup + this.groups.length) {
      throw new TidemarkError(
        'STATE_INCOMPATIBLE',
        `${this.operator} was given key group ${keyGroup}, but holds ${this.firstGroup} to ${this.firstGroup + this.groups.length - 1}`,
        { context: { operator: this.operator } },
      )
    }
    readKeyedBlock(bytes, block, matchStates(this.operator, states, this.names, this.descriptors), this)
    this.slot = -1
    this.key = undefined
  }

  /** Makes the key of a restored entry the current one; false when it does not belong to the key group. */
  enter(key: Key, keyGroup: number): boolean {
    if ((signedKeyHash(key) >>> 0) % this.maxParallelism !== keyGroup) return false
    this.setCurrentKey(key)
    return true
  }

  close(): void {
    while (this.writing.length > 0) this.writing[0]!.release()
    this.table = new KeyTable(this.names.length)
    this.groups.fill(null)
    this.key = undefined
    this.slot = -1
    this.keys = 0
  }

  private stateOf(name: string): number {
    const state = this.names.indexOf(name)
    assert(state >= 0, `${this.operator} declares no keyed state '${name}'`)
    return state
  }

  private addCurrentKey(): void {
    const { key, hash } = this
    if (key === undefined) throw this.withoutKey()
    const index = this.groupOf(hash)
    let group = (this.groups[index] ??= new PageGroup(index + this.firstGroup))
    if (group.isSparse) group = this.pack(group)
    if (group.pageWithRoom !== null) this.preserve(group.pageWithRoom)
    this.slot = this.table.add(group, key, mapKeyOf(key), hash, this.newestSnapshot)
    this.keys++
  }

  private pack(group: PageGroup): PageGroup {
    for (const page of group.pages) this.preserve(page)
    const packed = new PageGroup(group.keyGroup)
    this.table.pack(group, packed, this.newestSnapshot)
    this.groups[group.keyGroup - this.firstGroup] = packed
    return packed
  }

  /** Before a page changes: snapshots that have not written it yet take a copy, once. Needless while none is being written. */
  private preserve(page: KeyPage): void {
    if (page.preservedAt === this.newestSnapshot) return
    for (const snapshot of this.unfixed) snapshot.preserve(page)
    page.preservedAt = this.newestSnapshot
  }

  /** By its offset in `groups`. */
  private groupOf(hash: number): number {
    return ((hash >>> 0) % this.maxParallelism) - this.firstGroup
  }

  private checkKeyGroup(key: Key): void {
    const group = this.groupOf(this.hash)
    if (group >= 0 && group < this.groups.length) return
    this.key = undefined
    throw this.foreignKey(key)
  }

  /** A new list: this may be told while the old one is gone through, and the next one in it would be passed over. */
  private onFixed(snapshot: HeapSnapshot): void {
    this.unfixed = this.unfixed.filter((other) => other !== snapshot)
  }

  private withoutKey(): TidemarkError {
    return new TidemarkError('STATE_ACCESS', `keyed state of ${this.operator} was used while there is no key`, {
      action: 'Use keyed state only while a record is processed.',
      context: { operator: this.operator },
    })
  }

  private changedKey(key: Key): TidemarkError {
    return new TidemarkError(
      'INVALID_KEY',
      `the key selector of ${this.operator} returned ${String(key)} for a record for which it had returned another key before`,
      { action: SAME_KEY, context: { operator: this.operator } },
    )
  }

  private foreignKey(key: Key): TidemarkError {
    const groups = `${this.firstGroup} to ${this.firstGroup + this.groups.length - 1}`
    return new TidemarkError(
      'INVALID_KEY',
      `the key ${String(key)} came to a task of ${this.operator} that holds key groups ${groups}, to which it does not belong`,
      {
        action: SAME_KEY,
        context: { operator: this.operator },
      },
    )
  }
}

class HeapNumberCells implements NumberCells {
  private readonly backend: HeapKeyedStateBackend
  private readonly state: number

  constructor(backend: HeapKeyedStateBackend, state: number) {
    this.backend = backend
    this.state = state
  }

  get(slot: number): number {
    return this.backend.numberAt(slot, this.state)
  }

  replace(slot: number, value: number): void {
    this.backend.replaceNumber(slot, this.state, value)
  }

  add(slot: number, summand: number): number {
    return this.backend.addNumber(slot, this.state, summand)
  }
}
