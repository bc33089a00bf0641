import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { schemaRegistry } from './schema-registry.ts'
import { AT, context, failureOf, hex, read, write } from './testing/codec-kit.ts'
import { MemoryRegistry } from './testing/memory-registry.ts'

/** Decimals with all digits. */
const decimals = (digits: number, scale: number) =>
  fc.bigInt({ min: -(10n ** BigInt(digits)) + 1n, max: 10n ** BigInt(digits) - 1n }).map((unscaled) => {
    const text = (unscaled < 0n ? -unscaled : unscaled).toString().padStart(scale + 1, '0')
    const point = scale === 0 ? text : `${text.slice(0, -scale)}.${text.slice(-scale)}`
    return unscaled < 0n ? `-${point}` : point
  })

describe('Avro', () => {
  const SCHEMA = {
    type: 'record',
    name: 'All',
    fields: [
      { name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' } },
      { name: 'fine', type: { type: 'long', logicalType: 'timestamp-micros' } },
      { name: 'day', type: { type: 'int', logicalType: 'date' } },
      { name: 'price', type: { type: 'bytes', logicalType: 'decimal', precision: 30, scale: 2 } },
      {
        name: 'fixed',
        type: { type: 'fixed', name: 'Price', size: 9, logicalType: 'decimal', precision: 20, scale: 0 },
      },
      { name: 'uuid', type: { type: 'string', logicalType: 'uuid' } },
      { name: 'raw', type: 'bytes' },
      { name: 'hash', type: { type: 'fixed', name: 'Hash', size: 2 } },
      { name: 'tags', type: { type: 'map', values: { type: 'array', items: 'int' } } },
      { name: 'kind', type: { type: 'enum', name: 'Kind', symbols: ['A', 'B'] } },
      { name: 'maybe', type: ['null', { type: 'long', logicalType: 'timestamp-millis' }, 'boolean', 'bytes'] },
      {
        name: 'inner',
        type: ['null', { type: 'record', name: 'Inner', fields: [{ name: 'next', type: ['null', 'Inner'] }] }],
      },
    ],
  }
  const day = fc
    .integer({ min: -100_000, max: 100_000 })
    .map((days) => new Date(days * 86_400_000).toISOString().slice(0, 10))
  const date = fc.date({ noInvalidDate: true })
  const values = fc.record(
    {
      at: date,
      fine: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      day,
      price: decimals(30, 2),
      fixed: decimals(20, 0),
      uuid: fc.uuid(),
      raw: fc.uint8Array(),
      hash: fc.uint8Array({ minLength: 2, maxLength: 2 }),
      tags: fc.dictionary(
        fc.string({ minLength: 1 }).filter((key) => key !== '__proto__' && key !== 'constructor'),
        fc.array(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })),
        { noNullPrototype: true },
      ),
      kind: fc.constantFrom('A', 'B'),
      maybe: fc.oneof(fc.constant(null), date, fc.boolean(), fc.uint8Array()),
      inner: fc.constantFrom(null, { next: null }, { next: { next: null } }),
    },
    { noNullPrototype: true },
  )

  it.each(['number', 'bigint'] as const)(
    'gives back every value of every type, also through another schema, with longs as %s',
    async (longs) => {
      await using server = await MemoryRegistry.start()
      const registry = schemaRegistry({ url: server.url })
      const codec = registry.avro({ schema: SCHEMA, longs })
      const wider = registry.avro({
        schema: { ...SCHEMA, fields: [...SCHEMA.fields, { name: 'more', type: 'int', default: 5 }] },
        longs,
      })
      const plain = registry.avro({ longs })
      const encoding = codec.createEncoding(context)
      await encoding.prepare!({}, AT)
      const readers = [codec, wider, plain].map((each) => each.createDecoding(context))
      for (const reader of readers) await reader.prepare!(new Uint8Array([0, 0, 0, 0, 1]), AT)
      fc.assert(
        fc.property(values, (value) => {
          const bytes = encoding.encode(value, AT)!
          expect(readers[0]!.decode(bytes, AT)).toStrictEqual(value)
          expect(readers[1]!.decode(bytes, AT)).toStrictEqual({ ...value, more: 5 })
          expect(readers[2]!.decode(bytes, AT)).toStrictEqual(value)
        }),
        { numRuns: 200 },
      )
    },
  )

  it('keeps every digit of longs as bigints, and refuses to lose one as numbers', async () => {
    await using server = await MemoryRegistry.start()
    const registry = schemaRegistry({ url: server.url })
    const schema = { type: 'array', items: ['null', 'long'] }
    const exact = registry.avro<readonly (bigint | null)[]>({ schema, longs: 'bigint' })
    const longs = [null, 0n, -1n, 2n ** 63n - 1n, -(2n ** 63n)]
    const bytes = await write(exact, longs)
    expect(await read(exact, bytes)).toEqual(longs)
    expect((await failureOf(() => read(registry.avro({ schema }), bytes))).code).toBe('CORRUPT_DATA')
    expect((await failureOf(() => write(exact, [2n ** 63n]))).code).toBe('NOT_ENCODABLE')
  })

  it('writes decimals as Java does: the fewest bytes of two’s complement', async () => {
    await using server = await MemoryRegistry.start()
    const codec = schemaRegistry({ url: server.url }).avro<string>({
      schema: { type: 'bytes', logicalType: 'decimal', precision: 6, scale: 2 },
    })
    const payload = async (text: string) => hex((await write(codec, text)).subarray(5))
    expect(await payload('0.00')).toBe('0200')
    expect(await payload('1.27')).toBe('027f')
    expect(await payload('1.28')).toBe('040080')
    expect(await payload('-1.28')).toBe('0280')
    expect(await payload('-1.29')).toBe('04ff7f')
    expect(await read(codec, await write(codec, '7'))).toBe('7.00')
    for (const bad of ['1.234', '12345.67', 'x', 1 as unknown as string])
      expect((await failureOf(() => write(codec, bad))).code).toBe('NOT_ENCODABLE')
  })

  it('does not take a decimal or a time of one unit for that of another', async () => {
    await using server = await MemoryRegistry.start()
    const registry = schemaRegistry({ url: server.url })
    const decimal = (scale: number) =>
      registry.avro<string>({ schema: { type: 'bytes', logicalType: 'decimal', precision: 6, scale } })
    expect((await failureOf(async () => read(decimal(3), await write(decimal(2), '1.23')))).message).toContain(
      'cannot be read',
    )
    const time = (logicalType: string) => registry.avro({ schema: { type: 'long', logicalType } })
    const micros = await write(time('timestamp-micros'), 5n)
    expect((await failureOf(() => read(time('timestamp-millis'), micros))).message).toContain('cannot be read')
    expect(await read(time('timestamp-millis'), await write(registry.avro({ schema: { type: 'long' } }), 5))).toEqual(
      new Date(5),
    )
  })

  it('finds the names that a schema refers to', async () => {
    await using server = await MemoryRegistry.start()
    const registry = schemaRegistry({ url: server.url })
    const money = {
      type: 'record',
      name: 'Money',
      namespace: 'shop',
      fields: [
        { name: 'currency', type: 'shop.Currency' },
        { name: 'amount', type: 'int' },
      ],
    }
    server.register('currency', { schema: JSON.stringify({ type: 'enum', name: 'shop.Currency', symbols: ['EUR'] }) })
    server.register('money', {
      schema: JSON.stringify(money),
      references: [{ name: 'shop.Currency', subject: 'currency', version: 1 }],
    })
    const codec = registry.avro({
      schema: { type: 'record', name: 'Sale', fields: [{ name: 'total', type: 'shop.Money' }] },
      references: [{ name: 'shop.Money', subject: 'money', version: 1 }],
    })
    const value = { total: { currency: 'EUR', amount: 5 } }
    expect(await read(codec, await write(codec, value))).toEqual(value)
    expect(await read(registry.avro(), await write(codec, value))).toEqual(value)
  })
})
