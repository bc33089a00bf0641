import { assert } from 'tidemark/connector'

const INITIAL_BYTES = 256
const EMPTY_UUID = '00000000-0000-0000-0000-000000000000'

/** Writes a request in Kafka's compact encoding. Large bytes are taken as they are, not copied. */
export class WireWriter {
  private readonly finished: Buffer[] = []
  private buffer: Buffer = Buffer.allocUnsafe(INITIAL_BYTES)
  private at = 0

  /** The parts of the request, in order. */
  finish(): readonly Buffer[] {
    this.closePart()
    return this.finished
  }

  int8(value: number): this {
    this.room(1)
    this.at = this.buffer.writeInt8(value, this.at)
    return this
  }

  int16(value: number): this {
    this.room(2)
    this.at = this.buffer.writeInt16BE(value, this.at)
    return this
  }

  int32(value: number): this {
    this.room(4)
    this.at = this.buffer.writeInt32BE(value, this.at)
    return this
  }

  int64(value: number | bigint): this {
    this.room(8)
    this.at = this.buffer.writeBigInt64BE(BigInt(value), this.at)
    return this
  }

  boolean(value: boolean): this {
    return this.int8(value ? 1 : 0)
  }

  unsignedVarint(value: number): this {
    assert(value >= 0 && value <= 0xffff_ffff, 'an unsigned varint has 32 bits')
    this.room(5)
    let rest = value
    while (rest >= 0x80) {
      this.buffer[this.at++] = (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    this.buffer[this.at++] = rest
    return this
  }

  string(value: string | null): this {
    if (value === null) return this.unsignedVarint(0)
    const length = Buffer.byteLength(value)
    this.unsignedVarint(length + 1)
    this.room(length)
    this.at += this.buffer.write(value, this.at, 'utf8')
    return this
  }

  /** As in requests and headers of before the compact encoding: two bytes of length. */
  shortString(value: string): this {
    const length = Buffer.byteLength(value)
    assert(length <= 0x7fff, 'a short text has at most 32767 bytes')
    this.int16(length).room(length)
    this.at += this.buffer.write(value, this.at, 'utf8')
    return this
  }

  uuid(value: string | null): this {
    this.room(16)
    const written = this.buffer.write((value ?? EMPTY_UUID).replaceAll('-', ''), this.at, 16, 'hex')
    assert(written === 16, 'a topic id has 16 bytes')
    this.at += written
    return this
  }

  array<T>(items: readonly T[] | null, write: (item: T) => void): this {
    this.unsignedVarint(items === null ? 0 : items.length + 1)
    for (const item of items ?? []) write(item)
    return this
  }

  bytes(value: Uint8Array): this {
    this.unsignedVarint(value.length + 1)
    this.closePart()
    this.finished.push(Buffer.from(value.buffer, value.byteOffset, value.byteLength))
    return this
  }

  /** The end of a structure: no tagged fields. */
  end(): this {
    return this.int8(0)
  }

  private closePart(): void {
    if (this.at === 0) return
    this.finished.push(this.buffer.subarray(0, this.at))
    this.buffer = this.buffer.subarray(this.at)
    this.at = 0
  }

  private room(bytes: number): void {
    if (this.at + bytes <= this.buffer.length) return
    const larger = Buffer.allocUnsafe(Math.max(INITIAL_BYTES, 2 * this.at, this.at + bytes))
    this.buffer.copy(larger, 0, 0, this.at)
    this.buffer = larger
  }
}

/** Reads an answer. Throws a RangeError where it ends too early. */
export class WireReader {
  private readonly buffer: Buffer
  private at = 0

  constructor(buffer: Buffer) {
    this.buffer = buffer
  }

  int8(): number {
    return this.buffer.readInt8(this.advance(1))
  }

  int16(): number {
    return this.buffer.readInt16BE(this.advance(2))
  }

  int32(): number {
    return this.buffer.readInt32BE(this.advance(4))
  }

  bigint(): bigint {
    return this.buffer.readBigInt64BE(this.advance(8))
  }

  /** 64 bits that are an offset or a time. */
  int64(): number {
    const value = Number(this.bigint())
    if (!Number.isSafeInteger(value)) throw new RangeError(`${value} is no offset and no time`)
    return value
  }

  boolean(): boolean {
    return this.int8() !== 0
  }

  unsignedVarint(): number {
    let value = 0
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.buffer.readUInt8(this.advance(1))
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return value
    }
    throw new RangeError('a number is too long')
  }

  nullableString(): string | null {
    const length = this.unsignedVarint()
    if (length === 0) return null
    const start = this.advance(length - 1)
    return this.buffer.toString('utf8', start, start + length - 1)
  }

  string(): string {
    const value = this.nullableString()
    if (value === null) throw new RangeError('a text is missing')
    return value
  }

  shortString(): string {
    const length = this.int16()
    if (length < 0) throw new RangeError('a text is missing')
    const start = this.advance(length)
    return this.buffer.toString('utf8', start, start + length)
  }

  uuid(): string {
    const start = this.advance(16)
    const hex = this.buffer.toString('hex', start, start + 16)
    return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
  }

  array<T>(read: () => T): readonly T[] {
    const length = this.unsignedVarint() - 1
    const items: T[] = []
    for (let index = 0; index < length; index++) items.push(read())
    return items
  }

  /** A view; of nothing where the field is null. */
  bytes(): Buffer {
    const length = Math.max(0, this.unsignedVarint() - 1)
    const start = this.advance(length)
    return this.buffer.subarray(start, start + length)
  }

  /** The end of a structure: tagged fields are for others. */
  end(): void {
    const count = this.unsignedVarint()
    for (let index = 0; index < count; index++) {
      this.unsignedVarint()
      this.advance(this.unsignedVarint())
    }
  }

  private advance(bytes: number): number {
    const start = this.at
    if (start + bytes > this.buffer.length) throw new RangeError('it is cut off')
    this.at = start + bytes
    return start
  }
}
