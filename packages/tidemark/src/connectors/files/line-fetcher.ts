import { TidemarkError } from '../../core/errors.ts'
import type { FileSystem } from '../../core/file-system.ts'
import { describeChange, type FileSplit } from './file-split.ts'

const NEWLINE = 10
/** How far beyond a split is read for the end of its last line, at first. */
const BEYOND_SPLIT = 64 * 1024

/** Whole lines of one split, as bytes: begins where a line starts, ends after a line break or with the file. */
export interface LineBlock {
  readonly bytes: Uint8Array
  /** Where `bytes` start in the file. */
  readonly offset: number
  /** No line of the split follows. */
  readonly isLast: boolean
}

export interface LineFetcherOptions {
  readonly chunkSize: number
  /** A line with more bytes is not even read. */
  readonly maxLineBytes: number
}

/**
 * Reads one split, block by block. Every read begins where a line starts, so no character and no line is ever put together from
 * two reads; the part of a line at the end of a read is read again.
 */
export class LineFetcher {
  private readonly files: FileSystem
  private readonly split: FileSplit
  private readonly options: LineFetcherOptions
  private offset: number
  private isChecked = false
  isDone = false

  constructor(files: FileSystem, split: FileSplit, options: LineFetcherOptions) {
    this.files = files
    this.split = split
    this.options = options
    this.offset = split.position
  }

  /** The next block; null when no line is left. Errors name the file. */
  async next(): Promise<LineBlock | null> {
    try {
      if (!this.isChecked) await this.check()
      const block = this.offset < this.split.end ? await this.readBlock() : null
      if (block === null || block.isLast) this.isDone = true
      return block
    } catch (error) {
      throw this.failure(error)
    }
  }

  /** The file must still be the one that was found, and the position the start of a line. */
  private async check(): Promise<void> {
    const change = describeChange(this.split, await this.files.stat(this.split.path))
    if (change !== null) throw this.changed(change)
    if (this.split.isAligned) {
      // At the end of the split, what is before may be a last line without a line break.
      const isStart = this.offset === 0 || this.offset >= this.split.end
      if (!isStart && (await this.read(this.offset - 1, 1))[0] !== NEWLINE) {
        throw this.changed(`no line starts at byte ${this.offset} any more`)
      }
    } else this.offset = await this.findFirstLine()
    this.isChecked = true
  }

  /** A line belongs to the split in which it starts: what comes before the first line break belongs to the split before. */
  private async findFirstLine(): Promise<number> {
    const step = Math.min(this.options.chunkSize, BEYOND_SPLIT)
    let offset = this.split.start - 1
    while (offset < this.split.end - 1) {
      const bytes = await this.read(offset, Math.min(step, this.split.size - offset))
      const newline = bytes.indexOf(NEWLINE)
      if (newline !== -1) return offset + newline + 1
      offset += bytes.length
    }
    return this.split.end
  }

  private async readBlock(): Promise<LineBlock> {
    const { end, size, path } = this.split
    const { offset } = this
    let wanted = Math.min(this.options.chunkSize, end - offset + BEYOND_SPLIT)
    for (;;) {
      const length = Math.min(wanted, size - offset)
      const bytes = await this.read(offset, length)
      const isWholeRest = offset + length === size
      const lastLineEnd = lineEnd(bytes, end - 1 - offset)
      if (lastLineEnd !== -1) return this.block(bytes, lastLineEnd, true)
      if (isWholeRest) return this.block(bytes, bytes.length, true)
      const lastBreak = bytes.lastIndexOf(NEWLINE)
      if (lastBreak !== -1) return this.block(bytes, lastBreak + 1, false)
      if (length > this.options.maxLineBytes) throw lineTooLong(path, offset, this.options.maxLineBytes)
      wanted = Math.min(wanted * 2, this.options.maxLineBytes + 1)
    }
  }

  private block(bytes: Uint8Array, length: number, isLast: boolean): LineBlock {
    const block = { bytes: bytes.subarray(0, length), offset: this.offset, isLast }
    this.offset += length
    return block
  }

  private async read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = await this.files.read(this.split.path, offset, length)
    if (bytes.length < length) throw this.changed(`it ends at byte ${offset + bytes.length}, not at ${this.split.size}`)
    return bytes
  }

  private changed(change: string): TidemarkError {
    const { path } = this.split
    return new TidemarkError(
      'SOURCE_FAILED',
      `the input file ${path} is not what it was when the job began: ${change}`,
      {
        action: 'Put the original file back, or start afresh with --fresh and another output.',
        context: { file: path },
      },
    )
  }

  private failure(error: unknown): TidemarkError {
    if (error instanceof TidemarkError) return error
    const { path } = this.split
    const reason = error instanceof Error ? error.message : String(error)
    return new TidemarkError('SOURCE_FAILED', `cannot read ${path} at byte ${this.offset}: ${reason}`, {
      context: { file: path },
      cause: error,
    })
  }
}

/** The index after the line break that ends the line holding byte `index`; −1 when it is not in `bytes`. */
function lineEnd(bytes: Uint8Array, index: number): number {
  return index >= bytes.length ? -1 : bytes.indexOf(NEWLINE, index) + 1 || -1
}

export function lineTooLong(path: string, offset: number, limit: number): TidemarkError {
  return new TidemarkError('CORRUPT_DATA', `${path} byte ${offset}: a line is longer than ${limit}`, {
    action: 'Raise the option maxLineLength, or check that this is a text file.',
    context: { file: path, position: `${path} byte ${offset}` },
  })
}
