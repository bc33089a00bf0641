import { describe, expect, it } from 'vitest'
import { schemaRegistry } from './schema-registry.ts'
import { failureOf, read, write } from './testing/codec-kit.ts'
import { MemoryRegistry } from './testing/memory-registry.ts'

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
