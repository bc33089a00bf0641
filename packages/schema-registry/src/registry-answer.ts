import type { SchemaReference } from './options.ts'

/** What a registry answers, of which nothing is believed before it was looked at: it is the answer of another system. */
export interface RegistryAnswer {
  readonly id: number | null
  readonly schema: string | null
  /** Also one that is not known here. */
  readonly schemaType: string
  readonly references: readonly SchemaReference[]
}

/** Four bytes hold it in every record. */
const LARGEST_ID = 2 ** 32 - 1
const LONGEST_TYPE = 40

/** Throws an Error that says what is wrong. */
export function parseAnswer(body: string): RegistryAnswer {
  let answer: unknown
  try {
    answer = JSON.parse(body)
  } catch {
    throw new Error('its answer is not JSON')
  }
  if (typeof answer !== 'object' || answer === null || Array.isArray(answer)) throw new Error('its answer is no object')
  const { id, schema, schemaType, references } = answer as Readonly<Record<string, unknown>>
  if (!isMissing(id) && !isWhole(id, LARGEST_ID)) throw new Error('the id in its answer is no id of a schema')
  if (!isMissing(schema) && typeof schema !== 'string') throw new Error('the schema in its answer is no text')
  if (!isMissing(schemaType) && typeof schemaType !== 'string') throw new Error('the type in its answer is no text')
  if (!isMissing(references) && !Array.isArray(references)) throw new Error('the references in its answer are no list')
  return {
    id: isMissing(id) ? null : id,
    schema: isMissing(schema) ? null : schema,
    schemaType: isMissing(schemaType) ? 'AVRO' : schemaType.slice(0, LONGEST_TYPE),
    references: isMissing(references) ? [] : references.map(reference),
  }
}

function reference(given: unknown): SchemaReference {
  const { name, subject, version } = (given ?? {}) as Readonly<Record<string, unknown>>
  if (typeof name !== 'string' || typeof subject !== 'string' || !isWhole(version, Number.MAX_SAFE_INTEGER)) {
    throw new Error('a reference in its answer has no name, subject and version')
  }
  return { name, subject, version }
}

function isWhole(value: unknown, most: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= most
}

function isMissing(value: unknown): value is null | undefined {
  return value === undefined || value === null
}
