import { nullable } from '@tidemark/kafka'
import type { Secret } from 'tidemark/connector'
import { describe, expect, it } from 'vitest'
import { schemaRegistry } from './schema-registry.ts'
import { AT, context, failureOf, hex, ORDER, read, secret, spaceless, write } from './testing/codec-kit.ts'
import { MemoryRegistry } from './testing/memory-registry.ts'

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
