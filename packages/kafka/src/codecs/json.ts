import { describeIssue, type StandardSchema, TidemarkError } from 'tidemark/connector'
import type { Codec } from '../codec.ts'
import { badBytes, badValue, tombstone, typeName } from './bad-value.ts'
import { decodeUtf8 } from './utf8.ts'

const encoder = new TextEncoder()

/**
 * JSON in UTF-8. With a Standard Schema (zod, valibot, arktype, …) every value that is read is checked and converted by it; what is written is not checked. A null value (a
 * tombstone) is no JSON: `nullable(json(…))` reads and writes it.
 *
 * Written as `JSON.stringify` does: dates become texts, maps and sets empty objects, NaN null. A bigint, a cycle and undefined are refused.
 */
export function json<T = unknown>(schema?: StandardSchema<T>): Codec<T> {
  const decode = schema === undefined ? (bytes: Uint8Array | null) => parse(bytes) as T : checked(schema)
  return {
    kind: 'json',
    createDecoding: () => ({ decode }),
    createEncoding: () => ({ encode: stringify }),
  }
}

function parse(bytes: Uint8Array | null): unknown {
  if (bytes === null) throw tombstone('json')
  try {
    return JSON.parse(decodeUtf8(bytes))
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw badBytes(bytes.length === 0 ? 'is not JSON: it is empty' : `is not JSON: ${reason}`, bytes, cause)
  }
}

function checked<T>(schema: StandardSchema<T>): (bytes: Uint8Array | null) => T {
  return (bytes) => {
    const result = schema['~standard'].validate(parse(bytes))
    if (result instanceof Promise) {
      result.catch(() => undefined)
      throw new TidemarkError(
        'INVALID_OPTION',
        `the ${schema['~standard'].vendor} schema of json() validates asynchronously`,
        {
          action: 'Use a schema without asynchronous checks, and do those in a step of the job.',
        },
      )
    }
    if (result.issues === undefined) return result.value
    throw badBytes(`does not fit the schema: ${result.issues.map(describeIssue).join('; ')}`, bytes)
  }
}

function stringify(value: unknown): Uint8Array {
  let text: string | undefined
  try {
    text = JSON.stringify(value)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw badValue(
      'json',
      `has no JSON form: ${reason}`,
      'Convert it before the sink: a bigint with String(value).',
      cause,
    )
  }
  if (text === undefined) {
    throw badValue(
      'json',
      typeName(value),
      'Give a value, or use nullable(json()), where null and undefined are tombstones.',
    )
  }
  return encoder.encode(text)
}
