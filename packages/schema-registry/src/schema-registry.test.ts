import { nullable, type Codec, type DecodeContext } from '@tidemark/kafka'
import fc from 'fast-check'
import { isTidemarkError, SECRET, type Secret, type TidemarkError } from 'tidemark/connector'
import { describe, expect, it } from 'vitest'
import { schemaRegistry } from './schema-registry.ts'
import { MemoryRegistry } from './testing/memory-registry.ts'

const AT: DecodeContext = { topic: 'orders', part: 'value' }
const SECRETS: Readonly<Record<string, string>> = { PASSWORD: 'hush-hush', TOKEN: 'a.b.c' }
const context = { secret: (name: string) => SECRETS[name] ?? '' }
const secret = (name: string): Secret => ({ [SECRET]: true, secret: name })

const ORDER = {
  type: 'record',
  name: 'Order',
  namespace: 'shop',
  fields: [
    { name: 'id', type: 'long' },
    { name: 'shop', type: 'string' },
    { name: 'note', type: ['null', 'string'], default: null },
  ],
}

async function write<T>(codec: Codec<T>, value: T, at = AT): Promise<Uint8Array> {
  const encoding = codec.createEncoding(context)
  await encoding.prepare?.(value, at)
  return encoding.encode(value, at)!
}

async function read<T>(codec: Codec<T>, bytes: Uint8Array): Promise<T> {
  const decoding = codec.createDecoding(context)
  // As a record lies in a batch.
  const batch = new Uint8Array(bytes.length + 7).fill(0xee)
  batch.set(bytes, 3)
  const mine = batch.subarray(3, 3 + bytes.length)
  await decoding.prepare?.(mine, AT)
  const value = decoding.decode(mine, AT)
  batch.fill(0xdd)
  return value
}

async function failureOf(action: () => unknown): Promise<TidemarkError> {
  try {
    await action()
  } catch (error) {
    if (isTidemarkError(error)) return error
    throw error
  }
  throw new Error('nothing failed')
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const spaceless = (text: string): string => text.replaceAll(' ', '')

describe('a codec with a schema registry', () => {
  it('writes the zero byte, the id and Avro, and reads it back as plain objects', async () => {
    await using server = await MemoryRegistry.start()
    const codec = schemaRegistry({ url: server.url }).avro({ schema: ORDER })
    const bytes = await write(codec, { id: 3, shop: 'sea', note: null })
    // Long 3 as zigzag varint, a string with its length, the first branch of the union.
    expect(hex(bytes)).toBe(spaceless('0000000001 06 06736561 00'))
    const value = await read(codec, bytes)
    expect(value).toEqual({ id: 3, shop: 'sea', note: null })
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
    expect(server.requests).toEqual(['POST /subjects/orders-value/versions', 'GET /schemas/ids/1'])
  })

  it('asks for a schema once, however many records wait for it', async () => {
    await using server = await MemoryRegistry.start()
    const codec = schemaRegistry({ url: server.url }).avro({ schema: ORDER })
    const bytes = await write(codec, { id: 3, shop: 'sea', note: 'x' })
    const decoding = codec.createDecoding(context)
    const waits = [1, 2, 3].map(() => decoding.prepare!(bytes, AT)!)
    await Promise.all(waits)
    expect(waits.every((wait) => wait === waits[0])).toBe(true)
    expect(decoding.prepare!(bytes, AT)).toBeUndefined()
    expect(server.requests.filter((request) => request.startsWith('GET'))).toHaveLength(1)
  })

  it('reads what was written with an older schema into its own', async () => {
    await using server = await MemoryRegistry.start()
    const registry = schemaRegistry({ url: server.url })
    const older = await write(registry.avro({ schema: { ...ORDER, fields: ORDER.fields.slice(0, 2) } }), {
      id: 7,
      shop: 'a',
    })
    const newer = {
      ...ORDER,
      fields: [
        ...ORDER.fields,
        { name: 'price', type: 'double', default: 0.5 },
        { name: 'store', aliases: ['shop'], type: 'string', default: '' },
      ],
    }
    expect(await read(registry.avro({ schema: newer }), older)).toMatchObject({
      id: 7,
      note: null,
      price: 0.5,
      store: 'a',
    })
  })

  it('makes a bad record of what cannot be resolved into its schema', async () => {
    await using server = await MemoryRegistry.start()
    const registry = schemaRegistry({ url: server.url })
    const bytes = await write(registry.avro({ schema: ORDER }), { id: 7, shop: 'a', note: null })
    const other = registry.avro({ schema: { ...ORDER, fields: [{ name: 'missing', type: 'string' }] } })
    expect(await failureOf(() => read(other, bytes))).toMatchObject({
      code: 'CORRUPT_DATA',
      message: expect.stringContaining('schema 1 cannot be read') as string,
    })
  })

  it('makes bad records of bytes without id, of unknown and of wrong schemas, of cut and of longer values', async () => {
    await using server = await MemoryRegistry.start()
    const registry = schemaRegistry({ url: server.url, retries: 0 })
    const codec = registry.avro({ schema: ORDER })
    const bytes = await write(codec, { id: 7, shop: 'abc', note: null })
    const unknown = bytes.slice()
    unknown[4] = 99
    const bad: readonly (readonly [Uint8Array, RegExp])[] = [
      [new Uint8Array(0), /wire format/],
      [new Uint8Array([1, ...bytes.slice(1)]), /wire format/],
      [unknown, /schema 99 is not known/],
      [bytes.slice(0, -1), /cut off/],
      [new Uint8Array([...bytes, 0]), /left over/],
    ]
    for (const [given, message] of bad) {
      const error = await failureOf(() => read(codec, given))
      expect(error.code).toBe('CORRUPT_DATA')
      expect(error.message).toMatch(message)
    }
    expect((await failureOf(() => read(registry.jsonSchema(), bytes))).message).toContain('is AVRO, not JSON')
    expect((await failureOf(() => codec.createDecoding(context).decode(null, AT))).action).toContain('nullable')
    expect(await nullable(codec).createDecoding(context).decode(null, AT)).toBeNull()
  })

  it('repeats what fails for a reason that passes, and gives up after a bounded time', async () => {
    await using server = await MemoryRegistry.start()
    server.faults.push(503, 'hang-up', 429)
    const codec = schemaRegistry({ url: server.url }).avro({ schema: ORDER })
    expect(await read(codec, await write(codec, { id: 1, shop: '', note: null }))).toMatchObject({ id: 1 })
    server.faults.push(503, 503)
    const impatient = schemaRegistry({ url: server.url, retries: 1 }).avro({ schema: ORDER })
    const error = await failureOf(() => write(impatient, { id: 1, shop: '', note: null }))
    expect(error).toMatchObject({ code: 'SINK_FAILED', message: expect.stringContaining('503') as string })
    server.faults.push('hang-up', 'hang-up')
    const reading = impatient.createDecoding(context)
    expect(await failureOf(() => reading.prepare!(new Uint8Array([0, 0, 0, 0, 1, 0]), AT))).toMatchObject({
      code: 'SOURCE_FAILED',
    })
    // The next batch asks again.
    await reading.prepare!(new Uint8Array([0, 0, 0, 0, 1, 0]), AT)
  })

  it('asks again for an id that a follower does not know yet', async () => {
    await using server = await MemoryRegistry.start()
    const codec = schemaRegistry({ url: server.url }).avro({ schema: ORDER })
    const bytes = await write(codec, { id: 1, shop: '', note: null })
    server.faults.push(404)
    expect(await read(codec, bytes)).toMatchObject({ id: 1 })
  })

  it('goes on to the next address', async () => {
    await using server = await MemoryRegistry.start()
    const codec = schemaRegistry({ url: ['http://127.0.0.1:9', server.url] }).avro({ schema: ORDER })
    expect(await write(codec, { id: 1, shop: '', note: null })).toHaveLength(8)
  })

  it('gives credentials and never shows them', async () => {
    await using server = await MemoryRegistry.start()
    const auth = { username: 'me', password: secret('PASSWORD') }
    server.authorization = `Basic ${Buffer.from('me:hush-hush').toString('base64')}`
    const order = { id: 1, shop: '', note: null }
    const codec = schemaRegistry({ url: server.url, auth }).avro({ schema: ORDER })
    await write(codec, order)
    expect(JSON.stringify(codec)).not.toContain('PASSWORD')
    server.authorization = 'Bearer a.b.c'
    await write(schemaRegistry({ url: server.url, auth: { token: secret('TOKEN') } }).avro({ schema: ORDER }), order)
    const error = await failureOf(() => write(codec, order))
    expect(error).toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringContaining('refuses the credentials') as string,
    })
    expect(`${error.message} ${error.action} ${error.stack}`).not.toMatch(/hush|aHVzaC|bWU6/)
  })

  it('says what a schema is not compatible with', async () => {
    await using server = await MemoryRegistry.start()
    server.isCompatible = () => false
    server.register('orders-value', { schema: '"string"' })
    const error = await failureOf(() =>
      write(schemaRegistry({ url: server.url }).avro({ schema: ORDER }), { id: 1, shop: '', note: null }),
    )
    expect(error.code).toBe('INVALID_OPTION')
    expect(error.message).toMatch(/not compatible with those of subject 'orders-value'.*incompatible with an earlier/)
  })

  it.each([
    ['topic', 'orders-value'],
    ['record', 'shop.Order'],
    ['topic-record', 'orders-shop.Order'],
    [({ topic, part }: { topic: string; part: string }) => `${part}/${topic}`, 'value/orders'],
  ] as const)('registers under the subject that %s naming gives', async (subject, expected) => {
    await using server = await MemoryRegistry.start()
    await write(schemaRegistry({ url: server.url }).avro({ schema: ORDER, subject }), { id: 1, shop: '', note: null })
    expect(server.requests).toEqual([`POST /subjects/${encodeURIComponent(expected)}/versions`])
  })

  it('writes with the newest schema, a given id, or one that has to be there', async () => {
    await using server = await MemoryRegistry.start()
    const registry = schemaRegistry({ url: server.url, retries: 0 })
    const first = server.register('orders-value', { schema: JSON.stringify(ORDER) })
    server.register('orders-value', { schema: '"string"' })
    expect(hex(await write(registry.avro(), 'a'))).toBe(spaceless('0000000002 0261'))
    expect(hex(await write(registry.avro({ use: { id: first } }), { id: 1, shop: '', note: null }))).toMatch(
      /^0000000001/,
    )
    expect(hex(await write(registry.avro({ schema: ORDER, use: 'lookup' }), { id: 1, shop: '', note: null }))).toMatch(
      /^0000000001/,
    )
    expect((await failureOf(() => write(registry.avro({ schema: '"int"', use: 'lookup' }), 1))).message).toContain(
      'no schema for subject orders-value',
    )
    expect((await failureOf(() => write(registry.avro(), 'a', { ...AT, topic: 'other' }))).message).toContain(
      'other-value',
    )
    expect((await failureOf(() => registry.avro({ use: 'lookup' }))).code).toBe('INVALID_OPTION')
  })

  it('names the field that does not fit', async () => {
    await using server = await MemoryRegistry.start()
    const codec = schemaRegistry({ url: server.url }).avro({ schema: ORDER })
    const error = await failureOf(() => write(codec, { id: 'x', shop: 'a', note: null }))
    expect(error).toMatchObject({ code: 'NOT_ENCODABLE', message: expect.stringContaining('id is "x"') as string })
  })

  it('refuses options that cannot work, before anything runs', async () => {
    const url = 'http://127.0.0.1:1'
    for (const make of [
      () => schemaRegistry({ url: 'nowhere' }),
      () => schemaRegistry({ url: 'http://me:pw@127.0.0.1' }),
      () => schemaRegistry({ url: 'ftp://127.0.0.1' }),
      () => schemaRegistry({ url, auth: { username: 'me', password: 'plain' as unknown as Secret } }),
      () => schemaRegistry({ url, retries: -1 }),
      () => schemaRegistry({ url }).avro({ schema: { type: 'recrod' } }),
      () => schemaRegistry({ url }).jsonSchema({ schema: { type: 'strng' } }),
      () => schemaRegistry({ url }).protobuf({ schema: 'message {' }),
      () => schemaRegistry({ url }).protobuf({ schema: 'syntax = "proto3"; message A {}', message: 'B' }),
    ]) {
      const error = await failureOf(make)
      expect(error.code).toBe('INVALID_OPTION')
      expect(error.message).not.toContain('pw')
    }
  })
})

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

describe('JSON Schema', () => {
  const schema = {
    title: 'Order',
    type: 'object',
    properties: { id: { type: 'integer' }, at: { type: 'string' } },
    required: ['id'],
  }

  it('is JSON behind the id, and checked on both sides', async () => {
    await using server = await MemoryRegistry.start()
    const registry = schemaRegistry({ url: server.url })
    const codec = registry.jsonSchema({ schema, subject: 'record' })
    const bytes = await write(codec, { id: 5, at: new Date(0) })
    expect(Buffer.from(bytes).toString('latin1')).toBe('\0\0\0\0\u0001{"id":5,"at":"1970-01-01T00:00:00.000Z"}')
    expect(await read(codec, bytes)).toEqual({ id: 5, at: '1970-01-01T00:00:00.000Z' })
    expect(server.requests[0]).toBe('POST /subjects/Order/versions')
    expect((await failureOf(() => write(codec, { id: 'five' }))).message).toContain('/id must be integer')
    const loose = await write(registry.jsonSchema({ schema: {} }), { id: 'five' })
    expect((await failureOf(() => read(codec, loose))).code).toBe('CORRUPT_DATA')
    expect(await read(registry.jsonSchema({ schema, validate: false }), loose)).toEqual({ id: 'five' })
    expect((await failureOf(() => read(codec, new Uint8Array([...bytes.slice(0, 5), 0x7b])))).message).toContain(
      'not JSON',
    )
  })

  it.each([
    'https://json-schema.org/draft/2020-12/schema',
    'https://json-schema.org/draft/2019-09/schema',
    'http://json-schema.org/draft-07/schema#',
    'http://json-schema.org/draft-06/schema#',
  ])('knows %s, and references', async (draft) => {
    await using server = await MemoryRegistry.start()
    server.register('item', { schema: JSON.stringify({ $schema: draft, type: 'integer' }), schemaType: 'JSON' })
    const codec = schemaRegistry({ url: server.url }).jsonSchema({
      schema: { $schema: draft, type: 'array', items: { $ref: 'item.json' } },
      references: [{ name: 'item.json', subject: 'item', version: 1 }],
    })
    expect(await read(codec, await write(codec, [1, 2]))).toEqual([1, 2])
    expect((await failureOf(() => write(codec, ['x']))).code).toBe('NOT_ENCODABLE')
  })
})

describe('Protobuf', () => {
  const schema = `syntax = "proto3"; package shop;
    import "google/protobuf/timestamp.proto";
    message First { int32 n = 1; }
    message Order {
      message Line { string item = 1; uint64 cents = 2; }
      enum Kind { NONE = 0; SALE = 1; }
      int64 id = 1; repeated Line lines = 2; Kind kind = 3; bytes raw = 4; map<string, int32> tags = 5;
      google.protobuf.Timestamp at = 6; oneof way { string mail = 7; int32 desk = 8; }
    }`
  const full = {
    id: 2n ** 62n,
    lines: [{ item: 'tide', cents: 2n ** 64n - 1n }],
    kind: 'SALE',
    raw: new Uint8Array([1, 2]),
    tags: { a: -1 },
    at: { seconds: 5n, nanos: 7 },
    desk: 3,
  }

  it('writes the path of the message behind the id', async () => {
    await using server = await MemoryRegistry.start()
    const registry = schemaRegistry({ url: server.url })
    expect(hex(await write(registry.protobuf({ schema }), { n: 1 }))).toBe(spaceless('0000000001 00 0801'))
    expect(hex(await write(registry.protobuf({ schema, message: 'shop.Order' }), {}))).toBe(
      spaceless('0000000001 0202'),
    )
    expect(hex(await write(registry.protobuf({ schema, message: 'shop.Order.Line' }), {}))).toBe(
      spaceless('0000000001 040200'),
    )
  })

  it('gives back what was written, as plain values without loss', async () => {
    await using server = await MemoryRegistry.start()
    const registry = schemaRegistry({ url: server.url })
    const bytes = await write(registry.protobuf({ schema, message: 'shop.Order', subject: 'record' }), full)
    expect(server.requests).toEqual(['POST /subjects/shop.Order/versions'])
    const value = (await read(registry.protobuf(), bytes)) as typeof full
    expect(value).toEqual(full)
    expect(Object.getPrototypeOf(value.raw)).toBe(Uint8Array.prototype)
    expect(Object.getPrototypeOf(value.lines[0])).toBe(Object.prototype)
    expect(await read(registry.protobuf({ longs: 'string' }), bytes)).toMatchObject({ id: '4611686018427387904' })
    const line = await write(registry.protobuf({ schema, message: 'shop.Order.Line' }), {
      item: 'x',
      cents: 1n,
    })
    expect(await read(registry.protobuf(), line)).toEqual({ item: 'x', cents: 1n })
  })

  it('follows imports to the schemas that the registry names', async () => {
    await using server = await MemoryRegistry.start()
    server.register('money', {
      schema: 'syntax = "proto3"; package shop; message Money { int64 cents = 1; }',
      schemaType: 'PROTOBUF',
    })
    const codec = schemaRegistry({ url: server.url }).protobuf({
      schema: 'syntax = "proto3"; package shop; import "money.proto"; message Sale { Money total = 1; }',
      references: [{ name: 'money.proto', subject: 'money', version: 1 }],
    })
    // Sale is the first message of its own file.
    const bytes = await write(codec, { total: { cents: 5n } })
    expect(bytes[5]).toBe(0)
    expect(await read(codec, bytes)).toEqual({ total: { cents: 5n } })
  })

  it('makes bad records of damaged values', async () => {
    await using server = await MemoryRegistry.start()
    const registry = schemaRegistry({ url: server.url })
    const codec = registry.protobuf({ schema, message: 'shop.Order' })
    const bytes = await write(codec, full)
    const damaged = [
      bytes.slice(0, -1),
      bytes.slice(0, 5),
      new Uint8Array([...bytes.slice(0, 5), 2, 10]),
      new Uint8Array([...bytes.slice(0, 5), 1]),
    ]
    for (const given of damaged) expect((await failureOf(() => read(codec, given))).code).toBe('CORRUPT_DATA')
  })

  it.each<readonly [unknown, string]>([
    [{ id: {} }, 'id is {}'],
    [{ id: 2n ** 63n }, 'id is 9223372036854775808n, not int64'],
    [{ lines: [{ cents: -1n }] }, 'lines[0].cents is -1n, not uint64'],
    [{ desk: 2 ** 31 }, 'desk is 2147483648, not int32'],
    [{ desk: 1, mail: 'x' }, 'mail and desk'],
    [{ kind: 'SOLD' }, 'kind is "SOLD"'],
    [{ tags: { a: 'x' } }, 'tags.a is "x", not int32'],
    [{ identity: 1 }, 'identity is no field of shop.Order'],
    [{ raw: 'x' }, 'raw is "x", not a Uint8Array'],
    [{ lines: {} }, 'lines is no list'],
    ['x', 'the value is no object'],
  ])('refuses to cut or to leave out: %o', async (value, message) => {
    await using server = await MemoryRegistry.start()
    const codec = schemaRegistry({ url: server.url }).protobuf({ schema, message: 'shop.Order' })
    const error = await failureOf(() => write(codec, value))
    expect(error.code).toBe('NOT_ENCODABLE')
    expect(error.message).toContain(message)
  })

  it('gives the defaults of the format for what was not written', async () => {
    await using server = await MemoryRegistry.start()
    const codec = schemaRegistry({ url: server.url }).protobuf({ schema, message: 'shop.Order' })
    expect(await read(codec, await write(codec, {}))).toStrictEqual({
      id: 0n,
      lines: [],
      kind: 'NONE',
      raw: new Uint8Array(),
      tags: {},
      at: null,
    })
  })

  it('decodes any bytes to a value or a bad record', async () => {
    await using server = await MemoryRegistry.start()
    const registry = schemaRegistry({ url: server.url })
    await write(registry.protobuf({ schema, message: 'shop.Order' }), full)
    const decoding = registry.protobuf().createDecoding(context)
    await decoding.prepare!(new Uint8Array([0, 0, 0, 0, 1]), AT)
    fc.assert(
      fc.property(fc.uint8Array(), (payload) => {
        try {
          decoding.decode(new Uint8Array([0, 0, 0, 0, 1, ...payload]), AT)
        } catch (error) {
          expect(isTidemarkError(error) && error.code).toBe('CORRUPT_DATA')
        }
      }),
    )
  })
})
