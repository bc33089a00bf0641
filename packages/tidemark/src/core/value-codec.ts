import { bigintFromBytes, bigintToBytes } from './bigint-bytes.ts'
import type { ByteReader, ByteWriter, Codec } from './codec.ts'
import { notEncodable } from './encodable.ts'
import { TidemarkError } from './errors.ts'
import { isPlainBuffer, MAX_DEPTH, MAX_INTEGER, symbolAsName, TAG, viewNumber, VIEWS } from './value-layout.ts'

/**
 * Any value of `Encodable`. What comes back equals what went in: prototypes, holes, -0, NaN, undefined, order of keys and entries. Shared references
 * become copies; a getter is read and becomes a property; non-enumerable properties are left out, and so are properties that were added by name to a
 * typed array: to look for those costs more than all its bytes. When `encode` throws, what it wrote is incomplete.
 */
export const valueCodec: Codec<unknown> = {
  id: 'value/1',
  encode(value, writer) {
    try {
      encodeValue(value, writer, 0)
    } catch (error) {
      if (error !== REFUSED) throw error
      throw notEncodable(value, 'The value')
    }
  },
  decode(reader) {
    return decodeValue(reader, 0)
  },
}

/** Thrown where a value is refused; the path to it is looked for only then. */
const REFUSED = new Error('refused')

function encodeValue(value: unknown, writer: ByteWriter, depth: number): void {
  switch (typeof value) {
    case 'string':
      writer.byte(TAG.string)
      return writer.string(value)
    case 'number':
      return encodeNumber(value, writer)
    case 'boolean':
      return writer.byte(value ? TAG.true : TAG.false)
    case 'undefined':
      return writer.byte(TAG.undefined)
    case 'bigint': {
      writer.byte(TAG.bigint)
      return encodeBytes(bigintToBytes(value), writer)
    }
    case 'object':
      return value === null ? writer.byte(TAG.null) : encodeObject(value, writer, depth + 1)
    case 'function':
    case 'symbol':
      throw REFUSED
  }
}

function encodeNumber(value: number, writer: ByteWriter): void {
  if (Number.isInteger(value) && value <= MAX_INTEGER && value >= -MAX_INTEGER && !Object.is(value, -0)) {
    writer.byte(TAG.integer)
    writer.varint(value >= 0 ? value * 2 : -value * 2 - 1)
  } else {
    writer.byte(TAG.float64)
    writer.float64(value)
  }
}

function encodeObject(value: object, writer: ByteWriter, depth: number): void {
  if (depth > MAX_DEPTH) throw REFUSED
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype === Object.prototype) encodeProperties(value, TAG.object, writer, depth)
  else if (Array.isArray(value)) encodeArray(value, prototype, writer, depth)
  else if (prototype === null) encodeProperties(value, TAG.objectWithoutPrototype, writer, depth)
  else encodeBuiltIn(value, prototype, writer, depth)
}

function encodeProperties(value: object, tag: number, writer: ByteWriter, depth: number): void {
  if (symbolAsName(value) !== undefined) throw REFUSED
  const names = Object.keys(value)
  writer.byte(tag)
  writer.varint(names.length)
  for (const name of names) {
    writer.string(name)
    encodeValue((value as Record<string, unknown>)[name], writer, depth)
  }
}

function encodeArray(array: readonly unknown[], prototype: unknown, writer: ByteWriter, depth: number): void {
  if (prototype !== Array.prototype || symbolAsName(array) !== undefined) throw REFUSED
  const { length } = array
  const indexes = Object.keys(array)
  const isDense = indexes.length === length && (length === 0 || indexes[length - 1] === String(length - 1))
  if (isDense) {
    writer.byte(TAG.array)
    writer.varint(length)
    for (let index = 0; index < length; index++) encodeValue(array[index], writer, depth)
    return
  }
  writer.byte(TAG.arrayWithHoles)
  writer.varint(length)
  writer.varint(indexes.length)
  for (const name of indexes) {
    const index = Number(name)
    // A property that is no index (`match.groups`) would be lost.
    if (!(index < length) || String(index >>> 0) !== name) throw REFUSED
    writer.varint(index)
    encodeValue(array[index], writer, depth)
  }
}

function encodeBuiltIn(value: object, prototype: unknown, writer: ByteWriter, depth: number): void {
  if (symbolAsName(value) !== undefined) throw REFUSED
  const view = viewNumber(prototype)
  if (view !== undefined) return encodeView(value as ArrayBufferView, view, writer)
  if (Object.keys(value).length > 0) throw REFUSED
  if (prototype === Date.prototype) {
    writer.byte(TAG.date)
    writer.float64((value as Date).getTime())
  } else if (prototype === Map.prototype) {
    const map = value as ReadonlyMap<unknown, unknown>
    writer.byte(TAG.map)
    writer.varint(map.size)
    for (const [key, item] of map) {
      encodeValue(key, writer, depth)
      encodeValue(item, writer, depth)
    }
  } else if (prototype === Set.prototype) {
    const set = value as ReadonlySet<unknown>
    writer.byte(TAG.set)
    writer.varint(set.size)
    for (const item of set) encodeValue(item, writer, depth)
  } else if (prototype === ArrayBuffer.prototype && isPlainBuffer(value as ArrayBuffer)) {
    writer.byte(TAG.arrayBuffer)
    encodeBytes(new Uint8Array(value as ArrayBuffer), writer)
  } else {
    throw REFUSED
  }
}

function encodeView(value: ArrayBufferView, view: number, writer: ByteWriter): void {
  if (!isPlainBuffer(value.buffer)) throw REFUSED
  writer.byte(TAG.view)
  writer.byte(view)
  encodeBytes(new Uint8Array(value.buffer, value.byteOffset, value.byteLength), writer)
}

function encodeBytes(bytes: Uint8Array, writer: ByteWriter): void {
  writer.varint(bytes.length)
  writer.bytes(bytes)
}

function decodeValue(reader: ByteReader, depth: number): unknown {
  const tag = reader.byte()
  switch (tag) {
    case TAG.undefined:
      return undefined
    case TAG.null:
      return null
    case TAG.false:
      return false
    case TAG.true:
      return true
    case TAG.integer: {
      const zigzag = reader.varint()
      return zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2
    }
    case TAG.float64:
      return reader.float64()
    case TAG.bigint:
      return bigintFromBytes(reader.bytes(reader.varint()))
    case TAG.string:
      return reader.string()
    case TAG.date:
      return new Date(reader.float64())
    case TAG.arrayBuffer:
      return copyOf(reader.bytes(reader.varint()))
    case TAG.view:
      return decodeView(reader)
    default:
      if (depth >= MAX_DEPTH) throw corrupt(`values are nested deeper than ${MAX_DEPTH} levels`)
      return decodeContainer(tag, reader, depth + 1)
  }
}

function decodeContainer(tag: number, reader: ByteReader, depth: number): unknown {
  switch (tag) {
    case TAG.object:
      return decodeProperties({}, reader, depth)
    case TAG.objectWithoutPrototype:
      return decodeProperties(Object.create(null) as Record<string, unknown>, reader, depth)
    case TAG.array: {
      const array: unknown[] = []
      for (let left = count(reader, 1); left > 0; left--) array.push(decodeValue(reader, depth))
      return array
    }
    case TAG.arrayWithHoles:
      return decodeArrayWithHoles(reader, depth)
    case TAG.map: {
      const map = new Map<unknown, unknown>()
      for (let left = count(reader, 2); left > 0; left--) {
        const key = decodeValue(reader, depth)
        map.set(key, decodeValue(reader, depth))
      }
      return map
    }
    case TAG.set: {
      const set = new Set<unknown>()
      for (let left = count(reader, 1); left > 0; left--) set.add(decodeValue(reader, depth))
      return set
    }
    default:
      throw corrupt(`there is no value with tag ${tag}`)
  }
}

function decodeProperties(object: Record<string, unknown>, reader: ByteReader, depth: number): object {
  for (let left = count(reader, 2); left > 0; left--) {
    const name = reader.string()
    const value = decodeValue(reader, depth)
    if (name === '__proto__') {
      // Assigning would set the prototype.
      Object.defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true })
    } else {
      object[name] = value
    }
  }
  return object
}

function decodeArrayWithHoles(reader: ByteReader, depth: number): unknown[] {
  const length = reader.varint()
  if (length > 0xffff_ffff) throw corrupt(`an array has length ${length}`)
  const array: unknown[] = []
  if (length > 0) {
    // Sets the length by an element far out, which V8 stores as a sparse array: no memory for what is not there.
    array[length - 1] = undefined
    Reflect.deleteProperty(array, length - 1)
  }
  let next = 0
  for (let left = count(reader, 2); left > 0; left--) {
    const index = reader.varint()
    if (index < next || index >= length) throw corrupt(`an array of length ${length} has index ${index}`)
    array[index] = decodeValue(reader, depth)
    next = index + 1
  }
  return array
}

function decodeView(reader: ByteReader): ArrayBufferView {
  const view = VIEWS[reader.byte()]
  const bytes = reader.bytes(reader.varint())
  if (view === undefined || bytes.length % view.bytesPerElement !== 0) throw corrupt('a typed array is malformed')
  return view.make(copyOf(bytes))
}

/** Not `slice`: that of Node's Buffer makes no copy. */
function copyOf(bytes: Uint8Array): ArrayBuffer {
  return new Uint8Array(bytes).buffer
}

/** A number of items, each of at least `bytesEach` bytes: more than can follow are not believed. */
function count(reader: ByteReader, bytesEach: number): number {
  const items = reader.varint()
  if (items * bytesEach > reader.remaining) throw corrupt(`${items} items cannot follow`)
  return items
}

function corrupt(problem: string): TidemarkError {
  return new TidemarkError('CORRUPT_DATA', problem)
}
