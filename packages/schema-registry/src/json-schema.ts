import { json } from '@tidemark/kafka'
import { Ajv, type ValidateFunction } from 'ajv'
import { Ajv2019 } from 'ajv/dist/2019.js'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { invalid, type WriteOptions } from './options.ts'
import type { RegisteredSchema, ResolvedReference } from './registry-client.ts'
import type { Read, SchemaFormat, Write } from './schema-codec.ts'
import { corrupt, notEncodable } from './wire-format.ts'

export interface JsonSchemaOptions extends WriteOptions {
  /** A JSON Schema (draft 6, 7, 2019-09 or 2020-12): what is written with, and what every record that is read has to fit. Default for reading: the schema it was written with. */
  readonly schema?: object | string
  /** Whether records that are read are checked. Default: true. */
  readonly validate?: boolean
}

type Json = Readonly<Record<string, unknown>>

const codec = json()
const context = { secret: (): string => '' }
const place = { topic: '', part: 'value' } as const
const decoding = codec.createDecoding(context)
const encoding = codec.createEncoding(context)

export function jsonSchemaFormat<T>({ schema, validate = true, references = [] }: JsonSchemaOptions): SchemaFormat<T> {
  const text = schema === undefined ? null : typeof schema === 'string' ? schema : JSON.stringify(schema)
  const own = text === null ? null : ({ type: 'JSON', schema: text, references } as const)
  if (text !== null && references.length === 0) {
    try {
      compile(text, [])
    } catch (error) {
      throw invalid(
        `the JSON Schema cannot be used: ${error instanceof Error ? error.message : String(error)}`,
        'Correct it.',
        error,
      )
    }
  }
  // References of the own schema are known only to the registry: then the writer's is what is checked.
  const reader =
    text !== null && references.length === 0 ? { type: 'JSON' as const, schema: text, references: [] } : null
  return {
    type: 'JSON',
    kind: 'json-schema',
    own,
    nameOf: ({ schema: given }) => ((JSON.parse(given) as Json)['title'] as string | undefined) ?? null,
    compileRead: (written) => compileRead(validate ? (reader ?? written) : null),
    compileWrite,
  }
}

function compileRead<T>(schema: RegisteredSchema | null): Read<T> {
  const fits = schema === null ? null : compile(schema.schema, schema.references)
  return (bytes, offset) => {
    const value = decoding.decode(bytes.subarray(offset), place)
    const problem = fits === null ? null : problemOf(fits, value)
    if (problem !== null) throw corrupt(`does not fit the JSON Schema: ${problem}`, bytes)
    return value as T
  }
}

function compileWrite<T>({ schema, references }: RegisteredSchema): Write<T> {
  const fits = compile(schema, references)
  return (value) => {
    // What is checked is what is written: dates as texts, and so on.
    const bytes = encoding.encode(value, place)!
    const problem = problemOf(fits, decoding.decode(bytes, place))
    if (problem !== null) throw notEncodable(`does not fit the JSON Schema: ${problem}`)
    return bytes
  }
}

function compile(text: string, references: readonly ResolvedReference[]): ValidateFunction {
  const schema = JSON.parse(text) as Json
  // Not in the standard: ajv gives a promise for it, which is true whatever it is of, and ends the process when it is rejected.
  if (schema['$async'] !== undefined) throw new Error('$async is no keyword of JSON Schema')
  const ajv = validator(schema['$schema'])
  for (const reference of references) ajv.addSchema(JSON.parse(reference.schema) as Json, reference.name)
  return ajv.compile(schema)
}

function validator(given: unknown): Ajv {
  const draft = typeof given === 'string' ? given : ''
  // Formats are annotations, as the later drafts have it. What every object inherits is no property: a record may have or lack one that is called `constructor`.
  const options = {
    strict: false,
    validateFormats: false,
    allErrors: false,
    ownProperties: true,
    logger: false,
  } as const
  if (draft.includes('2020-12')) return new Ajv2020(options)
  if (draft.includes('2019-09')) return new Ajv2019(options)
  if (draft.includes('draft-04'))
    throw new Error('JSON Schema draft 4 is not supported: register it in draft 7 or later')
  const ajv = new Ajv(options)
  if (draft.includes('draft-06'))
    ajv.addMetaSchema({
      $schema: 'http://json-schema.org/draft-07/schema#',
      $id: 'http://json-schema.org/draft-06/schema#',
    })
  return ajv
}

/** Null: it fits. */
function problemOf(fits: ValidateFunction, value: unknown): string | null {
  try {
    if (fits(value)) return null
  } catch (error) {
    // A schema that refers to itself without end, or a value that is nested deeper than the stack.
    return error instanceof Error ? error.message : String(error)
  }
  return (fits.errors ?? [])
    .map(({ instancePath, message }) => `${instancePath === '' ? 'the value' : instancePath} ${message ?? 'is wrong'}`)
    .join('; ')
}
