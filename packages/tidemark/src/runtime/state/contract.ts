import type { ByteWriter } from '../../core/codec.ts'
import type { Key } from '../../core/key.ts'
import type { KeyedBlock } from '../../core/manifest.ts'
import type { Aggregating, List, MapHandle, Reducing, StateDescriptor, StateSchema, Value } from '../../core/state.ts'

/** A handle to one declared keyed state; it always speaks of the backend's current key. */
export type KeyedHandle =
  | Value<unknown, unknown>
  | List<unknown>
  | MapHandle<Key, unknown>
  | Reducing<unknown>
  | Aggregating<unknown, unknown>

/**
 * Keyed state of one operator in one task. All state of a key lies in the key's group.
 *
 * Promises: a snapshot holds exactly the state at the moment `snapshot` was called, whatever is done to the backend while it is written; `snapshot`
 * itself is O(1) or O(what changed since a snapshot still being written); nothing in here waits or does I/O.
 *
 * Values are immutable for everybody: the backend may keep the reference it was given and hand it out again.
 */
export interface KeyedStateBackend {
  /** All following accesses concern this key. */
  setCurrentKey(key: Key): void
  /** `setCurrentKey` for a key whose hash somebody else says. A wrong hash is noticed, as a key of another task is (`INVALID_KEY`). */
  setHashedKey(key: Key, hash: number): void
  readonly currentKey: Key
  /**
   * Looks up the first `count` keys and leaves with each what `setFoundKey` wants of it; returns a number that it wants, too. Refuses none: that is left to `setFoundKey`. For
   * `KeyLookahead`. Their hashes begin at `hashesFrom` of `hashes`.
   */
  lookUp(keys: readonly Key[], hashes: readonly number[], hashesFrom: number, slots: Int32Array, count: number): number
  /** Another number than that of `lookUp` says that what it found may lie elsewhere by now. */
  readonly moves: number
  /** `setCurrentKey` for a key that was looked up before, whatever was done to the state since. */
  setFoundKey(key: Key, hash: number, slot: number, moves: number): void
  /** The handle of a declared state. Made once per state, in `open`. */
  handle(name: string): KeyedHandle
  /** The numbers of a value state by where `KeyLookahead` found their keys: for steps of our own, which say what is done to the state between two records. */
  numbers(name: string): NumberCells
  /** Keys that have any state. */
  readonly keys: number
  snapshot(): KeyedStateSnapshotting
  /** Adds the entries of one block, as a snapshot wrote it, before the first access. Blocks of foreign key groups are refused (`STATE_INCOMPATIBLE`). */
  restoreBlock(block: KeyedBlock, bytes: Uint8Array, states: readonly StateSchema[]): void
  close(): void
}

/** Numbers of one value state, by the slots of keys that were looked up. */
export interface NumberCells {
  /** NaN where no number is stored, and for -1. */
  get(slot: number): number
  /** Stores a number where `get` gave one. */
  replace(slot: number, value: number): void
  /** Adds to the number and returns the sum; NaN, and nothing is changed, where `get` gives NaN. */
  add(slot: number, summand: number): number
}

/** A snapshot being written, in slices. At most one per backend is guaranteed to be cheap; several are correct. */
export interface KeyedStateSnapshotting {
  readonly states: readonly StateSchema[]
  /**
   * Writes the next part: at most about `maxBytes`. Returns the blocks completed (offsets count from the snapshot's first byte) and whether that was all.
   */
  writeSlice(writer: ByteWriter, maxBytes: number): { readonly blocks: readonly KeyedBlock[]; readonly isDone: boolean }
  /** Gives up: frees what the snapshot holds. Idempotent; also called after the last slice. */
  release(): void
}

export interface KeyedStateBackendOptions {
  readonly operator: string
  readonly states: Readonly<Record<string, StateDescriptor>>
  readonly maxParallelism: number
  /** Key groups of this task: `start` … `end − 1`. */
  readonly keyGroups: { readonly start: number; readonly end: number }
  /** Checks at `set` that values are encodable and freezes them. */
  readonly isDevelopment: boolean
}

/** Operator state at a barrier: items by reference. */
export interface ListSnapshot {
  readonly name: string
  readonly mode: 'split' | 'union' | 'broadcast'
  readonly items: readonly unknown[]
}
