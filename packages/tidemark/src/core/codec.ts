/** A growing buffer that codecs write to. Little-endian. Owned by one writer at a time; `bytes` views are valid until the next write. */
export interface ByteWriter {
  readonly length: number
  byte(value: number): void
  /** Unsigned LEB128, up to 2^53 − 1. */
  varint(value: number): void
  float64(value: number): void
  /** The bytes, or those from `from` to `to`. */
  bytes(value: Uint8Array, from?: number, to?: number): void
  /** Length-prefixed, any JavaScript string, also with unpaired surrogates. */
  string(value: string): void
  /** What was written from `from` to `to` (the end by default), without a copy. */
  view(from: number, to?: number): Uint8Array
  /** Forgets what was written after the first `length` bytes. */
  truncate(length: number): void
  /** A copy of what was written, and start again. */
  take(): Uint8Array
}

/** Reads what a `ByteWriter` wrote. Never trusts its input: `CORRUPT_DATA` instead of a wrong value, a hang or a huge allocation. */
export interface ByteReader {
  readonly offset: number
  readonly remaining: number
  byte(): number
  varint(): number
  float64(): number
  /** A view, valid as long as the underlying bytes. */
  bytes(length: number): Uint8Array
  string(): string
}

/**
 * Turns values of one type into bytes and back. `value/1` takes any value that survives structured storage: undefined, null, booleans, numbers (NaN, -0),
 * bigint, strings (also with unpaired surrogates), Date, plain objects, arrays (with holes), Map, Set, ArrayBuffer, typed arrays, nested; it refuses functions,
 * symbols, class instances, promises and cycles, naming the path.
 *
 * The layout is documented and versioned (`id` names layout and
 * version: `value/1`), because savepoints outlive programs and Java reads them too.
 */
export interface Codec<T> {
  readonly id: string
  /** `NOT_ENCODABLE` (with `context.path`) when the value is refused. */
  encode(value: T, writer: ByteWriter): void
  /** `CORRUPT_DATA` when the bytes are not what `encode` writes. */
  decode(reader: ByteReader): T
}
