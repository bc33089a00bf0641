import type { ByteWriter } from './codec.ts'
import { assert } from './errors.ts'
import { WTF8_MAX_BYTES_PER_UNIT, writeWtf8 } from './wtf8.ts'

const INITIAL_BYTES = 256
/** A buffer that once held more than this gives its memory back at `take` and `clear`. */
const KEPT_BYTES = 1 << 20
/** Below this many bytes a loop beats `TypedArray.set`. */
const COPY_BY_HAND_MAX = 24

// Typed arrays and columns of numbers are written as they lie in memory.
assert(new Uint8Array(new Uint16Array([1]).buffer)[0] === 1, 'this machine is not little-endian')

/** A ByteWriter over one array that doubles as it grows. */
export class ByteBuffer implements ByteWriter {
  private array: Uint8Array<ArrayBuffer>
  private words: DataView
  private end = 0

  constructor(initialBytes: number = INITIAL_BYTES) {
    this.array = new Uint8Array(initialBytes)
    this.words = new DataView(this.array.buffer)
  }

  get length(): number {
    return this.end
  }

  byte(value: number): void {
    if (this.end === this.array.length) this.grow(1)
    this.array[this.end++] = value
  }

  varint(value: number): void {
    if (this.end + 8 > this.array.length) this.grow(8)
    this.end = writeVarint(this.array, this.end, value)
  }

  float64(value: number): void {
    if (this.end + 8 > this.array.length) this.grow(8)
    this.words.setFloat64(this.end, value, true)
    this.end += 8
  }

  bytes(value: Uint8Array, from: number = 0, to: number = value.length): void {
    const length = to - from
    if (this.end + length > this.array.length) this.grow(length)
    if (length > COPY_BY_HAND_MAX) {
      this.array.set(length === value.length ? value : value.subarray(from, to), this.end)
      this.end += length
    } else {
      const { array } = this
      let { end } = this
      for (let index = from; index < to; index++) array[end++] = value[index]!
      this.end = end
    }
  }

  string(value: string): void {
    const { length } = value
    const most = length * WTF8_MAX_BYTES_PER_UNIT + 8
    if (this.end + most > this.array.length) this.grow(most)
    const { array, end } = this
    // The length goes in front, as many bytes long as it would be for ASCII; the rare other case moves the text.
    const guessed = varintBytes(length)
    const textEnd = writeWtf8(value, array, end + guessed)
    const byteLength = textEnd - end - guessed
    const needed = varintBytes(byteLength)
    if (needed !== guessed) array.copyWithin(end + needed, end + guessed, textEnd)
    writeVarint(array, end, byteLength)
    this.end = end + needed + byteLength
  }

  view(from: number, to: number = this.end): Uint8Array {
    return this.array.subarray(from, to)
  }

  truncate(length: number): void {
    assert(length <= this.end, 'a buffer can only be truncated to less than it holds')
    this.end = length
  }

  take(): Uint8Array {
    const taken = this.array.slice(0, this.end)
    this.clear()
    return taken
  }

  /** Starts again; views of what was written become invalid. */
  clear(): void {
    this.end = 0
    if (this.array.length > KEPT_BYTES) this.replace(INITIAL_BYTES)
  }

  private grow(more: number): void {
    const old = this.array
    this.replace(Math.max(old.length * 2, this.end + more))
    this.array.set(old.subarray(0, this.end))
  }

  private replace(size: number): void {
    this.array = new Uint8Array(size)
    this.words = new DataView(this.array.buffer)
  }
}

/** Writes unsigned LEB128; the target must have room for eight bytes. Returns where it ended. */
function writeVarint(target: Uint8Array, at: number, value: number): number {
  assert(value >= 0 && value <= Number.MAX_SAFE_INTEGER, 'a varint is a non-negative safe integer')
  let out = at
  let rest = value
  while (rest > 0x7fffffff) {
    target[out++] = (rest % 128) | 0x80
    rest = Math.floor(rest / 128)
  }
  while (rest > 0x7f) {
    target[out++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  target[out++] = rest
  return out
}

function varintBytes(value: number): number {
  if (value < 0x80) return 1
  if (value < 0x4000) return 2
  if (value < 0x20_0000) return 3
  return value < 0x1000_0000 ? 4 : 5
}
