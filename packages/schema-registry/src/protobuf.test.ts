import fc from 'fast-check'
import { isTidemarkError } from 'tidemark/connector'
import { describe, expect, it } from 'vitest'
import { schemaRegistry } from './schema-registry.ts'
import { AT, context, failureOf, hex, read, spaceless, write } from './testing/codec-kit.ts'
import { MemoryRegistry } from './testing/memory-registry.ts'

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
