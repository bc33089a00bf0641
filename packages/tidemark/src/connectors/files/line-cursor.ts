import { isAscii, isUtf8 } from 'node:buffer'
import type { LineBlock } from './line-fetcher.ts'

/**
 * How much is decoded at once. A line is a slice of the decoded text and keeps all of it alive for as long as somebody keeps the line (V8), so this
 * bounds what a kept word costs; larger pieces are not faster (benchmarks: 25 ns per line of English text from 2 KiB on).
 */
export const PIECE_SIZE = 4096

const NEWLINE = 10
const CARRIAGE_RETURN = 13
const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf] as const

export type TextEncoding = 'utf-8' | 'latin1'

/** Walks through the lines of a block, decoding piece by piece. Where bytes and characters differ, positions are counted only when asked for. */
export class LineCursor {
  private readonly bytes: Buffer
  private readonly blockOffset: number
  private readonly encoding: TextEncoding
  private pieceStart = 0
  private pieceEnd = 0
  private text = ''
  private at = 0
  private isOneByte = true
  private linesOfPiece = 0

  constructor(block: LineBlock, encoding: TextEncoding) {
    this.bytes = Buffer.from(block.bytes.buffer, block.bytes.byteOffset, block.bytes.byteLength)
    this.blockOffset = block.offset
    this.encoding = encoding
    if (
      block.offset === 0 &&
      encoding === 'utf-8' &&
      BYTE_ORDER_MARK.every((byte, index) => byte === this.bytes[index])
    ) {
      this.pieceEnd = BYTE_ORDER_MARK.length
    }
  }

  /** The next line without its line break; null at the end. */
  next(): string | null {
    if (this.at === this.text.length && !this.nextPiece()) return null
    const { text, at } = this
    let end = text.indexOf('\n', at)
    this.linesOfPiece++
    if (end === -1) {
      this.at = text.length
      return at === 0 ? text : text.slice(at)
    }
    this.at = end + 1
    if (end > at && text.charCodeAt(end - 1) === CARRIAGE_RETURN) end--
    return text.slice(at, end)
  }

  /** Where in the file the next line starts. */
  get position(): number {
    return this.blockOffset + this.offsetOfLine(this.pieceStart, this.linesOfPiece)
  }

  /** Where in the block the piece starts that the last line is from. */
  get piece(): number {
    return this.pieceStart
  }

  /** How many lines were taken from that piece. */
  get lineOfPiece(): number {
    return this.linesOfPiece
  }

  /** Where in the file line number `line` (from 0) after the start of a piece begins. */
  positionOf(piece: number, line: number): number {
    return this.blockOffset + this.offsetOfLine(piece, line)
  }

  /** Whether the bytes of the piece that the last line is from are valid in the encoding. */
  get isValid(): boolean {
    return this.isOneByte || isUtf8(this.bytes.subarray(this.pieceStart, this.pieceEnd))
  }

  private offsetOfLine(piece: number, line: number): number {
    if (piece === this.pieceStart) {
      if (line === this.linesOfPiece && this.isOneByte) return this.pieceStart + this.at
    }
    let offset = piece
    for (let passed = 0; passed < line; passed++) {
      const newline = this.bytes.indexOf(NEWLINE, offset)
      offset = newline === -1 ? this.bytes.length : newline + 1
    }
    return offset
  }

  private nextPiece(): boolean {
    const { bytes } = this
    const start = this.pieceEnd
    if (start === bytes.length) return false
    this.pieceStart = start
    this.pieceEnd = pieceEnd(bytes, start)
    this.isOneByte = this.encoding === 'latin1' || isAscii(bytes.subarray(start, this.pieceEnd))
    // One-byte strings where possible: half the memory, and faster for whatever the job does with them.
    this.text = bytes.toString(this.isOneByte ? 'latin1' : 'utf8', start, this.pieceEnd)
    this.at = 0
    this.linesOfPiece = 0
    return true
  }
}

/** Pieces end with lines: no line and no character is cut. */
function pieceEnd(bytes: Buffer, start: number): number {
  if (bytes.length - start <= PIECE_SIZE) return bytes.length
  const last = bytes.lastIndexOf(NEWLINE, start + PIECE_SIZE - 1)
  if (last >= start) return last + 1
  const first = bytes.indexOf(NEWLINE, start + PIECE_SIZE)
  return first === -1 ? bytes.length : first + 1
}
