import type { Codec } from '../codec.ts'
import { badBytes, badValue, tombstone, typeName } from './bad-value.ts'

/** A whole number of 32 bits, big-endian, as Kafka's `IntegerSerializer`. */
export function int32(): Codec<number> {
  return INT32
}

/** A whole number of 64 bits as bigint, big-endian, as Kafka's `LongSerializer`. */
export function int64(): Codec<bigint> {
  return INT64
}

/** A double, big-endian, as Kafka's `DoubleSerializer`. */
export function double(): Codec<number> {
  return DOUBLE
}

interface NumberLayout<T> {
  readonly kind: string
  readonly size: number
  readonly problem: (value: unknown) => string | null
  readonly read: (view: DataView) => T
  readonly write: (view: DataView, value: T) => void
}

const INT32 = numberCodec<number>({
  kind: 'int32',
  size: 4,
  problem(value) {
    if (typeof value !== 'number') return typeName(value)
    return (value | 0) === value ? null : `is ${value}, not a whole number of 32 bits`
  },
  read: (view) => view.getInt32(0),
  write: (view, value) => view.setInt32(0, value),
})

const INT64 = numberCodec<bigint>({
  kind: 'int64',
  size: 8,
  problem(value) {
    if (typeof value !== 'bigint') return typeName(value)
    return BigInt.asIntN(64, value) === value ? null : `is ${value}, which takes more than 64 bits`
  },
  read: (view) => view.getBigInt64(0),
  write: (view, value) => view.setBigInt64(0, value),
})

const DOUBLE = numberCodec<number>({
  kind: 'double',
  size: 8,
  problem: (value) => (typeof value === 'number' ? null : typeName(value)),
  read: (view) => view.getFloat64(0),
  write: (view, value) => view.setFloat64(0, value),
})

function numberCodec<T>({ kind, size, problem, read, write }: NumberLayout<T>): Codec<T> {
  return {
    kind,
    createDecoding: () => ({
      decode(bytes) {
        if (bytes === null) throw tombstone(kind)
        if (bytes.length !== size) throw badBytes(`is not an ${kind}: ${bytes.length} bytes instead of ${size}`, bytes)
        return read(new DataView(bytes.buffer, bytes.byteOffset, size))
      },
    }),
    createEncoding: () => ({
      encode(value) {
        const found = problem(value)
        if (found !== null) throw badValue(kind, found, `Give a ${kind === 'int64' ? 'bigint' : 'number'} that fits.`)
        const written = new Uint8Array(size)
        write(new DataView(written.buffer), value)
        return written
      },
    }),
  }
}
