import protobuf from 'protobufjs'

/** Reads 64-bit integers as bigints. protobufjs itself makes numbers of them, silently inexact, wherever it does not find the package `long`. */
export class ExactReader extends protobuf.Reader {
  override int64(): never {
    return BigInt.asIntN(64, this.varint64()) as never
  }

  override uint64(): never {
    return this.varint64() as never
  }

  override sint64(): never {
    const zigzag = this.varint64()
    return ((zigzag >> 1n) ^ -(zigzag & 1n)) as never
  }

  override fixed64(): never {
    const low = BigInt(this.fixed32())
    return ((BigInt(this.fixed32()) << 32n) | low) as never
  }

  override sfixed64(): never {
    return BigInt.asIntN(64, this.fixed64()) as never
  }

  private varint64(): bigint {
    let value = 0n
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.buf[this.pos]
      if (byte === undefined || this.pos >= this.len) break
      this.pos++
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return BigInt.asUintN(64, value)
    }
    throw new RangeError('a number is cut off or longer than 64 bits')
  }
}
