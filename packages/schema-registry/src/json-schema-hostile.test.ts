import { isTidemarkError } from 'tidemark/connector'
import { describe, expect, it } from 'vitest'
import { jsonSchemaFormat } from './json-schema.ts'
import type { RegisteredSchema } from './registry-client.ts'

const registered = (schema: string): RegisteredSchema => ({ type: 'JSON', schema, references: [] })
const read = (schema: unknown, json: string): unknown =>
  jsonSchemaFormat({}).compileRead(registered(typeof schema === 'string' ? schema : JSON.stringify(schema)))(
    new Uint8Array(Buffer.from(json)),
    0,
  )

function codeOf(action: () => unknown): string {
  try {
    action()
    return 'none'
  } catch (error) {
    return isTidemarkError(error) ? error.code : String(error)
  }
}

describe('a JSON Schema from elsewhere', () => {
  it('cannot make its check a promise, which whatever it says would be taken for a yes', () => {
    expect(() => read({ $async: true, type: 'object' }, '"text"')).toThrow('$async')
    const nested = { properties: { a: { $async: true, type: 'object' } } }
    expect(() => read(nested, '{"a":"text"}')).toThrow('async schema')
    const format = jsonSchemaFormat({})
    const references = [{ name: 'other', schema: '{"$async":true,"type":"object"}' }]
    expect(() => format.compileRead({ ...registered('{"$ref":"other"}'), references })).toThrow('async schema')
    expect(() => format.compileWrite(registered('{"$async":true,"type":"object"}'))).toThrow('$async')
  })

  it.each(['constructor', 'toString', 'hasOwnProperty', '__proto__'])(
    'finds only properties that a record has: %s',
    (name) => {
      const json = JSON.stringify(name)
      expect(read(`{"properties":{${json}:{"type":"string"}}}`, '{}')).toEqual({})
      expect(codeOf(() => read(`{"properties":{${json}:{"type":"string"}}}`, `{${json}:"x"}`))).toBe('none')
      expect(codeOf(() => read(`{"required":[${json}]}`, '{}'))).toBe('CORRUPT_DATA')
      expect(codeOf(() => read(`{"required":[${json}]}`, `{${json}:1}`))).toBe('none')
      expect(codeOf(() => read(`{"additionalProperties":false}`, `{${json}:1}`))).toBe('CORRUPT_DATA')
    },
  )

  it('may refer to itself, and what is nested deeper than the stack is a bad record', () => {
    expect(codeOf(() => read({ $ref: '#' }, '1'))).toBe('CORRUPT_DATA')
    const list = { type: 'array', items: { $ref: '#' } }
    expect(read(list, '[[[]]]')).toEqual([[[]]])
    expect(codeOf(() => read(list, '['.repeat(100_000) + ']'.repeat(100_000)))).toBe('CORRUPT_DATA')
  })

  it('fetches nothing, and runs nothing', () => {
    expect(() => read({ $ref: 'http://127.0.0.1:1/other.json' }, '{}')).toThrow("can't resolve reference")
    expect(() => read({ $schema: 'http://127.0.0.1:1/meta.json' }, '{}')).toThrow('no schema with key')
    const code = `"'\`];globalThis.hacked=1;//\u2028*/`
    for (const schema of [
      { $id: code },
      { $ref: `#/${code}` },
      { $defs: { [code]: { type: 'string' } }, $ref: `#/$defs/${encodeURIComponent(code)}` },
      { properties: { [code]: { type: 'string', [code]: code } }, required: [code] },
      { patternProperties: { [code]: {} } },
      { pattern: code },
      { enum: [code] },
      { const: { [code]: code } },
      { default: code, title: code, $comment: code, description: code },
      { dependentRequired: { [code]: [code] } },
      { type: code },
      { multipleOf: code },
      { minimum: code },
      { format: code },
      { discriminator: { propertyName: code }, oneOf: [{ properties: { [code]: { const: code } } }] },
      { $dynamicRef: code },
      { $anchor: code },
      { contentMediaType: code },
    ]) {
      for (const draft of ['http://json-schema.org/draft-07/schema#', 'https://json-schema.org/draft/2020-12/schema']) {
        codeOf(() => read({ $schema: draft, ...schema }, JSON.stringify({ [code]: code })))
      }
    }
    expect((globalThis as { hacked?: unknown }).hacked).toBeUndefined()
  })
})
