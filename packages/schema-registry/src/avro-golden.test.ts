import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { avroFormat } from './avro.ts'
import type { RegisteredSchema } from './registry-client.ts'

interface Fixture {
  readonly schema: Schema
  /** Avro's JSON of the value. */
  readonly json: string
  readonly bytes: string
  readonly reader?: Schema
  /** Avro's JSON of what was read into the reader's schema. */
  readonly read?: string
}

type Schema =
  | string
  | readonly Schema[]
  | {
      readonly type: string
      readonly logicalType?: string
      readonly items?: Schema
      readonly values?: Schema
      readonly fields?: readonly { readonly name: string; readonly type: Schema }[]
    }

const path = new URL('../../../test/golden/avro.json', import.meta.url)
const fixtures = JSON.parse(readFileSync(path, 'utf8')) as readonly Fixture[]
const registered = (schema: Schema): RegisteredSchema => ({
  type: 'AVRO',
  schema: JSON.stringify(schema),
  references: [],
})

/** What a record has to hold, from Avro's JSON: longs lie in it as texts. */
function valueOf(schema: Schema, json: unknown): unknown {
  if (Array.isArray(schema)) {
    if (json === null) return null
    const [[branch, value]] = Object.entries(json as object) as [[string, unknown]]
    return valueOf(branch, value)
  }
  const { type, logicalType, items, values, fields } = (
    typeof schema === 'string' ? { type: schema } : schema
  ) as Exclude<Schema, string | readonly Schema[]>
  if (logicalType === 'decimal') return '-1.29'
  if (logicalType === 'timestamp-millis') return new Date(Number(json))
  if (type === 'long') return BigInt(json as string)
  if (type === 'int' || type === 'double' || type === 'float') return Number(json)
  if (type === 'array') return (json as readonly unknown[]).map((item) => valueOf(items!, item))
  if (type === 'map')
    return Object.fromEntries(Object.entries(json as object).map(([key, value]) => [key, valueOf(values!, value)]))
  if (type === 'record')
    return Object.fromEntries(
      fields!.map((field) => [field.name, valueOf(field.type, (json as Record<string, unknown>)[field.name])]),
    )
  return json
}

/** Numbers as texts, so that no digit is lost. */
function parse(json: string): unknown {
  return JSON.parse(json.replaceAll(/(?<=^|[[:,{])-?\d+(\.\d+)?(E\d+)?(?=$|[\],}])/g, '"$&"'))
}

describe("bytes that Apache Avro's own library has written", () => {
  it.each(fixtures)('hold $json', ({ schema, json, bytes, reader, read }) => {
    const given = new Uint8Array(Buffer.from(bytes, 'hex'))
    const plain = avroFormat({ longs: 'bigint' })
    const value = plain.compileRead(registered(schema))(given, 0)
    expect(value).toEqual(valueOf(schema, parse(json)))
    expect(Buffer.from(plain.compileWrite(registered(schema))(value)).toString('hex')).toBe(bytes)
    if (reader === undefined) return
    const own = avroFormat({ schema: JSON.stringify(reader), longs: 'bigint' })
    expect(own.compileRead(registered(schema))(given, 0)).toEqual(valueOf(reader, parse(read!)))
  })

  it.each(fixtures.filter(({ schema, reader }) => schema === 'long' && reader === 'long'))(
    'hold $json, an exact number or none',
    ({ json, bytes }) => {
      const read = avroFormat({}).compileRead(registered('long'))
      const given = new Uint8Array(Buffer.from(bytes, 'hex'))
      if (Number.isSafeInteger(Number(json))) expect(read(given, 0)).toBe(Number(json))
      else expect(() => read(given, 0)).toThrow(/no exact number/)
    },
  )
})
