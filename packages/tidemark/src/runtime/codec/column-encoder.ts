import { ByteBuffer } from '../../core/byte-buffer.ts'
import { valueCodec } from '../../core/value-codec.ts'
import { symbolAsName } from '../../core/value-layout.ts'
import { FrameBuffer } from './frame-buffer.ts'
import { COLUMN, MAX_COLUMN_DEPTH, MAX_FIELDS, MAX_ROWS_WITHOUT_BYTES, MAX_TUPLE_ITEMS } from './frame-layout.ts'
import { RecordShapes } from './record-shape.ts'
import { writeIntegers } from './integer-column.ts'
import { isConstant, sortIntoVariants } from './variants.ts'

const MAX_SHORT_STRING = 255
/** Of all texts of a column. V8 ends at 2^29 characters. */
const MAX_JOINED = 1 << 26
/** Longer strings are written by the buffer's own code. */
const BY_HAND_MAX = 24

/**
 * Writes values column by column. For each column it looks at the first value, takes the fast way for values of that kind, and when one does not fit,
 * sorts them by kind into columns of their own; what fits no kind takes the general path. `NOT_ENCODABLE` as `valueCodec`.
 */
export class ColumnEncoder {
  readonly frame = new FrameBuffer()
  private readonly shapes = new RecordShapes()
  private readonly general = new ByteBuffer()
  private rowsWithoutBytes = 0

  /** Starts a new frame. */
  reset(): void {
    this.frame.reset(0)
    this.rowsWithoutBytes = 0
  }

  column(values: readonly unknown[], depth: number = 0): void {
    if (this.tryConstant(values)) return
    const start = this.frame.end
    if (this.tryOneKind(values, depth)) return
    this.frame.end = start
    this.variants(values, depth)
  }

  private tryOneKind(values: readonly unknown[], depth: number): boolean {
    const first = values[0]
    switch (typeof first) {
      case 'number':
        return this.tryNumbers(values)
      case 'string':
        return this.tryStrings(values)
      case 'boolean':
        return this.tryBooleans(values)
      case 'object':
        if (first === null || depth >= MAX_COLUMN_DEPTH) return false
        if (!Array.isArray(first)) return this.tryObjects(values, first, depth)
        return areTuples(values, first.length)
          ? this.tryTuples(values, first.length, depth)
          : this.tryLists(values, depth)
      case 'undefined':
      case 'bigint':
      case 'function':
      case 'symbol':
        return false
    }
  }

  private tryConstant(values: readonly unknown[]): boolean {
    const { length } = values
    if (!isConstant(values) || this.rowsWithoutBytes + length > MAX_ROWS_WITHOUT_BYTES) return false
    this.rowsWithoutBytes += length
    this.frame.word(COLUMN.constant)
    this.generalValues(values, 1)
    return true
  }

  private tryNumbers(values: readonly unknown[]): boolean {
    const { frame } = this
    if (writeIntegers(values, frame)) return true
    frame.word(COLUMN.float64)
    frame.align(8)
    const { length } = values
    frame.reserve(length * 8)
    const { doubles } = frame
    const at = frame.end >> 3
    for (let row = 0; row < length; row++) {
      const value = values[row]
      if (typeof value !== 'number') return false
      doubles[at + row] = value
    }
    frame.end += length * 8
    return true
  }

  private tryBooleans(values: readonly unknown[]): boolean {
    const { frame } = this
    const { length } = values
    frame.word(COLUMN.booleans)
    frame.reserve(length)
    const { bytes, end } = frame
    for (let row = 0; row < length; row++) {
      const value = values[row]
      if (typeof value !== 'boolean') return false
      bytes[end + row] = value ? 1 : 0
    }
    frame.end += length
    frame.align(4)
    return true
  }

  private tryStrings(values: readonly unknown[]): boolean {
    const start = this.frame.end
    const outcome = this.tryShortStrings(values)
    if (outcome !== 'too-wide') return outcome === 'written'
    this.frame.end = start
    return this.tryAnyStrings(values)
  }

  private tryShortStrings(values: readonly unknown[]): 'written' | 'too-wide' | 'not-strings' {
    const { frame } = this
    const { length: rows } = values
    frame.word(COLUMN.shortStrings)
    frame.reserve(rows)
    const { bytes, end } = frame
    // One long text is written faster than its parts.
    let joined = ''
    for (let row = 0; row < rows; row++) {
      const text = values[row]
      if (typeof text !== 'string') return 'not-strings'
      const { length } = text
      if (length > MAX_SHORT_STRING || joined.length > MAX_JOINED) return 'too-wide'
      bytes[end + row] = length
      joined += text
    }
    frame.end += rows
    const isWritten = this.ascii(joined) || this.latin1(joined)
    frame.align(4)
    return isWritten ? 'written' : 'too-wide'
  }

  /** Appends the characters, a byte each, if they are ASCII. */
  private ascii(text: string): boolean {
    const { frame } = this
    // Room for one character more: were there less, then a text that is not ASCII might end after as many bytes as it has characters.
    frame.reserve(text.length + 4)
    const isAscii = frame.bytes.write(text, frame.end, 'utf8') === text.length
    if (isAscii) frame.end += text.length
    return isAscii
  }

  /** … if none is above U+00FF. */
  private latin1(text: string): boolean {
    const { frame } = this
    if (hasWideCharacter(text)) return false
    frame.bytes.write(text, frame.end, 'latin1')
    frame.end += text.length
    return true
  }

  private tryAnyStrings(values: readonly unknown[]): boolean {
    const { frame } = this
    const { length: rows } = values
    frame.word(COLUMN.strings)
    const lengthsAt = frame.end >> 2
    frame.reserve(rows * 4)
    frame.end += rows * 4
    for (let row = 0; row < rows; row++) {
      const text = values[row]
      if (typeof text !== 'string') return false
      const isWide = this.text(text)
      frame.words[lengthsAt + row] = text.length * 2 + (isWide ? 1 : 0)
    }
    frame.align(4)
    return true
  }

  /** Appends the characters; true when they took two bytes each. */
  private text(text: string): boolean {
    const { frame } = this
    const { length } = text
    frame.reserve(length * 2)
    const { bytes, end } = frame
    const isWide = hasWideCharacter(text)
    if (isWide) bytes.write(text, end, 'utf16le')
    else if (length > BY_HAND_MAX) bytes.write(text, end, 'latin1')
    else for (let index = 0; index < length; index++) bytes[end + index] = text.charCodeAt(index)
    frame.end += isWide ? length * 2 : length
    return isWide
  }

  private tryObjects(values: readonly unknown[], first: object, depth: number): boolean {
    if (Object.getPrototypeOf(first) !== Object.prototype) return false
    const shape = this.shapes.of(first)
    const { length: rows } = values
    const fields = shape.names.length
    if (fields === 0 || fields > MAX_FIELDS) return false
    const columns = emptyColumns(fields, rows)
    if (shape.gather(values, columns) < rows) return false
    const { frame } = this
    frame.word(COLUMN.objects)
    const lengthAt = frame.end
    frame.word(0)
    const isWide = this.text(shape.text)
    frame.words[lengthAt >> 2] = shape.text.length * 2 + (isWide ? 1 : 0)
    frame.align(4)
    for (const column of columns) this.column(column, depth + 1)
    return true
  }

  private tryTuples(values: readonly unknown[], items: number, depth: number): boolean {
    const { length: rows } = values
    const columns = emptyColumns(items, rows)
    for (let row = 0; row < rows; row++) {
      const value = values[row]
      if (!hasOnlyItems(value)) return false
      for (let index = 0; index < items; index++) {
        const item: unknown = value[index]
        if (item === undefined && !(index in value)) return false
        columns[index]![row] = item
      }
    }
    this.frame.word(COLUMN.tuples)
    this.frame.word(items)
    for (const column of columns) this.column(column, depth + 1)
    return true
  }

  private tryLists(values: readonly unknown[], depth: number): boolean {
    const { length: rows } = values
    // oxlint-disable-next-line unicorn/no-new-array -- room for all rows at once
    const lengths: number[] = new Array(rows)
    const items: unknown[] = []
    for (let row = 0; row < rows; row++) {
      const value = values[row]
      if (!hasOnlyItems(value)) return false
      const { length } = value
      for (let index = 0; index < length; index++) {
        const item: unknown = value[index]
        if (item === undefined && !(index in value)) return false
        items.push(item)
      }
      lengths[row] = length
    }
    this.frame.word(COLUMN.lists)
    this.column(lengths, depth + 1)
    if (items.length > 0) this.column(items, depth + 1)
    return true
  }

  private variants(values: readonly unknown[], depth: number): void {
    const { frame } = this
    const { selectors, variants } = sortIntoVariants(values, depth < MAX_COLUMN_DEPTH)
    if (variants.length === 1) return this.generalColumn(values)
    frame.word(COLUMN.variants)
    frame.word(variants.length)
    frame.blob(selectors)
    for (const rows of variants) {
      const start = frame.end
      if (this.tryConstant(rows) || this.tryOneKind(rows, depth)) continue
      frame.end = start
      this.generalColumn(rows)
    }
  }

  private generalColumn(values: readonly unknown[]): void {
    this.frame.word(COLUMN.general)
    this.generalValues(values, values.length)
  }

  private generalValues(values: readonly unknown[], count: number): void {
    const { general } = this
    general.clear()
    for (let row = 0; row < count; row++) valueCodec.encode(values[row], general)
    this.frame.word(general.length)
    this.frame.blob(general.view(0))
  }
}

/** Whether this is an array without properties beside its items, provided that it has no holes. Asked of every array: what is not seen would be lost. */
function hasOnlyItems(value: unknown): value is readonly unknown[] {
  if (!Array.isArray(value) || Object.getPrototypeOf(value) !== Array.prototype) return false
  return Object.keys(value).length === value.length && symbolAsName(value) === undefined
}

/** Whether all are arrays of this length, which is one that tuples have. */
function areTuples(values: readonly unknown[], items: number): boolean {
  if (items === 0 || items > MAX_TUPLE_ITEMS) return false
  for (let row = 0; row < values.length; row++) {
    const value = values[row]
    if (!Array.isArray(value) || value.length !== items) return false
  }
  return true
}

function emptyColumns(count: number, rows: number): unknown[][] {
  const columns: unknown[][] = []
  // oxlint-disable-next-line unicorn/no-new-array -- room for all rows at once
  for (let index = 0; index < count; index++) columns.push(new Array(rows))
  return columns
}

function hasWideCharacter(text: string): boolean {
  for (let index = 0; index < text.length; index++) if (text.charCodeAt(index) > 0xff) return true
  return false
}
