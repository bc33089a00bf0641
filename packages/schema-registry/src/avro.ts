import avsc, { type Schema, type Type } from 'avsc'
import { beginRecord, BoundedArray, BoundedMap } from './avro-containers.ts'
import { FINE_TIMES, LOGICAL_TYPES, PLAIN_BYTES, RAW_TYPES } from './avro-logical-types.ts'
import { type AvroLongs, BIGINT_LONG, NUMBER_LONG, READER_FLOATS, WRITER_LONG } from './avro-longs.ts'
import { checkDefinition, isSuitable } from './avro-schema-rules.ts'
import { invalid, type WriteOptions } from './options.ts'
import type { RegisteredSchema, ResolvedReference } from './registry-client.ts'
import type { Read, SchemaFormat, Write } from './schema-codec.ts'
import { corrupt, notEncodable } from './wire-format.ts'

export interface AvroOptions extends WriteOptions {
  /** An Avro schema (its JSON, or the text of it): what is written with, and what every record is read into (Avro's resolution: defaults, aliases, promotions). Default: as it was written. */
  readonly schema?: object | string
  /** `number`: a long beyond 2^53 makes the record a bad one. `bigint`: every long is a bigint. Default: number. */
  readonly longs?: AvroLongs
}

export function avroFormat<T>({ schema, longs = 'number', references = [] }: AvroOptions): SchemaFormat<T> {
  if (longs !== 'number' && longs !== 'bigint')
    throw invalid(`longs is ${JSON.stringify(longs)}`, `Give 'number' or 'bigint'.`)
  const text = schema === undefined ? null : typeof schema === 'string' ? schema : JSON.stringify(schema)
  if (text !== null && references.length === 0) check(text, longs)
  return {
    type: 'AVRO',
    kind: 'avro',
    own: text === null ? null : { type: 'AVRO', schema: text, references },
    nameOf: ({ schema: given }) => nameOf(JSON.parse(given) as { name?: string; namespace?: string }),
    compileRead: (written) => compileRead(written, text, longs),
    compileWrite: (registered) => compileWrite(registered, longs),
  }
}

function check(text: string, longs: AvroLongs): void {
  try {
    typeOf(text, [], 'own', longs)
  } catch (error) {
    throw invalid(
      `the Avro schema cannot be read: ${error instanceof Error ? error.message : String(error)}`,
      'Correct it.',
      error,
    )
  }
}

function compileRead<T>(written: RegisteredSchema, own: string | null, longs: AvroLongs): Read<T> {
  const { schema, references } = written
  if (own === null) return reading(typeOf(schema, references, 'own', longs), undefined)
  const writer = typeOf(schema, references, 'writer', longs)
  const reader = typeOf(own, references, 'own', longs)
  return reading(reader, reader.createResolver(writer))
}

function reading<T>(type: Type, resolver: ReturnType<Type['createResolver']> | undefined): Read<T> {
  return (bytes, offset) => {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    let read: ReturnType<Type['decode']>
    beginRecord()
    try {
      read = type.decode(buffer, offset, resolver)
    } catch (error) {
      throw corrupt(
        `is not Avro of its schema: ${error instanceof Error ? error.message : String(error)}`,
        bytes,
        error,
      )
    }
    if (read.offset === bytes.length) return read.value as T
    throw corrupt(`is not Avro of its schema: ${read.offset < 0 ? 'it is cut off' : 'bytes are left over'}`, bytes)
  }
}

function compileWrite<T>({ schema, references }: RegisteredSchema, longs: AvroLongs): Write<T> {
  const type = typeOf(schema, references, 'own', longs)
  return (value) => {
    const problems: string[] = []
    const isValid = type.isValid(value, {
      errorHook: (path, given, at) =>
        void problems.push(`${path.join('.') || 'the value'} is ${show(given)}, not ${at.toString()}`),
    })
    if (!isValid) throw notEncodable(`does not fit the Avro schema: ${problems.slice(0, 3).join('; ')}`)
    try {
      return type.toBuffer(value)
    } catch (error) {
      throw notEncodable(`cannot be written as Avro: ${error instanceof Error ? error.message : String(error)}`, error)
    }
  }
}

/** `writer`: the writer's side of a resolution. */
function typeOf(
  text: string,
  references: readonly ResolvedReference[],
  side: 'own' | 'writer',
  longs: AvroLongs,
): Type {
  const logicalTypes = side === 'writer' ? RAW_TYPES : LOGICAL_TYPES
  const long = side === 'writer' ? WRITER_LONG : longs === 'bigint' ? BIGINT_LONG : NUMBER_LONG
  // Without what every object inherits: a schema may name a type `constructor`.
  const registry = Object.create(null) as Record<string, Type>
  const options = { registry, logicalTypes, omitRecordMethods: true, typeHook: typeHook(long, side) }
  // References define names, which the schemas behind them use.
  for (const { schema } of references) plain(avsc.Type.forSchema(parse(schema), options))
  return plain(avsc.Type.forSchema(parse(text), options))
}

function parse(text: string): Schema {
  // A primitive type may be written without quotes.
  return (/^\s*[[{"]/.test(text) ? JSON.parse(text) : text.trim()) as Schema
}

/** Longs, bytes, fixed, arrays and maps become types of ours. */
function typeHook(long: Type, side: 'own' | 'writer'): (schema: Schema, options: object) => Type | undefined {
  // A logical type is asked for first, then, with the same schema, what lies under it.
  const logical = new WeakSet<object>()
  return (schema, options) => {
    if (schema === 'double' || schema === 'float') return READER_FLOATS[schema]
    if (schema === 'bytes') return avsc.Type.forSchema({ type: 'bytes', logicalType: PLAIN_BYTES } as never, options)
    if (typeof schema !== 'object' || schema === null || Array.isArray(schema)) return undefined
    checkDefinition(schema)
    const { type, logicalType } = schema as { readonly type?: unknown; readonly logicalType?: unknown }
    if (type === 'array') return new BoundedArray(schema, options)
    if (type === 'map') return new BoundedMap(schema, options)
    const isLogical =
      typeof logicalType === 'string' && Object.hasOwn(LOGICAL_TYPES, logicalType) && isSuitable(logicalType, schema)
    if (!isLogical && logicalType !== undefined) {
      return avsc.Type.forSchema({ ...(schema as object), logicalType: undefined } as never, options)
    }
    if (type === 'long') {
      if (!isLogical) return long
      if (!logical.has(schema)) return void logical.add(schema)
      if (side === 'writer') return long
      return FINE_TIMES.has(logicalType) ? BIGINT_LONG : NUMBER_LONG
    }
    if (!isLogical && (type === 'fixed' || type === 'bytes'))
      return avsc.Type.forSchema({ ...(schema as object), logicalType: PLAIN_BYTES } as never, options)
    return undefined
  }
}

/** Records are plain objects, which can be sent and stored, not instances of classes that avsc makes. */
function plain(type: Type, seen = new Set<Type>()): Type {
  if (seen.has(type)) return type
  seen.add(type)
  if (type instanceof avsc.types.LogicalType) plain(type.underlyingType, seen)
  else if (type instanceof avsc.types.RecordType) {
    ;(type.recordConstructor as { prototype: object }).prototype = Object.prototype
    for (const field of type.fields) plain(field.type, seen)
  } else if (type instanceof avsc.types.ArrayType) plain(type.itemsType, seen)
  else if (type instanceof avsc.types.MapType) plain(type.valuesType, seen)
  else if ('types' in type) for (const branch of type.types as readonly Type[]) plain(branch, seen)
  return type
}

function nameOf({ name, namespace }: { name?: string; namespace?: string }): string | null {
  if (name === undefined) return null
  return name.includes('.') || namespace === undefined || namespace === '' ? name : `${namespace}.${name}`
}

function show(value: unknown): string {
  if (typeof value === 'bigint') return `${value}n`
  const text =
    JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? `${part}n` : part)) ?? String(value)
  return text.length > 80 ? `${text.slice(0, 77)}...` : text
}
