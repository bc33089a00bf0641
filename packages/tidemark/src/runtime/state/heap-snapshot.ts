import type { ByteWriter } from '../../core/codec.ts'
import { crc32c } from '../../core/crc32c.ts'
import { assert } from '../../core/errors.ts'
import type { KeyedBlock } from '../../core/manifest.ts'
import type { StateSchema } from '../../core/state.ts'
import type { KeyedStateSnapshotting } from './contract.ts'
import type { KeyPage, PageGroup } from './key-pages.ts'
import type { KeyTable, PagePart } from './key-table.ts'
import { BLOCK_FORMAT } from './keyed-block.ts'
import { canBeColumns, RowWriter, writeColumns } from './page-writer.ts'

/** What a snapshot says about itself. */
export interface SnapshotHeader {
  readonly operator: string
  readonly schemas: readonly StateSchema[]
  readonly firstGroup: number
}

/**
 * The state at one moment, being written. It holds the groups of that moment; a page that is changed before it was written is copied first (`preserve`).
 * What is changed after it was written, or came later, does not concern it.
 */
export class HeapSnapshot implements KeyedStateSnapshotting {
  readonly states: readonly StateSchema[]
  private readonly number: number
  private readonly header: SnapshotHeader
  private readonly onFixed: () => void
  private readonly onRelease: () => void
  private readonly table: KeyTable
  private groups: readonly (PageGroup | null)[]
  private readonly preserved = new Map<KeyPage, PagePart>()
  private readonly rows: RowWriter
  /** The page to be written next; with `rows.isMidway`, the one being written. */
  private group = 0
  private page = 0
  private written = 0
  /** Pages that were neither written nor preserved yet. */
  private unfixed: number

  constructor(
    number: number,
    table: KeyTable,
    groups: readonly (PageGroup | null)[],
    header: SnapshotHeader,
    listener: { readonly onFixed: () => void; readonly onRelease: () => void },
  ) {
    this.number = number
    this.table = table
    this.groups = groups
    this.header = header
    this.states = header.schemas
    this.onFixed = listener.onFixed
    this.onRelease = listener.onRelease
    this.unfixed = groups.reduce((pages, group) => pages + (group?.pages.length ?? 0), 0)
    this.rows = new RowWriter(header.operator, header.schemas)
  }

  /** Keeps a page as it is now if it is still to be written as it is now. */
  preserve(page: KeyPage): void {
    const group = page.group.keyGroup - this.header.firstGroup
    const isWritten = group < this.group || (group === this.group && page.ordinal < this.page)
    if (isWritten || this.groups[group] !== page.group || page.bornAt >= this.number) return
    // Unchanged since this snapshot only if it was not preserved after it: then an older change already made the copy.
    if (page.preservedAt >= this.number) return
    this.preserved.set(page, this.table.part(page, true))
    this.fixed()
  }

  writeSlice(
    writer: ByteWriter,
    maxBytes: number,
  ): { readonly blocks: readonly KeyedBlock[]; readonly isDone: boolean } {
    const limit = writer.length + maxBytes
    const blocks: KeyedBlock[] = []
    let isFull = false
    while (this.group < this.groups.length && !isFull) {
      const group = this.groups[this.group]!
      const page = group === null ? null : this.pageToWrite(group)
      if (group !== null && page !== null) {
        blocks.push(this.writeBlock(group, page, writer, limit))
        isFull = writer.length >= limit
      }
      if (group === null || this.pageToWrite(group) === null) {
        this.group++
        this.page = 0
      }
    }
    const isDone = this.group >= this.groups.length
    return { blocks, isDone }
  }

  release(): void {
    this.groups = []
    this.preserved.clear()
    this.onRelease()
  }

  /** Pages of one group, until it ends or the slice is full. */
  private writeBlock(group: PageGroup, first: KeyPage, writer: ByteWriter, limit: number): KeyedBlock {
    const from = writer.length
    let entries = 0
    writer.byte(BLOCK_FORMAT)
    let page: KeyPage | null = first
    do {
      entries += this.writePage(page, writer, limit)
      page = this.pageToWrite(group)
    } while (writer.length < limit && page !== null)
    assert(writer.length > from, 'a block is not empty')
    const length = writer.length - from
    const offset = this.written
    this.written += length
    return { keyGroup: group.keyGroup, offset, length, entries, crc32c: crc32c(writer.view(from)) }
  }

  /** Writes what fits of the page and moves on when it was all. Returns the number of entries. */
  private writePage(page: KeyPage, writer: ByteWriter, limit: number): number {
    const part = this.preserved.get(page) ?? this.table.part(page, false)
    let entries: number
    if (!this.rows.isMidway && canBeColumns(part)) {
      entries = writeColumns(part, writer)
    } else {
      entries = this.rows.write(part, writer, limit)
      if (this.rows.isMidway) return entries
    }
    if (!this.preserved.delete(page)) this.fixed()
    this.page++
    return entries
  }

  private fixed(): void {
    this.unfixed--
    if (this.unfixed === 0) this.onFixed()
  }

  /** The next page of the group, if there is one that existed when the snapshot was taken. */
  private pageToWrite({ pages }: PageGroup): KeyPage | null {
    const page = pages[this.page]
    return page === undefined || page.bornAt >= this.number ? null : page
  }
}
