import avsc, { type Type } from 'avsc'

/** How longs are read: `number` refuses what is not exact. */
export type AvroLongs = 'number' | 'bigint'

const LONG_BYTES = 8
const TWO_32 = 2 ** 32
/** Upper halves of which every number is exact. */
const EXACT_HIGH = 2 ** 21

/*
 * Types of our own for all longs: avsc's takes negative ones below -2^52 for positive ones of half the size.
 */

/** Exact numbers; what is none is refused. */
export const NUMBER_LONG = longType<number>({
  fromBuffer: (bytes) => exactNumber(readLong(bytes)),
  fromNumber: (value) => value,
  isValid: (value) => Number.isSafeInteger(value),
})

export const BIGINT_LONG = longType<bigint>({
  fromBuffer: (bytes) => bytes.readBigInt64LE(),
  fromNumber: BigInt,
  isValid: (value) => typeof value === 'bigint' && BigInt.asIntN(64, value) === value,
})

/** Of the writer's side of a resolution, whose reader may want either: numbers where they are exact. Under the name that floats look for, to be read from longs. */
export const WRITER_LONG = Object.create(
  longType<number | bigint>({ fromBuffer: readLong, fromNumber: (value) => value, isValid: () => true }),
  { typeName: { value: 'long' } },
) as Type

/** Floats that may be read from any long; beyond 2^53 they are rounded, as floats are. */
export const READER_FLOATS: Readonly<Record<'double' | 'float', Type>> = {
  double: floatType('double'),
  float: floatType('float'),
}

interface LongType<T> {
  readonly fromBuffer: (bytes: Buffer) => T
  /** Of an int, or a default in a schema. */
  readonly fromNumber: (value: number) => T
  readonly isValid: (value: unknown) => boolean
}

function longType<T extends number | bigint>({ fromBuffer, fromNumber, isValid }: LongType<T>): Type {
  return avsc.types.LongType.__with({
    fromBuffer,
    toBuffer(value: T) {
      const bytes = Buffer.alloc(LONG_BYTES)
      bytes.writeBigInt64LE(BigInt(value))
      return bytes
    },
    fromJSON: fromNumber,
    toJSON: Number,
    isValid,
    compare: (left: T, right: T) => (left < right ? -1 : left > right ? 1 : 0),
  })
}

/** How avsc has a reader's type read what a writer's type has written: not part of its documented API, and the version is pinned. */
interface Resolving extends Type {
  _read(tap: unknown): unknown
  _update(resolver: { _read: (tap: unknown) => unknown }, writer: Resolving): void
}

function floatType(name: 'double' | 'float'): Type {
  const type = avsc.Type.forSchema(name) as Resolving
  const _update: Resolving['_update'] = (resolver, writer) => {
    if (writer.typeName === 'long') resolver._read = (tap) => Number(writer._read(tap))
    else type._update(resolver, writer)
  }
  return Object.create(type, { _update: { value: _update } }) as Type
}

function readLong(bytes: Buffer): number | bigint {
  const high = bytes.readInt32LE(4)
  if (high >= -EXACT_HIGH && high < EXACT_HIGH) return high * TWO_32 + bytes.readUInt32LE(0)
  return bytes.readBigInt64LE()
}

function exactNumber(value: number | bigint): number {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return value
  throw new Error(`the long ${value} is no exact number: read it with longs: 'bigint'`)
}
