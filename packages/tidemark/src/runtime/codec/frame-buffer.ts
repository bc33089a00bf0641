import { Buffer } from 'node:buffer'
import { assert, TidemarkError } from '../../core/errors.ts'

const INITIAL_BYTES = 1 << 12
/** A frame that once was larger gives its memory back when it is used anew. */
const KEPT_BYTES = 1 << 20

/** The memory of one frame, seen as bytes, words and doubles at once: columns are written and read as they lie in memory. */
export class FrameBuffer {
  bytes: Buffer<ArrayBuffer>
  halves: Uint16Array<ArrayBuffer>
  words: Int32Array<ArrayBuffer>
  doubles: Float64Array<ArrayBuffer>
  /** Bytes in use: where the next thing is written, or where what was received ends. */
  end = 0

  constructor(bytes: number = INITIAL_BYTES) {
    const memory = new ArrayBuffer(roundUp(bytes))
    this.bytes = Buffer.from(memory)
    this.halves = new Uint16Array(memory)
    this.words = new Int32Array(memory)
    this.doubles = new Float64Array(memory)
  }

  /** Starts anew, with room for `bytes`; what was written is forgotten. */
  reset(bytes: number): void {
    this.end = 0
    if (bytes > this.bytes.length) this.replace(bytes)
    else if (this.bytes.length > KEPT_BYTES && bytes <= KEPT_BYTES) this.replace(INITIAL_BYTES)
  }

  /** Room for so many more bytes. The views may be others afterwards. */
  reserve(more: number): void {
    if (this.end + more <= this.bytes.length) return
    const { bytes, end } = this
    this.replace(Math.max(bytes.length * 2, end + more))
    this.bytes.set(bytes.subarray(0, end))
  }

  /** Fills up with zeros to a multiple of `unit` bytes (4 or 8). */
  align(unit: number): void {
    this.reserve(unit)
    const { bytes } = this
    while ((this.end & (unit - 1)) !== 0) bytes[this.end++] = 0
  }

  /** Appends a word; `end` must be aligned. */
  word(value: number): void {
    this.reserve(4)
    this.words[this.end >> 2] = value
    this.end += 4
  }

  /** Appends 32-bit integers, a word each; `end` must be aligned. */
  list(values: readonly number[]): void {
    const { length } = values
    this.reserve(length * 4)
    const { words } = this
    const at = this.end >> 2
    for (let index = 0; index < length; index++) words[at + index] = values[index]!
    this.end += length * 4
  }

  double(value: number): void {
    this.align(8)
    this.reserve(8)
    this.doubles[this.end >> 3] = value
    this.end += 8
  }

  /** Appends bytes and aligns. */
  blob(value: Uint8Array): void {
    this.reserve(value.length + 4)
    this.bytes.set(value, this.end)
    this.end += value.length
    this.align(4)
  }

  private replace(bytes: number): void {
    const larger = new FrameBuffer(bytes)
    this.bytes = larger.bytes
    this.halves = larger.halves
    this.words = larger.words
    this.doubles = larger.doubles
  }
}

/** Reads a frame from its beginning. Trusts nothing: `CORRUPT_DATA` instead of a wrong value, a hang or a huge allocation. */
export class FrameReader {
  readonly frame: FrameBuffer
  at = 0

  constructor(frame: FrameBuffer) {
    this.frame = frame
  }

  /** Makes sure that so many bytes follow, and passes over them; returns where they begin. */
  take(bytes: number): number {
    const from = this.at
    if (!(bytes >= 0 && bytes <= this.frame.end - from)) throw corrupt(`${bytes} bytes are needed at byte ${from}`)
    this.at = from + bytes
    return from
  }

  align(unit: number): void {
    this.take(-this.at & (unit - 1))
  }

  word(): number {
    return this.frame.words[this.take(4) >> 2]!
  }

  /** So many words. */
  list(length: number): number[] {
    const from = this.take(length * 4) >> 2
    const { words } = this.frame
    // oxlint-disable-next-line unicorn/no-new-array -- one allocation
    const values = new Array<number>(length)
    for (let index = 0; index < length; index++) values[index] = words[from + index]!
    return values
  }

  double(): number {
    this.align(8)
    return this.frame.doubles[this.take(8) >> 3]!
  }

  blob(length: number): Uint8Array {
    const from = this.take(length)
    this.align(4)
    return new Uint8Array(this.frame.words.buffer, from, length)
  }
}

export function corrupt(problem: string): TidemarkError {
  return new TidemarkError('CORRUPT_DATA', `A frame between two tasks is damaged: ${problem}`)
}

function roundUp(bytes: number): number {
  assert(bytes < 2 ** 31, 'a frame is smaller than 2 GiB')
  return (bytes + 15) & ~7
}
