import type { ByteWriter } from '../../core/codec.ts'
import { crc32c } from '../../core/crc32c.ts'
import { assert } from '../../core/errors.ts'
import type { KeyedBlock } from '../../core/manifest.ts'
import type { StateSchema } from '../../core/state.ts'
import type { KeyedStateSnapshotting } from './contract.ts'
import type { KeyGroupTable, PagePart } from './key-group-table.ts'
import { BLOCK_FORMAT } from './keyed-block.ts'
import { canBeColumns, RowWriter, writeColumns } from './page-writer.ts'

/** What a snapshot says about itself. */
export interface SnapshotHeader {
  readonly operator: string
  readonly schemas: readonly StateSchema[]
  readonly firstGroup: number
}

const PAGES_PER_TABLE = 2 ** 32

/**
 * The state at one moment, being written. It holds the tables of that moment; a page that is changed before it was written is copied first (`preserve`).
 * What is changed after it was written, or came later, does not concern it.
 */
export class HeapSnapshot implements KeyedStateSnapshotting {
  readonly states: readonly StateSchema[]
  private readonly number: number
  private readonly header: SnapshotHeader
  private readonly onRelease: () => void
  private tables: readonly (KeyGroupTable | null)[]
  private readonly preserved = new Map<number, PagePart>()
  private readonly rows: RowWriter
  /** The page to be written next; with `rows.isMidway`, the one being written. */
  private group = 0
  private page = 0
  private written = 0

  constructor(
    number: number,
    tables: readonly (KeyGroupTable | null)[],
    header: SnapshotHeader,
    onRelease: () => void,
  ) {
    this.number = number
    this.tables = tables
    this.header = header
    this.states = header.schemas
    this.onRelease = onRelease
    this.rows = new RowWriter(header.operator, header.schemas)
  }

  /** Keeps a page as it is now if it is still to be written as it is now. */
  preserve(table: KeyGroupTable, page: number): void {
    const group = table.keyGroup - this.header.firstGroup
    const isWritten = group < this.group || (group === this.group && page < this.page)
    if (isWritten || this.tables[group] !== table || !this.holds(table, page)) return
    // Unchanged since this snapshot only if it was not preserved after it: then an older change already made the copy.
    if (table.preservedAt[page]! >= this.number) return
    this.preserved.set(group * PAGES_PER_TABLE + page, table.part(page, true))
  }

  writeSlice(
    writer: ByteWriter,
    maxBytes: number,
  ): { readonly blocks: readonly KeyedBlock[]; readonly isDone: boolean } {
    const limit = writer.length + maxBytes
    const blocks: KeyedBlock[] = []
    let isFull = false
    for (; this.group < this.tables.length && !isFull;) {
      const table = this.tables[this.group]!
      if (table !== null && this.page < table.pages && this.holds(table, this.page)) {
        blocks.push(this.writeBlock(table, writer, limit))
        isFull = writer.length >= limit
      }
      if (table === null || this.page >= table.pages || !this.holds(table, this.page)) {
        this.group++
        this.page = 0
      }
    }
    const isDone = this.group >= this.tables.length
    return { blocks, isDone }
  }

  release(): void {
    this.tables = []
    this.preserved.clear()
    this.onRelease()
  }

  /** Pages of one table, until it ends or the slice is full. */
  private writeBlock(table: KeyGroupTable, writer: ByteWriter, limit: number): KeyedBlock {
    const from = writer.length
    let entries = 0
    writer.byte(BLOCK_FORMAT)
    do {
      entries += this.writePage(table, writer, limit)
    } while (writer.length < limit && this.page < table.pages && this.holds(table, this.page))
    assert(writer.length > from, 'a block is not empty')
    const length = writer.length - from
    const offset = this.written
    this.written += length
    return { keyGroup: table.keyGroup, offset, length, entries, crc32c: crc32c(writer.view(from)) }
  }

  /** Writes what fits of the page and moves on when it was all. Returns the number of entries. */
  private writePage(table: KeyGroupTable, writer: ByteWriter, limit: number): number {
    const id = this.group * PAGES_PER_TABLE + this.page
    const part = this.preserved.get(id) ?? table.part(this.page, false)
    let entries: number
    if (!this.rows.isMidway && canBeColumns(part)) {
      entries = writeColumns(part, table.keyLog.view(part.keysFrom, part.keysTo), writer)
    } else {
      entries = this.rows.write(part, table.keyLog.view(part.keysFrom, part.keysTo), writer, limit)
      if (this.rows.isMidway) return entries
    }
    this.preserved.delete(id)
    this.page++
    return entries
  }

  /** Whether the page existed when the snapshot was taken. */
  private holds(table: KeyGroupTable, page: number): boolean {
    return table.bornAt[page]! < this.number
  }
}
