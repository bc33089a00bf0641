import type { ByteWriter } from '../../core/codec.ts'
import { assertEncodable } from '../../core/encodable.ts'
import { ByteBufferReader } from '../../core/byte-buffer-reader.ts'
import { isTidemarkError } from '../../core/errors.ts'
import { keyEnd, readKey, writeKey } from '../../core/key-bytes.ts'
import { keyOfMapKey, type MapKey } from '../../core/map-key.ts'
import type { StateSchema } from '../../core/state.ts'
import { valueCodec } from '../../core/value-codec.ts'
import type { ListCell, MapCell } from './collection-cells.ts'
import type { PagePart } from './key-table.ts'
import { PRESENCE, SECTION } from './keyed-block.ts'
import { ABSENT, type ColumnPart, isAbsentWord, valueInPart } from './state-column.ts'

/** Items of a list or map that are written before the slice's limit is looked at again. */
const CHUNK_ITEMS = 64

/** Whether a page holds nothing but numbers. */
export function canBeColumns(part: PagePart): boolean {
  return part.columns.every((column) => column === null || column.kind === 'numbers')
}

/** Writes a page of numbers as it lies in memory. Returns the number of keys that have state. */
export function writeColumns(part: PagePart, writer: ByteWriter): number {
  const { slots, keys } = part
  const bitmaps = part.columns.map((column) => (column === null ? null : presenceBitmap(column, slots)))
  writer.byte(SECTION.columns)
  writer.varint(slots)
  writer.varint(keys.length)
  writer.bytes(keys)
  for (const [state, column] of part.columns.entries()) writeNumbers(column, bitmaps[state]!, slots, writer)
  return entriesOf(bitmaps, slots)
}

interface Presence {
  readonly bits: Uint8Array
  readonly count: number
}

function presenceBitmap(column: ColumnPart, slots: number): Presence {
  const bits = new Uint8Array((slots + 7) >> 3)
  let count = 0
  if (column.kind === 'numbers') {
    const { numbers, words, from } = column
    for (let slot = 0; slot < slots; slot++) {
      const number = numbers[from + slot]!
      if (number !== number && isAbsentWord(words, from + slot)) continue
      bits[slot >> 3]! |= 1 << (slot & 7)
      count++
    }
  }
  return { bits, count }
}

function writeNumbers(column: ColumnPart | null, presence: Presence | null, slots: number, writer: ByteWriter): void {
  if (column === null || column.kind !== 'numbers' || presence === null || presence.count === 0) {
    return writer.byte(PRESENCE.none)
  }
  const isAll = presence.count === slots
  writer.byte(isAll ? PRESENCE.all : PRESENCE.bitmap)
  if (!isAll) writer.bytes(presence.bits)
  const { numbers, from } = column
  writer.bytes(new Uint8Array(numbers.buffer, numbers.byteOffset + from * 8, slots * 8))
}

function entriesOf(bitmaps: readonly (Presence | null)[], slots: number): number {
  const present = bitmaps.filter((bitmap) => bitmap !== null && bitmap.count > 0)
  if (present.length === 1) return present[0]!.count
  let entries = 0
  for (let slot = 0; slot < slots; slot++) {
    if (present.some((bitmap) => (bitmap!.bits[slot >> 3]! & (1 << (slot & 7))) !== 0)) entries++
  }
  return entries
}

function hasState(part: PagePart, slot: number): boolean {
  for (const column of part.columns) if (column !== null && valueInPart(column, slot) !== ABSENT) return true
  return false
}

/** Writes pages row by row, and stops within one, even within a list or map, when the slice is full. */
export class RowWriter {
  private readonly operator: string
  private readonly schemas: readonly StateSchema[]
  /** Where the next row begins: slot, its key's offset, first state, and how much of that state is written. */
  private slot = 0
  private keyFrom = 0
  private state = 0
  private item = 0
  private mapEntries: Iterator<[MapKey, unknown]> | null = null

  constructor(operator: string, schemas: readonly StateSchema[]) {
    this.operator = operator
    this.schemas = schemas
  }

  get isMidway(): boolean {
    return this.slot > 0 || this.state > 0 || this.item > 0
  }

  /** Returns the number of rows. Afterwards `isMidway` tells whether the page goes on. */
  write(part: PagePart, writer: ByteWriter, limit: number): number {
    const { keys } = part
    let rows = 0
    writer.byte(SECTION.rows)
    for (; this.slot < part.slots; this.slot++) {
      if (rows > 0 && writer.length >= limit) break
      const keyTo = keyEnd(keys, this.keyFrom)
      if (hasState(part, this.slot)) {
        rows++
        writer.byte(1)
        writer.bytes(keys, this.keyFrom, keyTo)
        const isWhole = this.writeStates(part, keys, writer, limit)
        writer.varint(0)
        if (!isWhole) break
      }
      this.keyFrom = keyTo
    }
    writer.byte(0)
    if (this.slot === part.slots) {
      this.slot = 0
      this.keyFrom = 0
    }
    return rows
  }

  /** False when the slice is full and the key's state goes on. */
  private writeStates(part: PagePart, keys: Uint8Array, writer: ByteWriter, limit: number): boolean {
    for (; this.state < part.columns.length; this.state++) {
      const column = part.columns[this.state]!
      const value = column === null ? ABSENT : valueInPart(column, this.slot)
      if (value === ABSENT) continue
      writer.varint(this.state + 1)
      if (!this.writeState(value, keys, writer, limit)) return false
    }
    this.state = 0
    return true
  }

  private writeState(value: unknown, keys: Uint8Array, writer: ByteWriter, limit: number): boolean {
    const { kind } = this.schemas[this.state]!
    if (kind === 'list') return this.writeList(value as ListCell, keys, writer, limit)
    if (kind === 'map') return this.writeMap(value as MapCell, keys, writer, limit)
    this.encode(value, keys, writer)
    return true
  }

  private writeList(cell: ListCell, keys: Uint8Array, writer: ByteWriter, limit: number): boolean {
    const { items, length } = cell
    do {
      const end = Math.min(this.item + CHUNK_ITEMS, length)
      writer.varint(end - this.item)
      for (; this.item < end; this.item++) this.encode(items[this.item], keys, writer)
    } while (this.item < length && writer.length < limit)
    writer.varint(0)
    if (this.item < length) return false
    this.item = 0
    return true
  }

  private writeMap(cell: MapCell, keys: Uint8Array, writer: ByteWriter, limit: number): boolean {
    const { entries } = cell
    this.mapEntries ??= entries.entries()
    do {
      const end = Math.min(this.item + CHUNK_ITEMS, entries.size)
      writer.varint(end - this.item)
      for (; this.item < end; this.item++) {
        const [key, value] = this.mapEntries.next().value as [MapKey, unknown]
        writeKey(keyOfMapKey(key), writer)
        this.encode(value, keys, writer)
      }
    } while (this.item < entries.size && writer.length < limit)
    writer.varint(0)
    if (this.item < entries.size) return false
    this.item = 0
    this.mapEntries = null
    return true
  }

  private encode(value: unknown, keys: Uint8Array, writer: ByteWriter): void {
    try {
      valueCodec.encode(value, writer)
    } catch (error) {
      if (!isTidemarkError(error) || error.code !== 'NOT_ENCODABLE') throw error
      const key = String(readKey(new ByteBufferReader(keys.subarray(this.keyFrom))))
      assertEncodable(value, `The state '${this.schemas[this.state]!.name}' of ${this.operator}, key ${key},`)
      throw error
    }
  }
}
