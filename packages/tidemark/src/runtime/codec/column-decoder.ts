import { ByteBufferReader } from '../../core/byte-buffer-reader.ts'
import { valueCodec } from '../../core/value-codec.ts'
import { corrupt, type FrameReader } from './frame-buffer.ts'
import {
  COLUMN,
  MAX_DECODED_DEPTH,
  MAX_FIELDS,
  MAX_LIST_ITEMS,
  MAX_ROWS_WITHOUT_BYTES,
  MAX_TUPLE_ITEMS,
} from './frame-layout.ts'
import { RecordShapes } from './record-shape.ts'
import { makeText } from './short-text.ts'

/**
 * Short texts are cut out of one made of all, in half the time that it takes to make each of its bytes. V8 copies what is cut out if it has fewer than 13 characters; longer ones would keep all of
 * them in memory.
 */
const LONGEST_CUT = 12
/** Fewer are not worth it. */
const LEAST_CUT = 8
/** Bytes of one text. */
const MOST_CUT = 1 << 24

/** Reads what a `ColumnEncoder` wrote. One per thread: it remembers shapes. */
export class ColumnDecoder {
  private readonly shapes = new RecordShapes()
  private rowsWithoutBytes = 0

  /** Begins with another frame. */
  reset(): void {
    this.rowsWithoutBytes = 0
  }

  column(reader: FrameReader, rows: number, depth: number = 0): unknown[] {
    const kind = reader.word()
    switch (kind) {
      case COLUMN.constant:
        return this.constant(reader, rows)
      case COLUMN.integers8:
      case COLUMN.integers16:
      case COLUMN.integers32:
      case COLUMN.wideIntegers32:
        return integers(reader, rows, kind)
      case COLUMN.float64:
        return float64s(reader, rows)
      case COLUMN.booleans:
        return booleans(reader, rows)
      case COLUMN.shortStrings:
        return shortStrings(reader, rows)
      case COLUMN.strings:
        return strings(reader, rows)
      case COLUMN.general:
        return general(reader, rows)
      default:
        if (depth > MAX_DECODED_DEPTH) throw corrupt('columns are nested too deep')
        return this.structure(kind, reader, rows, depth)
    }
  }

  private structure(kind: number, reader: FrameReader, rows: number, depth: number): unknown[] {
    switch (kind) {
      case COLUMN.objects:
        return this.objects(reader, rows, depth)
      case COLUMN.tuples:
        return this.tuples(reader, rows, depth)
      case COLUMN.lists:
        return this.lists(reader, rows, depth)
      case COLUMN.variants:
        return this.variants(reader, rows, depth)
      default:
        throw corrupt(`there is no column of kind ${kind}`)
    }
  }

  private constant(reader: FrameReader, rows: number): unknown[] {
    this.rowsWithoutBytes += rows
    if (this.rowsWithoutBytes > MAX_ROWS_WITHOUT_BYTES) throw corrupt('it holds more rows than it can')
    const [value] = general(reader, 1)
    if (typeof value === 'object' && value !== null) throw corrupt('an object stands for several')
    // oxlint-disable-next-line unicorn/no-new-array
    return new Array(rows).fill(value)
  }

  private objects(reader: FrameReader, rows: number, depth: number): unknown[] {
    const text = textOf(reader, reader.word())
    reader.align(4)
    const shape = this.shapes.named(text)
    if (shape === undefined) throw corrupt('it names no shape of records')
    const fields = shape.names.length
    if (fields === 0 || fields > MAX_FIELDS) throw corrupt(`records have ${fields} fields`)
    return shape.make(rows, this.columns(reader, rows, fields, depth))
  }

  private tuples(reader: FrameReader, rows: number, depth: number): unknown[] {
    const items = reader.word()
    if (!(items > 0 && items <= MAX_TUPLE_ITEMS)) throw corrupt(`tuples have ${items} items`)
    return makeTuples(rows, this.columns(reader, rows, items, depth))
  }

  private lists(reader: FrameReader, rows: number, depth: number): unknown[] {
    const lengths = this.column(reader, rows, depth + 1)
    let total = 0
    for (const length of lengths) {
      if (!isLength(length)) throw corrupt('a list has no length')
      total += length
    }
    const items = total === 0 ? [] : this.column(reader, total, depth + 1)
    const values: unknown[] = []
    let at = 0
    for (const length of lengths as readonly number[]) values.push(items.slice(at, (at += length)))
    return values
  }

  private columns(reader: FrameReader, rows: number, count: number, depth: number): unknown[][] {
    const columns: unknown[][] = []
    for (let index = 0; index < count; index++) columns.push(this.column(reader, rows, depth + 1))
    return columns
  }

  private variants(reader: FrameReader, rows: number, depth: number): unknown[] {
    const count = reader.word()
    if (!(count > 0 && count <= 0xff)) throw corrupt(`a column has ${count} variants`)
    const selectors = reader.blob(rows)
    const sizes = new Uint32Array(count)
    for (let row = 0; row < rows; row++) {
      const selector = selectors[row]!
      if (selector >= count) throw corrupt('a row belongs to no variant')
      sizes[selector]!++
    }
    const columns: unknown[][] = []
    for (const size of sizes) columns.push(this.column(reader, size, depth + 1))
    const next = new Uint32Array(count)
    const values: unknown[] = []
    for (let row = 0; row < rows; row++) {
      const selector = selectors[row]!
      values.push(columns[selector]![next[selector]!++])
    }
    return values
  }
}

function shortStrings(reader: FrameReader, rows: number): unknown[] {
  const lengthsAt = reader.take(rows)
  const { frame } = reader
  const { bytes } = frame
  let total = 0
  for (let row = 0; row < rows; row++) total += bytes[lengthsAt + row]!
  const from = reader.take(total)
  reader.align(4)
  const isCut = rows >= LEAST_CUT && total <= MOST_CUT
  const whole = isCut ? bytes.toString('latin1', from, from + total) : ''
  const longest = isCut ? LONGEST_CUT : -1
  // oxlint-disable-next-line unicorn/no-new-array -- one allocation for all rows
  const values: string[] = new Array(rows)
  let at = 0
  for (let row = 0; row < rows; row++) {
    const length = bytes[lengthsAt + row]!
    values[row] = length <= longest ? whole.slice(at, at + length) : makeText(frame, from + at, length)
    at += length
  }
  return values
}

function isLength(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MAX_LIST_ITEMS
}

function integers(reader: FrameReader, rows: number, kind: number): unknown[] {
  const base = reader.double()
  const width = kind === COLUMN.integers8 ? 1 : kind === COLUMN.integers16 ? 2 : 4
  const from = reader.take(rows * width)
  reader.align(4)
  const { bytes, halves, words } = reader.frame
  if (kind === COLUMN.integers32) return smallIntegers(base | 0, words, from >> 2, rows)
  if (base === (base | 0) && base < 0x7fff_0000) {
    if (width === 1) return smallIntegers(base | 0, bytes, from, rows)
    if (width === 2) return smallIntegers(base | 0, halves, from >> 1, rows)
  }
  // oxlint-disable-next-line unicorn/no-new-array -- one allocation for all rows
  const values: number[] = new Array(rows)
  if (width === 1) for (let row = 0; row < rows; row++) values[row] = base + bytes[from + row]!
  else if (width === 2) for (let row = 0, at = from >> 1; row < rows; row++) values[row] = base + halves[at + row]!
  else for (let row = 0, at = from >> 2; row < rows; row++) values[row] = base + (words[at + row]! >>> 0)
  return values
}

/**
 * By integer arithmetic from end to end: sums of doubles would make arrays of doubles, and objects made of them would have fields of doubles. V8 would then give up the
 * hidden class under which the job's own objects have integers there, and move each of them to another one: hundreds of nanoseconds per record.
 */
function smallIntegers(
  base: number,
  offsets: Uint8Array | Uint16Array | Int32Array,
  from: number,
  rows: number,
): unknown[] {
  // oxlint-disable-next-line unicorn/no-new-array -- one allocation for all rows
  const values: number[] = new Array(rows)
  for (let row = 0; row < rows; row++) values[row] = (base + offsets[from + row]!) | 0
  return values
}

function float64s(reader: FrameReader, rows: number): unknown[] {
  reader.align(8)
  const from = reader.take(rows * 8) >> 3
  const { doubles } = reader.frame
  // oxlint-disable-next-line unicorn/no-new-array -- one allocation for all rows
  const values: number[] = new Array(rows)
  for (let row = 0; row < rows; row++) values[row] = doubles[from + row]!
  return values
}

function booleans(reader: FrameReader, rows: number): unknown[] {
  const bytes = reader.blob(rows)
  const values: boolean[] = []
  for (let row = 0; row < rows; row++) values.push(bytes[row] === 1)
  return values
}

function strings(reader: FrameReader, rows: number): unknown[] {
  const from = reader.take(rows * 4) >> 2
  const { words } = reader.frame
  const values: string[] = []
  for (let row = 0; row < rows; row++) values.push(textOf(reader, words[from + row]!))
  reader.align(4)
  return values
}

/** `size`: characters × 2 + (1 if two bytes per character). */
function textOf(reader: FrameReader, size: number): string {
  const isWide = (size & 1) === 1
  const length = (size >>> 1) * (isWide ? 2 : 1)
  const from = reader.take(length)
  const { bytes } = reader.frame
  return isWide ? bytes.toString('utf16le', from, from + length) : bytes.toString('latin1', from, from + length)
}

function general(reader: FrameReader, rows: number): unknown[] {
  const length = reader.word()
  const bytes = new ByteBufferReader(reader.blob(length))
  const values: unknown[] = []
  for (let row = 0; row < rows; row++) values.push(valueCodec.decode(bytes))
  if (bytes.remaining > 0) throw corrupt('a column is longer than its rows')
  return values
}

function makeTuples(rows: number, columns: readonly (readonly unknown[])[]): unknown[] {
  const values: unknown[] = []
  const [first, second] = columns
  if (columns.length === 2) {
    for (let row = 0; row < rows; row++) values.push([first![row], second![row]])
    return values
  }
  for (let row = 0; row < rows; row++) {
    const value: unknown[] = []
    for (let index = 0; index < columns.length; index++) value.push(columns[index]![row])
    values.push(value)
  }
  return values
}
