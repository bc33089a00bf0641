import avsc, { type Schema, type Type } from 'avsc'

/** What avsc hands to the constructor of a logical type. */
type Attributes = Schema & {
  readonly logicalType: string
  readonly precision?: number
  readonly scale?: number
  readonly size?: number
}
type Constructor = new (attributes: Schema, options?: object) => avsc.types.LogicalType

const MS_PER_DAY = 86_400_000

/** Of the writer's side: values as they are, but what they meant is known, so that they are not taken for something else. */
class Raw extends avsc.types.LogicalType {
  readonly attributes: Attributes

  constructor(attributes: Schema, options?: object) {
    super(attributes, options)
    this.attributes = attributes as Attributes
  }

  protected override _fromValue(value: unknown): unknown {
    return value
  }

  protected override _toValue(value: unknown): unknown {
    return value
  }

  /** What another writer's plain type would give. */
  protected override _resolve(type: Type): ((value: unknown) => unknown) | undefined {
    if (nameOf(type) !== nameOf(this.underlyingType) && !isRawOf(type, this.attributes)) return undefined
    return (value) => this._fromValue(value)
  }
}

/** Without the mark of types like our longs. */
function nameOf({ typeName }: Type): string {
  return typeName.replace('abstract:', '')
}

function isRawOf(type: Type, own: Attributes): boolean {
  if (!(type instanceof Raw)) return false
  const { logicalType, scale = 0, precision } = type.attributes
  if (logicalType !== own.logicalType) return false
  return logicalType !== 'decimal' || (scale === (own.scale ?? 0) && precision === own.precision)
}

class AvroDate extends Raw {
  protected override _fromValue(days: unknown): string {
    return new Date((days as number) * MS_PER_DAY).toISOString().slice(0, -14)
  }

  protected override _toValue(date: unknown): number | undefined {
    if (typeof date !== 'string' || !/^[+-]?\d{4,6}-\d\d-\d\d$/.test(date)) return undefined
    const ms = Date.parse(`${date}T00:00:00Z`)
    return Number.isNaN(ms) ? undefined : ms / MS_PER_DAY
  }
}

class AvroTimestampMillis extends Raw {
  protected override _fromValue(ms: unknown): Date {
    return new Date(Number(ms))
  }

  protected override _toValue(date: unknown): unknown {
    if (!(date instanceof Date) || Number.isNaN(date.getTime())) return undefined
    return date.getTime()
  }
}

/** Texts as `12.50`, which hold every digit; a bigint or a number with fewer digits is none. */
class AvroDecimal extends Raw {
  protected override _fromValue(bytes: unknown): string {
    const { scale = 0, precision = 0 } = this.attributes
    // A digit takes less than half a byte: what is much longer is damaged, and would take seconds to be made a text.
    if (significantBytes(bytes as Uint8Array) > precision)
      throw new Error(`a decimal has more than ${precision} digits`)
    const unscaled = fromTwosComplement(bytes as Uint8Array)
    const digits = (unscaled < 0n ? -unscaled : unscaled).toString().padStart(scale + 1, '0')
    const text = scale === 0 ? digits : `${digits.slice(0, -scale)}.${digits.slice(-scale)}`
    return unscaled < 0n ? `-${text}` : text
  }

  protected override _toValue(text: unknown): Buffer | undefined {
    const { scale = 0, precision = 0 } = this.attributes
    const match = typeof text === 'string' ? /^(-?)(\d+)(?:\.(\d*))?$/.exec(text) : null
    if (match === null) return undefined
    const [, sign, whole = '', fraction = ''] = match
    if (fraction.length > scale) return undefined
    const unscaled = BigInt(whole + fraction.padEnd(scale, '0'))
    if (unscaled.toString().length > precision) return undefined
    const { typeName } = this.underlyingType
    const size = typeName === 'fixed' ? (this.underlyingType as avsc.types.FixedType).size : null
    return toTwosComplement(sign === '-' ? -unscaled : unscaled, size)
  }
}

class AvroUuid extends Raw {
  protected override _fromValue(value: unknown): string {
    if (typeof value === 'string') return value
    const hex = Buffer.from(value as Uint8Array).toString('hex')
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
  }

  protected override _toValue(uuid: unknown): string | Buffer | undefined {
    if (typeof uuid !== 'string' || !/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i.test(uuid)) return undefined
    return this.underlyingType.typeName === 'string' ? uuid : Buffer.from(uuid.replaceAll('-', ''), 'hex')
  }
}

/** Microseconds and nanoseconds are bigints, whatever longs are: a Date would lose digits. */
class AvroFineTime extends Raw {
  protected override _fromValue(value: unknown): bigint {
    return BigInt(value as number | bigint)
  }

  protected override _toValue(value: unknown): unknown {
    return typeof value === 'bigint' ? value : undefined
  }
}

/** Bytes are Uint8Arrays of their own: what avsc gives are Buffers. */
class AvroBytes extends Raw {
  protected override _fromValue(value: unknown): Uint8Array {
    return new Uint8Array(value as Uint8Array)
  }

  protected override _toValue(value: unknown): Buffer | undefined {
    return value instanceof Uint8Array ? Buffer.from(value.buffer, value.byteOffset, value.byteLength) : undefined
  }
}

/** Times whose longs are bigints in any case. */
export const FINE_TIMES: ReadonlySet<string> = new Set([
  'timestamp-micros',
  'timestamp-nanos',
  'local-timestamp-micros',
  'local-timestamp-nanos',
])

/** Stands for bytes and fixed without a logical type of Avro. */
export const PLAIN_BYTES = 'tidemark-bytes'

export const LOGICAL_TYPES: Readonly<Record<string, Constructor>> = withoutPrototype({
  date: AvroDate,
  'timestamp-millis': AvroTimestampMillis,
  'local-timestamp-millis': AvroTimestampMillis,
  'timestamp-micros': AvroFineTime,
  'timestamp-nanos': AvroFineTime,
  'local-timestamp-micros': AvroFineTime,
  'local-timestamp-nanos': AvroFineTime,
  decimal: AvroDecimal,
  uuid: AvroUuid,
  [PLAIN_BYTES]: AvroBytes,
})

/** The same names for the writer's side of a resolution. */
export const RAW_TYPES: Readonly<Record<string, Constructor>> = withoutPrototype(
  Object.fromEntries(Object.keys(LOGICAL_TYPES).map((name) => [name, Raw])),
)

/** avsc looks names of schemas up in it, which may be `constructor`. */
function withoutPrototype<T extends object>(table: T): T {
  return Object.assign(Object.create(null) as T, table)
}

/** Without those that only repeat the sign. */
function significantBytes(bytes: Uint8Array): number {
  let from = 0
  while (from < bytes.length && (bytes[from] === 0 || bytes[from] === 0xff)) from++
  return bytes.length - from
}

function fromTwosComplement(bytes: Uint8Array): bigint {
  if (bytes.length === 0) return 0n
  return BigInt.asIntN(bytes.length * 8, BigInt(`0x${Buffer.from(bytes).toString('hex')}`))
}

/** The fewest bytes that hold it, as Java writes them, or so many; undefined where it does not fit. */
function toTwosComplement(value: bigint, size: number | null): Buffer | undefined {
  let length = size ?? 1
  if (size === null) while (BigInt.asIntN(length * 8, value) !== value) length++
  if (BigInt.asIntN(length * 8, value) !== value) return undefined
  return Buffer.from(
    BigInt.asUintN(length * 8, value)
      .toString(16)
      .padStart(length * 2, '0'),
    'hex',
  )
}
