/**
 * Layout `value/1`: one tag byte, then what the tag says. Pinned: savepoints hold it and Java reads it. Described in
 * docs/design/005-codecs-and-keys.md.
 */
export const TAG = {
  undefined: 0,
  null: 1,
  false: 2,
  true: 3,
  /** Zigzag varint: integers up to ±(2^52 − 1), except -0. */
  integer: 4,
  float64: 5,
  bigint: 6,
  string: 7,
  date: 8,
  object: 9,
  objectWithoutPrototype: 10,
  array: 11,
  arrayWithHoles: 12,
  map: 13,
  set: 14,
  arrayBuffer: 15,
  /** Then a byte that names the view: its index in VIEWS. */
  view: 16,
} as const

/** Greatest integer of tag `integer`: its zigzag form is the greatest varint. */
export const MAX_INTEGER = 2 ** 52 - 1

/** Values nested deeper are refused: what recursion can take for sure, also under a deep stack. */
export const MAX_DEPTH = 1000

/** Views in the order of their numbers in the layout. */
export const VIEWS = [
  { name: 'DataView', bytesPerElement: 1, make: (buffer: ArrayBuffer) => new DataView(buffer) },
  { name: 'Int8Array', bytesPerElement: 1, make: (buffer: ArrayBuffer) => new Int8Array(buffer) },
  { name: 'Uint8Array', bytesPerElement: 1, make: (buffer: ArrayBuffer) => new Uint8Array(buffer) },
  { name: 'Uint8ClampedArray', bytesPerElement: 1, make: (buffer: ArrayBuffer) => new Uint8ClampedArray(buffer) },
  { name: 'Int16Array', bytesPerElement: 2, make: (buffer: ArrayBuffer) => new Int16Array(buffer) },
  { name: 'Uint16Array', bytesPerElement: 2, make: (buffer: ArrayBuffer) => new Uint16Array(buffer) },
  { name: 'Int32Array', bytesPerElement: 4, make: (buffer: ArrayBuffer) => new Int32Array(buffer) },
  { name: 'Uint32Array', bytesPerElement: 4, make: (buffer: ArrayBuffer) => new Uint32Array(buffer) },
  { name: 'Float32Array', bytesPerElement: 4, make: (buffer: ArrayBuffer) => new Float32Array(buffer) },
  { name: 'Float64Array', bytesPerElement: 8, make: (buffer: ArrayBuffer) => new Float64Array(buffer) },
  { name: 'BigInt64Array', bytesPerElement: 8, make: (buffer: ArrayBuffer) => new BigInt64Array(buffer) },
  { name: 'BigUint64Array', bytesPerElement: 8, make: (buffer: ArrayBuffer) => new BigUint64Array(buffer) },
] as const

const viewOfPrototype = new Map<unknown, number>(
  VIEWS.map(({ make }, index) => [Object.getPrototypeOf(make(new ArrayBuffer(0))), index]),
)

/** The number of the view that an object is, by its exact prototype; undefined for anything else, also for subclasses. */
export function viewNumber(prototype: unknown): number | undefined {
  return viewOfPrototype.get(prototype)
}

/** Whether bytes behind a value belong to it alone and keep their length. */
export function isPlainBuffer(buffer: ArrayBufferLike): buffer is ArrayBuffer {
  return (
    Object.getPrototypeOf(buffer) === ArrayBuffer.prototype && (buffer as { resizable?: boolean }).resizable !== true
  )
}

/** A symbol that names a property, which would be lost; undefined where there is none. As with names that are strings, what is not enumerable is no part of a value. */
export function symbolAsName(value: object): symbol | undefined {
  const symbols = Object.getOwnPropertySymbols(value)
  return symbols.length === 0
    ? undefined
    : symbols.find((symbol) => Object.prototype.propertyIsEnumerable.call(value, symbol))
}
