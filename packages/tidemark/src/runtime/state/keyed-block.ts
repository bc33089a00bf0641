import { ByteBufferReader } from '../../core/byte-buffer-reader.ts'
import type { ByteReader } from '../../core/codec.ts'
import { isTidemarkError, TidemarkError } from '../../core/errors.ts'
import type { Key } from '../../core/key.ts'
import { readKey } from '../../core/key-bytes.ts'
import type { KeyedBlock } from '../../core/manifest.ts'
import { mapKeyOf } from '../../core/map-key.ts'
import { valueCodec } from '../../core/value-codec.ts'
import { ListCell, MapCell } from './collection-cells.ts'
import { ABSENT } from './state-column.ts'
import type { MatchedState } from './state-compatibility.ts'

/**
 * Block format 1. A block holds keys of one key group: a format byte, then sections up to its end. States are numbered as in the snapshot's `states`.
 * Described in docs/design/005-codecs-and-keys.md.
 */
export const BLOCK_FORMAT = 1

export const SECTION = {
  /** varint n, varint bytes of keys, n keys (`key/1`), then per state a presence byte, perhaps a bitmap, and n float64. */
  columns: 1,
  /** Rows, each beginning with 1, ended by 0. A row: key (`key/1`), then per state its number + 1 and its payload, ended by 0. */
  rows: 2,
} as const

export const PRESENCE = { none: 0, all: 1, bitmap: 2 } as const

/** Where entries of a block go: the current key's state. */
export interface BlockTarget {
  readonly operator: string
  readonly newestSnapshot: number
  /** False when the key is not of the key group. */
  enter(key: Key, keyGroup: number): boolean
  read(state: number): unknown
  write(state: number, value: unknown): void
}

/** Adds the entries of a block to the target; `CORRUPT_DATA` naming operator and key group, `STATE_INCOMPATIBLE` for a state that is gone. */
export function readKeyedBlock(
  bytes: Uint8Array,
  block: KeyedBlock,
  states: readonly MatchedState[],
  target: BlockTarget,
): void {
  const reader = new ByteBufferReader(bytes)
  try {
    if (reader.byte() !== BLOCK_FORMAT) throw corrupt('its format is not known')
    while (reader.remaining > 0) {
      const section = reader.byte()
      if (section === SECTION.columns) readColumns(reader, block.keyGroup, states, target)
      else if (section === SECTION.rows) readRows(reader, block.keyGroup, states, target)
      else throw corrupt(`there is no section ${section}`)
    }
  } catch (error) {
    if (!isTidemarkError(error) || error.code !== 'CORRUPT_DATA') throw error
    throw new TidemarkError(
      'CORRUPT_DATA',
      `the state of ${target.operator}, key group ${block.keyGroup}, is damaged near byte ${reader.offset}: ${error.message}`,
      { context: { operator: target.operator }, cause: error },
    )
  }
}

function readColumns(reader: ByteReader, keyGroup: number, states: readonly MatchedState[], target: BlockTarget): void {
  const slots = reader.varint()
  const keys = new ByteBufferReader(reader.bytes(reader.varint()))
  const columns = states.map((matched) => readNumbers(reader, slots, matched))
  for (let slot = 0; slot < slots; slot++) {
    const key = readKey(keys)
    // Keys without any state left are in the section too: they are passed over.
    if (!columns.some((column) => column.has(slot))) continue
    enter(key, keyGroup, target)
    for (const column of columns) if (column.has(slot)) target.write(column.state, column.number(slot))
  }
  if (keys.remaining > 0) throw corrupt('there are more keys than slots')
}

interface NumbersReader {
  readonly state: number
  has(slot: number): boolean
  number(slot: number): number
}

function readNumbers(reader: ByteReader, slots: number, { state, schema, refuse }: MatchedState): NumbersReader {
  const presence = reader.byte()
  if (presence === PRESENCE.none) return { state: -1, has: () => false, number: () => Number.NaN }
  if (presence > PRESENCE.bitmap) throw corrupt(`there is no presence ${presence}`)
  if (schema.kind === 'list' || schema.kind === 'map') throw corrupt(`${schema.kind} state holds plain numbers`)
  if (state === null) throw refuse()
  const bitmap = presence === PRESENCE.bitmap ? reader.bytes((slots + 7) >> 3) : null
  const bytes = reader.bytes(slots * 8)
  const numbers = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return {
    state,
    has: (slot) => bitmap === null || (bitmap[slot >> 3]! & (1 << (slot & 7))) !== 0,
    number: (slot) => numbers.getFloat64(slot * 8, true),
  }
}

function readRows(reader: ByteReader, keyGroup: number, states: readonly MatchedState[], target: BlockTarget): void {
  while (isMore(reader)) {
    enter(readKey(reader), keyGroup, target)
    for (;;) {
      const number = reader.varint()
      if (number === 0) break
      const matched = states[number - 1]
      if (matched === undefined) throw corrupt(`there is no state ${number - 1}`)
      readState(reader, matched, target)
    }
  }
}

function isMore(reader: ByteReader): boolean {
  const mark = reader.byte()
  if (mark > 1) throw corrupt(`a row begins with ${mark}`)
  return mark === 1
}

function readState(reader: ByteReader, { schema, state, refuse }: MatchedState, target: BlockTarget): void {
  if (state === null) throw refuse()
  if (schema.kind === 'list') readList(reader, state, target)
  else if (schema.kind === 'map') readMap(reader, state, target)
  else target.write(state, valueCodec.decode(reader))
}

/** Chunks of items, each with its number in front, ended by 0. A long list goes on in a later row. */
function readList(reader: ByteReader, state: number, target: BlockTarget): void {
  const present = target.read(state)
  const cell = present === ABSENT ? new ListCell([], target.newestSnapshot) : (present as ListCell)
  for (let count = reader.varint(); count > 0; count = reader.varint()) {
    for (let left = count; left > 0; left--) cell.items.push(valueCodec.decode(reader))
  }
  cell.length = cell.items.length
  if (present === ABSENT && cell.length > 0) target.write(state, cell)
}

function readMap(reader: ByteReader, state: number, target: BlockTarget): void {
  const present = target.read(state)
  const cell = present === ABSENT ? new MapCell(new Map(), target.newestSnapshot) : (present as MapCell)
  for (let count = reader.varint(); count > 0; count = reader.varint()) {
    for (let left = count; left > 0; left--) {
      const key = readKey(reader)
      cell.entries.set(mapKeyOf(key), valueCodec.decode(reader))
    }
  }
  if (present === ABSENT && cell.entries.size > 0) target.write(state, cell)
}

function enter(key: Key, keyGroup: number, target: BlockTarget): void {
  if (!target.enter(key, keyGroup)) throw corrupt(`it holds a key of another key group`)
}

function corrupt(problem: string): TidemarkError {
  return new TidemarkError('CORRUPT_DATA', problem)
}
