import fc from 'fast-check'
import { isTidemarkError } from 'tidemark/connector'
import { describe, expect, it } from 'vitest'
import { avroFormat } from './avro.ts'
import type { RegisteredSchema } from './registry-client.ts'
import type { Read } from './schema-codec.ts'
import { hex } from './testing/codec-kit.ts'

const registered = (schema: unknown): RegisteredSchema => ({
  type: 'AVRO',
  schema: JSON.stringify(schema),
  references: [],
})
const reading = (schema: unknown, own?: object): Read<unknown> =>
  avroFormat(own === undefined ? {} : { schema: own }).compileRead(registered(schema))
const bytes = (...values: readonly number[]) => new Uint8Array(values)

/** Of a number, as Avro writes longs. */
function long(value: bigint): readonly number[] {
  const out: number[] = []
  for (let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n)); ; rest >>= 7n) {
    if (rest < 0x80n) return [...out, Number(rest)]
    out.push(Number(rest & 0x7fn) | 0x80)
  }
}

function textBytes(text: string): readonly number[] {
  const utf8 = Buffer.from(text)
  return [...long(BigInt(utf8.length)), ...utf8]
}

describe('damaged Avro is a bad record, and no work without end:', () => {
  const array = { type: 'array', items: 'string' }
  const map = { type: 'map', values: 'int' }
  const nothing = { type: 'array', items: 'null' }
  const empty = { type: 'array', items: { type: 'record', name: 'Empty', fields: [] } }
  const huge = long(2n ** 62n)

  it.each<readonly [string, unknown, readonly number[], string]>([
    ['an array that counts more items than there are bytes', array, [...huge, 0], 'cut off'],
    ['a map that does', map, [...huge, 0], 'cut off'],
    ['an array of nulls beyond number', nothing, [...huge, 0], 'items without content'],
    ['the same in blocks', nothing, Array.from({ length: 64 }, () => long(2n ** 15n)).flat(), 'items without content'],
    ['an array of empty records beyond number', empty, [...huge, 0], 'items without content'],
    ['a count that cannot be', array, [...long(-(2n ** 63n)), 0, 0], 'cut off'],
    ['an item of negative length, which leads back to its own count', array, [2, 3, 0], 'cut off'],
    ['an array that does not end', array, [2, ...textBytes('a')], 'cut off'],
    ['a map that does not end', map, [2, ...textBytes('a'), 2], 'cut off'],
  ])('%s', (_, schema, given, message) => {
    expect(() => reading(schema)(bytes(...given), 0)).toThrow(message)
    // The same where the reader does not want it.
    const writer = { type: 'record', name: 'R', fields: [{ name: 'all', type: schema }] }
    const own = { type: 'record', name: 'R', fields: [{ name: 'other', type: 'int', default: 1 }] }
    expect(() => reading(writer, own)(bytes(...given), 0)).toThrow('is not Avro of its schema')
  })

  it('a block to be skipped whose size leads back, or beyond', () => {
    const writer = { type: 'record', name: 'R', fields: [{ name: 'all', type: array }] }
    const own = { type: 'record', name: 'R', fields: [{ name: 'other', type: 'int', default: 1 }] }
    const read = reading(writer, own)
    // -1 items in so many bytes.
    expect(read(bytes(1, ...long(2n), ...textBytes('a'), 0), 0)).toEqual({ other: 1 })
    for (const size of [-2n, -1n, 100n, 2n ** 62n]) {
      expect(() => read(bytes(1, ...long(size), ...textBytes('a'), 0), 0)).toThrow('longer than what is there')
    }
  })

  it('nesting that is deeper than the stack', () => {
    const next = { type: 'record', name: 'Node', fields: [{ name: 'next', type: ['null', 'Node'] }] }
    expect(() => reading(next)(new Uint8Array(1_000_000).fill(2), 0)).toThrow('is not Avro of its schema')
    expect(() => reading({ type: 'array', items: next })(new Uint8Array(1_000_000).fill(2), 0)).toThrow(
      'is not Avro of its schema',
    )
  })

  it('a decimal of more digits than it may have', () => {
    const read = reading({ type: 'bytes', logicalType: 'decimal', precision: 6, scale: 2 })
    // What repeats the sign counts for nothing.
    expect(read(bytes(...long(9n), 0, 0, 0, 0, 0, 0, 0, 1, 0), 0)).toBe('2.56')
    expect(() => read(bytes(...long(7n), 1, 2, 3, 4, 5, 6, 7), 0)).toThrow('a decimal has more than 6 digits')
  })

  const everything = {
    type: 'record',
    name: 'All',
    fields: [
      { name: 'texts', type: { type: 'array', items: 'string' } },
      { name: 'longs', type: { type: 'map', values: { type: 'array', items: 'long' } } },
      { name: 'nothing', type: { type: 'array', items: 'null' } },
      { name: 'price', type: { type: 'bytes', logicalType: 'decimal', precision: 30, scale: 2 } },
      { name: 'day', type: { type: 'int', logicalType: 'date' } },
      { name: 'at', type: ['null', { type: 'long', logicalType: 'timestamp-millis' }] },
      { name: 'kind', type: { type: 'enum', name: 'Kind', symbols: ['A', 'B'] } },
      { name: 'raw', type: ['bytes', { type: 'fixed', name: 'Four', size: 4 }] },
      { name: 'more', type: ['null', 'All'] },
      { name: 'number', type: 'double' },
    ],
  }
  const part = { ...everything, fields: everything.fields.filter(({ name }) => name === 'kind' || name === 'number') }
  const sample = {
    texts: ['tide', ''],
    longs: { a: [1, 2 ** 40], '': [] },
    nothing: [null, null],
    price: '-12345678901234567890.25',
    day: '2026-03-01',
    at: new Date(1e12),
    kind: 'B',
    raw: new Uint8Array([1, 2, 3]),
    more: null,
    number: 0.5,
  }

  it('any bytes at all, and any change of what was written', () => {
    const written = avroFormat({}).compileWrite(registered(everything))({ ...sample, more: sample })
    const readers = [reading(everything), reading(everything, everything), reading(everything, part)]
    expect(readers[0]!(written, 0)).toEqual({ ...sample, more: sample })
    expect(readers[2]!(written, 0)).toEqual({ kind: 'B', number: 0.5 })
    const changed = fc
      .array(fc.tuple(fc.nat(written.length - 1), fc.nat(255)), { minLength: 1, maxLength: 3 })
      .map((changes) => {
        // Not `slice`, which for a Buffer shares its bytes.
        const copy = new Uint8Array(written)
        for (const [at, value] of changes) copy[at] = value
        return copy
      })
    const numbers = fc.array(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), { maxLength: 6 })
    const given = fc.oneof(
      changed,
      fc.uint8Array({ maxLength: 60 }),
      numbers.map((values) => bytes(...values.flatMap(long))),
    )
    let failures = 0
    fc.assert(
      fc.property(given, fc.constantFrom(...readers), (input, read) => {
        try {
          read(input, 0)
        } catch (error) {
          failures++
          expect(isTidemarkError(error) && error.code).toBe('CORRUPT_DATA')
        }
      }),
      { numRuns: 3000 },
    )
    expect(failures).toBeGreaterThan(1000)
  })
})

describe('names that mean something in JavaScript', () => {
  it('are entries of maps like any other', () => {
    const read = reading({ type: 'map', values: { type: 'map', values: 'string' } })
    const given = bytes(2, ...textBytes('__proto__'), 2, ...textBytes('isAdmin'), ...textBytes('yes'), 0, 0)
    const map = read(given, 0) as Record<string, unknown>
    expect(Object.entries(map)).toEqual([['__proto__', { isAdmin: 'yes' }]])
    expect(map['isAdmin']).toBeUndefined()
    const write = avroFormat({}).compileWrite(registered({ type: 'map', values: { type: 'map', values: 'string' } }))
    expect(hex(write(map))).toBe(hex(given))
  })

  it('may name types', () => {
    const inner = { type: 'record', name: 'constructor', fields: [{ name: 'toString', type: 'int' }] }
    const schema = { type: 'array', items: inner }
    const value = [{ toString: 5 }]
    expect(reading(schema)(avroFormat({}).compileWrite(registered(schema))(value), 0)).toEqual(value)
  })

  it.each<readonly [unknown, string]>([
    [{ type: 'record', name: 'R', fields: [{ name: '__proto__', type: 'int' }] }, '__proto__, which is not supported'],
    ['toString', 'undefined type name: toString'],
    ['__proto__', 'undefined type name: __proto__'],
    [{ type: 'constructor' }, 'unknown type: "constructor"'],
    [{ type: ['constructor'] }, 'unknown type: ["constructor"]'],
    [{ type: '__proto__' }, 'unknown type'],
  ])('are no schemas: %j', (schema, message) => {
    expect(() => reading(schema)).toThrow(message)
  })

  it.each([['constructor'], ['__proto__'], ['tidemark-bytes'], ['toString'], [5], [['uuid']], [{}]])(
    'are no logical types: %j',
    (logicalType) => {
      const schema = JSON.parse(JSON.stringify({ type: 'int', logicalType })) as object
      expect(reading(schema)(bytes(4), 0)).toBe(2)
      const record = { type: 'record', name: 'R', fields: [{ name: 'length', type: 'int' }], logicalType }
      expect(reading(record)(bytes(4), 0)).toEqual({ length: 2 })
    },
  )
})

describe('a schema from elsewhere is never run as code:', () => {
  const code = `x'];globalThis.hacked=1;//`
  it.each<readonly [string, unknown]>([
    ['name', { type: 'record', name: code, fields: [] }],
    ['namespace', { type: 'record', name: 'R', namespace: code, fields: [] }],
    ['names that are lists', { type: 'record', name: [code], fields: [] }],
    ['alias', { type: 'record', name: 'R', aliases: [code], fields: [] }],
    ['field', { type: 'record', name: 'R', fields: [{ name: code, type: 'int' }] }],
    ['field that is a list', { type: 'record', name: 'R', fields: [{ name: [code], type: 'int' }] }],
    ['alias of a field', { type: 'record', name: 'R', fields: [{ name: 'a', aliases: [code], type: 'int' }] }],
    ['order', { type: 'record', name: 'R', fields: [{ name: 'a', order: code, type: 'int' }] }],
    ['default', { type: 'record', name: 'R', fields: [{ name: 'a', type: 'string', default: code }] }],
    ['symbol', { type: 'enum', name: 'E', symbols: [code] }],
    ['default symbol', { type: 'enum', name: 'E', symbols: ['A'], default: code }],
    ['fixed', { type: 'fixed', name: code, size: 1 }],
    ['size', { type: 'fixed', name: 'F', size: code }],
    ['reference', code],
    ['branch', ['null', code]],
    ['logical type', { type: 'int', logicalType: code }],
    ['doc', { type: 'record', name: 'R', doc: code, fields: [] }],
    ['scale', { type: 'bytes', logicalType: 'decimal', precision: 4, scale: code }],
  ])('%s', (_, schema) => {
    const own = { type: 'record', name: 'R', fields: [{ name: 'b', type: 'int', default: 0 }] }
    for (const compile of [
      () => reading(schema)(bytes(0, 0, 0), 0),
      () => reading(schema, own)(bytes(0, 0, 0), 0),
      () => avroFormat({}).compileWrite(registered(schema))({ a: 1 }),
    ]) {
      try {
        compile()
      } catch (error) {
        expect(error).toBeInstanceOf(Error)
      }
    }
    expect((globalThis as { hacked?: unknown }).hacked).toBeUndefined()
  })
})

describe('a logical type that does not suit its type is ignored, as the specification says:', () => {
  const text = bytes(...textBytes('2026'))
  it.each<readonly [object, Uint8Array, unknown]>([
    [{ type: 'string', logicalType: 'timestamp-millis' }, text, '2026'],
    [{ type: 'string', logicalType: 'date' }, text, '2026'],
    [{ type: 'string', logicalType: 'decimal', precision: 4 }, text, '2026'],
    [{ type: 'long', logicalType: 'date' }, bytes(4), 2],
    [{ type: 'int', logicalType: 'timestamp-micros' }, bytes(4), 2],
    [{ type: 'bytes', logicalType: 'decimal' }, bytes(2, 5), new Uint8Array([5])],
    [{ type: 'bytes', logicalType: 'decimal', precision: 2, scale: 3 }, bytes(2, 5), new Uint8Array([5])],
    [{ type: 'bytes', logicalType: 'decimal', precision: 1e9, scale: 1e9 }, bytes(2, 5), new Uint8Array([5])],
    [{ type: 'fixed', name: 'F', size: 1, logicalType: 'decimal', precision: 3 }, bytes(5), new Uint8Array([5])],
    [{ type: 'fixed', name: 'F', size: 1, logicalType: 'decimal', precision: 2 }, bytes(5), '5'],
    [{ type: 'fixed', name: 'F', size: 1, logicalType: 'uuid' }, bytes(5), new Uint8Array([5])],
  ])('%j', (schema, given, value) => {
    expect(reading(schema)(given, 0)).toEqual(value)
    expect(avroFormat({}).compileWrite(registered(schema))(value)).toEqual(Buffer.from(given))
  })
})
