import protobuf, { type Field, type Type } from 'protobufjs'

/** How 64-bit integers are read. */
export type ProtobufLongs = 'bigint' | 'string'

type Message = Readonly<Record<string, unknown>>
type Convert = (value: unknown) => unknown

/** Scalars of the format, by what they hold. Ranges are inclusive. */
const INTEGERS: Readonly<Record<string, readonly [number, number]>> = {
  int32: [-(2 ** 31), 2 ** 31 - 1],
  sint32: [-(2 ** 31), 2 ** 31 - 1],
  sfixed32: [-(2 ** 31), 2 ** 31 - 1],
  uint32: [0, 2 ** 32 - 1],
  fixed32: [0, 2 ** 32 - 1],
}
const LONGS: Readonly<Record<string, readonly [bigint, bigint]>> = {
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
  sint64: [-(2n ** 63n), 2n ** 63n - 1n],
  sfixed64: [-(2n ** 63n), 2n ** 63n - 1n],
  uint64: [0n, 2n ** 64n - 1n],
  fixed64: [0n, 2n ** 64n - 1n],
}

/**
 * Decoded messages as plain objects: 64-bit integers without loss, enums by name, bytes as Uint8Array. What was not written has the default of the format: zero, empty, null for messages; members of a
 * oneof and optional fields are left out. (protobufjs's own conversion gives numbers for zeros, and keys of maps that nobody can read.)
 */
export class MessageReader {
  private readonly longs: ProtobufLongs
  private readonly plans = new Map<Type, readonly FieldReader[]>()

  constructor(longs: ProtobufLongs) {
    this.longs = longs
  }

  read(type: Type, message: Message): Message {
    const record: Record<string, unknown> = {}
    for (const field of this.plan(type)) {
      const value = Object.hasOwn(message, field.name) ? message[field.name] : undefined
      if (value !== undefined && value !== null) record[field.name] = field.convert(value)
      else if (field.hasDefault) record[field.name] = field.makeDefault()
    }
    return record
  }

  private plan(type: Type): readonly FieldReader[] {
    let plan = this.plans.get(type)
    if (plan === undefined) {
      plan = type.fieldsArray.map((field) => this.fieldReader(field))
      this.plans.set(type, plan)
    }
    return plan
  }

  private fieldReader(field: Field): FieldReader {
    field.resolve()
    const one = this.converter(field)
    const { name } = field
    if (field instanceof protobuf.MapField) {
      refuseLongKeys(field)
      const convert: Convert = (map) =>
        Object.fromEntries(Object.entries(map as Message).map(([key, value]) => [key, one(value)]))
      return { name, convert, hasDefault: true, makeDefault: () => ({}) }
    }
    if (field.repeated)
      return { name, convert: (list) => (list as readonly unknown[]).map(one), hasDefault: true, makeDefault: () => [] }
    const isMessage = field.resolvedType instanceof protobuf.Type
    const makeDefault = (): unknown => (isMessage ? null : one(field.typeDefault ?? 0))
    return { name, convert: one, hasDefault: field.partOf === null, makeDefault }
  }

  private converter(field: Field): Convert {
    const { resolvedType, type } = field
    if (resolvedType instanceof protobuf.Type) return (value) => this.read(resolvedType, value as Message)
    if (resolvedType instanceof protobuf.Enum) return (value) => resolvedType.valuesById[value as number] ?? value
    if (type === 'bytes') return (value) => new Uint8Array(value as Uint8Array)
    // The reader gives bigints; defaults are numbers or objects of the package `long`.
    if (type in LONGS) return this.longs === 'bigint' ? (value) => BigInt(String(value)) : String
    return (value) => value
  }
}

interface FieldReader {
  readonly name: string
  readonly convert: Convert
  readonly hasDefault: boolean
  readonly makeDefault: () => unknown
}

/**
 * A record as protobufjs encodes it, checked: every property is a field, every value has its type and range, no oneof is set twice. (protobufjs leaves out what it does not know and cuts
 * what does not fit.) Throws with the path.
 */
export function toMessage(type: Type, value: unknown, path = 'the value'): Message {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error(`${path} is no object`)
  const message: Record<string, unknown> = {}
  for (const [name, given] of Object.entries(value)) {
    if (given === undefined || given === null) continue
    const field = Object.hasOwn(type.fields, name) ? type.fields[name]! : undefined
    const at = path === 'the value' ? name : `${path}.${name}`
    if (field === undefined) throw new Error(`${at} is no field of ${type.fullName.slice(1)}`)
    message[name] = toField(field.resolve(), given, at)
  }
  for (const { name, oneof } of type.oneofsArray) {
    const set = oneof.filter((member) => message[member] !== undefined)
    if (set.length > 1)
      throw new Error(`${set.join(' and ')} of ${path} are both set: they are members of oneof ${name}`)
  }
  return message
}

function toField(field: Field, value: unknown, path: string): unknown {
  if (field instanceof protobuf.MapField) {
    refuseLongKeys(field)
    if (typeof value !== 'object') throw new Error(`${path} is no object`)
    return Object.fromEntries(
      Object.entries(value as Message).map(([key, one]) => [key, toValue(field, one, `${path}.${key}`)]),
    )
  }
  if (!field.repeated) return toValue(field, value, path)
  if (!Array.isArray(value)) throw new Error(`${path} is no list`)
  return value.map((one, index) => toValue(field, one, `${path}[${index}]`))
}

function toValue({ resolvedType, type }: Field, value: unknown, path: string): unknown {
  if (resolvedType instanceof protobuf.Type) return toMessage(resolvedType, value, path)
  if (resolvedType instanceof protobuf.Enum) {
    const number =
      typeof value === 'string' && Object.hasOwn(resolvedType.values, value) ? resolvedType.values[value] : value
    return expect(number, isWithin(number, INTEGERS['int32']!), path, `a value of enum ${resolvedType.name}`)
  }
  if (type in INTEGERS) return expect(value, isWithin(value, INTEGERS[type]!), path, type)
  if (type in LONGS) return toLong(value, type, path)
  switch (type) {
    case 'string':
      return expect(value, typeof value === 'string', path, type)
    case 'bool':
      return expect(value, typeof value === 'boolean', path, type)
    case 'bytes':
      return expect(value, value instanceof Uint8Array, path, 'a Uint8Array')
    default:
      return expect(value, typeof value === 'number', path, type)
  }
}

function toLong(value: unknown, type: string, path: string): unknown {
  const isWhole =
    typeof value === 'bigint' || Number.isSafeInteger(value) || (typeof value === 'string' && /^-?\d+$/.test(value))
  const long = isWhole ? BigInt(value as bigint | number | string) : 0n
  const [least, most] = LONGS[type]!
  expect(value, isWhole && long >= least && long <= most, path, `${type} (a bigint)`)
  // What protobufjs takes in the place of an object of the package `long`.
  return { low: Number(BigInt.asIntN(32, long)), high: Number(BigInt.asIntN(32, long >> 32n)) }
}

function isWithin(value: unknown, [least, most]: readonly [number, number]): boolean {
  return Number.isInteger(value) && (value as number) >= least && (value as number) <= most
}

function expect(value: unknown, isRight: boolean, path: string, wanted: string): unknown {
  if (isRight) return value
  const shown = typeof value === 'bigint' ? `${value}n` : (JSON.stringify(value)?.slice(0, 60) ?? typeof value)
  throw new Error(`${path} is ${shown}, not ${wanted}`)
}

function refuseLongKeys({ keyType, name }: protobuf.MapField): void {
  if (keyType in LONGS) throw new Error(`map ${name} has keys of 64 bits, which are not supported`)
}
