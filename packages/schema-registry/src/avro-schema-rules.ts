/** Names of types that a schema may define: avsc itself looks them up also among what every object inherits. */
const KINDS: ReadonlySet<unknown> = new Set([
  'array',
  'boolean',
  'bytes',
  'double',
  'enum',
  'error',
  'fixed',
  'float',
  'int',
  'long',
  'map',
  'null',
  'record',
  'string',
])

/** Decimals beyond are taken as the bytes they are: each record would become a text of that length. */
const MOST_DIGITS = 10_000
const BITS_TO_DIGITS = Math.log10(2)
const UUID_BYTES = 16

interface Attributes {
  readonly type?: unknown
  readonly size?: unknown
  readonly precision?: unknown
  readonly scale?: unknown
  readonly fields?: unknown
}

/** Throws for what avsc would take for something else than a schema, or make wrong records of. */
export function checkDefinition(schema: object): void {
  const { type, fields } = schema as Attributes
  if (typeof type !== 'string' || !KINDS.has(type)) throw new Error(`unknown type: ${JSON.stringify(type)}`)
  if (!Array.isArray(fields)) return
  const hasPrototype = fields.some((field) => (field as { readonly name?: unknown } | null)?.name === '__proto__')
  if (hasPrototype) throw new Error('a field is called __proto__, which is not supported')
}

/** Whether a logical type suits the type it stands on. If not it has to be ignored, as the specification says. */
export function isSuitable(logicalType: string, schema: object): boolean {
  const { type, size } = schema as Attributes
  switch (logicalType) {
    case 'date':
      return type === 'int'
    case 'uuid':
      return type === 'string' || (type === 'fixed' && size === UUID_BYTES)
    case 'decimal':
      return isDecimal(schema)
    default:
      return logicalType.includes('timestamp-') ? type === 'long' : type === 'bytes' || type === 'fixed'
  }
}

function isDecimal({ type, size, precision, scale = 0 }: Attributes): boolean {
  const most =
    type === 'bytes' ? MOST_DIGITS : type === 'fixed' ? Math.floor((8 * Number(size) - 1) * BITS_TO_DIGITS) : 0
  return isWithin(precision, 1, Math.min(most, MOST_DIGITS)) && isWithin(scale, 0, precision)
}

function isWithin(value: unknown, least: number, most: number): value is number {
  return Number.isInteger(value) && (value as number) >= least && (value as number) <= most
}
