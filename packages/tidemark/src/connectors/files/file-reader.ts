import { assert, TidemarkError } from '../../core/errors.ts'
import type { PollResult, ReaderContext, SourceOutput, SourceReader, Split } from '../../core/source.ts'
import type { FileSplit } from './file-split.ts'
import { LineCursor, type TextEncoding } from './line-cursor.ts'
import { type LineBlock, LineFetcher, lineTooLong } from './line-fetcher.ts'

/** What a format answers for a line that is no record. */
export const NO_RECORD = Symbol('no record')

/** Turns a line into a record; null: the line is the record. `describe` tells the position, for errors. */
export type LineFormat<T> = ((line: string, describe: () => string) => T | typeof NO_RECORD) | null

export interface FileReaderOptions {
  readonly chunkSize: number
  readonly maxLineLength: number
  readonly encoding: TextEncoding
  readonly isInvalidRefused: boolean
  readonly skipEmptyLines: boolean
}

/** A split being read. `position` is where the block that comes next starts. */
interface Progress {
  readonly split: FileSplit
  readonly fetcher: LineFetcher
  position: number
  isAligned: boolean
}

/** The block whose lines are being emitted. */
interface Current {
  readonly from: Progress
  readonly block: LineBlock
  readonly cursor: LineCursor
}

/** Consecutive records of the last poll from consecutive lines of one piece. */
interface Segment {
  readonly firstRecord: number
  readonly firstLine: number
  readonly piece: number
  readonly cursor: LineCursor
  readonly path: string
}

/** UTF-16 units to UTF-8 bytes: what is longer in bytes is too long in any case. */
const MAX_BYTES_PER_UNIT = 3

/** Reads splits of text files line by line: one block is emitted while the next one is read. */
export class FileReader<T> implements SourceReader<T> {
  private readonly context: ReaderContext
  private readonly format: LineFormat<T>
  private readonly options: FileReaderOptions
  private readonly progress: Progress[] = []
  private ready: { readonly from: Progress; readonly block: LineBlock | null } | null = null
  private current: Current | null = null
  private fetching: Promise<void> | null = null
  /** The enumerator hears of every new reader: the first request need not be made. */
  private isRequested = true
  private hasMoreSplits = true
  private isClosed = false
  private segments: Segment[] = []
  private emitted = 0

  constructor(context: ReaderContext, format: LineFormat<T>, options: FileReaderOptions) {
    this.context = context
    this.format = format
    this.options = options
  }

  addSplits(splits: readonly Split[]): void {
    const { chunkSize, maxLineLength } = this.options
    for (const split of splits as readonly FileSplit[]) {
      const fetcher = new LineFetcher(this.context.files, split, {
        chunkSize,
        maxLineBytes: maxLineLength * MAX_BYTES_PER_UNIT,
      })
      this.progress.push({ split, fetcher, position: split.position, isAligned: split.isAligned })
    }
    this.isRequested = false
    this.fetch()
  }

  noMoreSplits(): void {
    this.hasMoreSplits = false
    this.context.wake()
  }

  poll(output: SourceOutput<T>, max: number): PollResult {
    this.segments = []
    this.emitted = 0
    let taken = 0
    while (taken < max) {
      const current = this.current ?? this.nextBlock()
      if (current === null) return this.progress.length === 0 && !this.hasMoreSplits ? 'end' : 'nothing-now'
      taken += this.emitLines(output, current.cursor, max - taken)
    }
    return 'more'
  }

  describePosition(index: number): string {
    const segment = this.segments.findLast(({ firstRecord }) => firstRecord <= index)
    assert(segment !== undefined, `record ${index} is of the last poll`)
    const line = segment.firstLine + (index - segment.firstRecord)
    return describe(segment.path, segment.cursor.positionOf(segment.piece, line))
  }

  snapshot(): readonly FileSplit[] {
    return this.progress.map((progress) => {
      const isCurrent = progress === this.current?.from
      const position = isCurrent ? this.current!.cursor.position : progress.position
      return { ...progress.split, position, isAligned: progress.isAligned || isCurrent }
    })
  }

  async close(): Promise<void> {
    this.isClosed = true
    await this.fetching
  }

  /** Emits at most `max` lines of the current block; the number of lines taken. */
  private emitLines(output: SourceOutput<T>, cursor: LineCursor, max: number): number {
    const { format } = this
    const { maxLineLength, skipEmptyLines } = this.options
    let piece = -1
    for (let taken = 0; taken < max; taken++) {
      const line = cursor.next()
      if (line === null) {
        this.endBlock()
        return taken
      }
      if (cursor.piece !== piece) {
        piece = cursor.piece
        this.startSegment(cursor)
      }
      if (line.length > maxLineLength) {
        throw lineTooLong(this.current!.from.split.path, this.linePosition(cursor), maxLineLength)
      }
      if (skipEmptyLines && line === '') piece = -1
      else if (format === null) {
        output.emit(line as T)
        this.emitted++
      } else {
        const record = format(line, () => this.describeLine(cursor))
        if (record === NO_RECORD) piece = -1
        else {
          output.emit(record)
          this.emitted++
        }
      }
    }
    return max
  }

  private startSegment(cursor: LineCursor): void {
    const { path } = this.current!.from.split
    if (this.options.isInvalidRefused && !cursor.isValid) {
      const position = describe(path, this.linePosition(cursor))
      throw new TidemarkError('CORRUPT_DATA', `${position}: the text is not valid UTF-8 here or shortly after`, {
        action: `Read it as latin1, or with invalidBytes: 'replace'.`,
        context: { file: path, position },
      })
    }
    const firstLine = cursor.lineOfPiece - 1
    this.segments.push({ firstRecord: this.emitted, firstLine, piece: cursor.piece, cursor, path })
  }

  private describeLine(cursor: LineCursor): string {
    return describe(this.current!.from.split.path, this.linePosition(cursor))
  }

  /** Where the line starts that was taken last. */
  private linePosition(cursor: LineCursor): number {
    return cursor.positionOf(cursor.piece, cursor.lineOfPiece - 1)
  }

  private nextBlock(): Current | null {
    while (this.ready !== null) {
      const { from, block } = this.ready
      this.ready = null
      this.fetch()
      if (block === null) this.removeFirst(from)
      else return (this.current = { from, block, cursor: new LineCursor(block, this.options.encoding) })
    }
    return null
  }

  private endBlock(): void {
    const { from, block } = this.current!
    this.current = null
    from.position = block.offset + block.bytes.length
    from.isAligned = true
    if (block.isLast) this.removeFirst(from)
  }

  private removeFirst(finished: Progress): void {
    assert(this.progress[0] === finished, 'splits are read one after the other')
    this.progress.shift()
  }

  /** Starts the next read, if there is something to read and room for it. */
  private fetch(): void {
    if (this.fetching !== null || this.ready !== null || this.isClosed) return
    const from = this.progress.find(({ fetcher }) => !fetcher.isDone)
    if (from === undefined) return this.requestSplit()
    this.fetching = from.fetcher.next().then(
      (block) => this.onBlock(from, block),
      (error: unknown) => {
        this.fetching = null
        if (!this.isClosed) this.context.fail(error)
      },
    )
  }

  private onBlock(from: Progress, block: LineBlock | null): void {
    this.fetching = null
    if (this.isClosed) return
    this.ready = { from, block }
    this.context.wake()
    if (from.fetcher.isDone && this.progress.at(-1) === from) this.requestSplit()
  }

  private requestSplit(): void {
    if (this.isRequested || !this.hasMoreSplits) return
    this.isRequested = true
    this.context.requestSplit()
  }
}

function describe(path: string, position: number): string {
  return `${path} byte ${position}`
}
