import type { ByteReader } from './codec.ts'
import { TidemarkError } from './errors.ts'
import { readWtf8 } from './wtf8.ts'

/** Reads from a stretch of bytes that it neither owns nor trusts. */
export class ByteBufferReader implements ByteReader {
  private readonly array: Uint8Array
  private readonly words: DataView
  private at = 0

  constructor(bytes: Uint8Array) {
    this.array = bytes
    this.words = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get offset(): number {
    return this.at
  }

  get remaining(): number {
    return this.array.length - this.at
  }

  byte(): number {
    if (this.at >= this.array.length) throw tooShort(1, 0)
    return this.array[this.at++]!
  }

  varint(): number {
    const { array } = this
    if (this.at < array.length && array[this.at]! < 0x80) return array[this.at++]!
    let value = 0
    let scale = 1
    for (let count = 0; count < 8; count++) {
      const next = this.byte()
      value += (next & 0x7f) * scale
      if (next < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER || (next === 0 && count > 0)) break
        return value
      }
      scale *= 128
    }
    throw new TidemarkError('CORRUPT_DATA', `a number at byte ${this.at} is not a varint of at most 53 bits`)
  }

  float64(): number {
    if (this.remaining < 8) throw tooShort(8, this.remaining)
    const value = this.words.getFloat64(this.at, true)
    this.at += 8
    return value
  }

  bytes(length: number): Uint8Array {
    if (length > this.remaining) throw tooShort(length, this.remaining)
    const from = this.at
    this.at += length
    return this.array.subarray(from, this.at)
  }

  string(): string {
    const length = this.varint()
    if (length > this.remaining) throw tooShort(length, this.remaining)
    const from = this.at
    this.at += length
    return readWtf8(this.array, from, this.at)
  }
}

function tooShort(needed: number, left: number): TidemarkError {
  return new TidemarkError('CORRUPT_DATA', `${needed} bytes are needed, but only ${left} are left`)
}
