import type { Codec, Decoder, Encoder } from '../codec.ts'

/** The same codec where tombstones are values: null bytes are read as null; null and undefined are written as null bytes. */
export function nullable<T>(codec: Codec<T>): Codec<T | null>
export function nullable<T>(decoder: Decoder<T>): Decoder<T | null>
export function nullable<T>(encoder: Encoder<T>): Encoder<T | null>
export function nullable<T>(codec: Partial<Codec<T>> & Pick<Codec<T>, 'kind' | 'describe'>): Partial<Codec<T | null>> {
  const { kind, describe } = codec
  return {
    kind: `nullable ${kind}`,
    ...(describe === undefined ? {} : { describe }),
    ...(codec.createDecoding === undefined
      ? {}
      : { createDecoding: (context) => nullableDecoding(codec.createDecoding!(context)) }),
    ...(codec.createEncoding === undefined
      ? {}
      : { createEncoding: (context) => nullableEncoding(codec.createEncoding!(context)) }),
  }
}

function nullableDecoding<T>(
  inner: ReturnType<Decoder<T>['createDecoding']>,
): ReturnType<Decoder<T | null>['createDecoding']> {
  return {
    open: () => inner.open?.(),
    ...(inner.prepare === undefined
      ? {}
      : { prepare: (bytes, context) => (bytes === null ? undefined : inner.prepare!(bytes, context)) }),
    decode: (bytes, context) => (bytes === null ? null : inner.decode(bytes, context)),
    ...(inner.decodeRange === undefined
      ? {}
      : { decodeRange: (bytes, start, end, context) => inner.decodeRange!(bytes, start, end, context) }),
    close: () => inner.close?.(),
  }
}

function nullableEncoding<T>(
  inner: ReturnType<Encoder<T>['createEncoding']>,
): ReturnType<Encoder<T | null>['createEncoding']> {
  return {
    open: () => inner.open?.(),
    ...(inner.prepare === undefined
      ? {}
      : {
          prepare: (value, context) =>
            value === null || value === undefined ? undefined : inner.prepare!(value, context),
        }),
    encode: (value, context) => (value === null || value === undefined ? null : inner.encode(value, context)),
    ...(inner.encodeInto === undefined
      ? {}
      : {
          encodeInto: (value, target, at, context) =>
            value === null || value === undefined ? -1 : inner.encodeInto!(value, target, at, context),
        }),
    close: () => inner.close?.(),
  }
}
