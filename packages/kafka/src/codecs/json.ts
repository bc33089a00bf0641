import { describeIssue, type StandardSchema, TidemarkError } from 'tidemark/connector'
import type { Codec } from '../codec.ts'
import { badBytes, badValue, tombstone, typeName } from './bad-value.ts'
import { decodeUtf8, writeUtf8 } from './utf8.ts'

const encoder = new TextEncoder()
const QUOTE = 0x22
const BACKSLASH = 0x5c
const MAX_PLAIN = 48

/**
 * JSON in UTF-8. With a Standard Schema (zod, valibot, arktype, …) every value that is read is checked and converted by it; what is written is not checked. A null value (a
 * tombstone) is no JSON: `nullable(json(…))` reads and writes it.
 *
 * Written as `JSON.stringify` does: dates become texts, maps and sets empty objects, NaN null. A bigint, a cycle and undefined are refused.
 */
export function json<T = unknown>(schema?: StandardSchema<T>): Codec<T> {
  const decodeRange = schema === undefined ? (parse as ReadRange<T>) : checked(schema)
  const decode = (bytes: Uint8Array | null): T => {
    if (bytes === null) throw tombstone('json')
    return decodeRange(bytes, 0, bytes.length)
  }
  return {
    kind: 'json',
    createDecoding: () => ({ decode, decodeRange }),
    createEncoding: () => ({ encode, encodeInto }),
  }
}

type ReadRange<T> = (bytes: Uint8Array, start: number, end: number) => T

function parse(bytes: Uint8Array, start: number, end: number): unknown {
  try {
    return JSON.parse(decodeUtf8(bytes, start, end))
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    const problem = start === end ? 'is not JSON: it is empty' : `is not JSON: ${reason}`
    throw badBytes(problem, bytes.subarray(start, end), cause)
  }
}

function checked<T>(schema: StandardSchema<T>): ReadRange<T> {
  return (bytes, start, end) => {
    const result = schema['~standard'].validate(parse(bytes, start, end))
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
    const problem = `does not fit the schema: ${result.issues.map(describeIssue).join('; ')}`
    throw badBytes(problem, bytes.subarray(start, end))
  }
}

function encode(value: unknown): Uint8Array {
  return encoder.encode(stringify(value))
}

function encodeInto(value: unknown, target: Uint8Array, at: number): number {
  if (typeof value === 'string') {
    const end = writePlain(target, at, value)
    if (end !== -1) return end
  }
  return writeUtf8(target, at, stringify(value))
}

/** A short text between quotes, -1 where something in it has to be escaped: `JSON.stringify` makes a new text, which takes as long as all else. */
function writePlain(target: Uint8Array, at: number, text: string): number {
  const { length } = text
  if (length > MAX_PLAIN || at + length + 2 > target.length) return -1
  target[at] = QUOTE
  for (let index = 0; index < length; index++) {
    const character = text.charCodeAt(index)
    if (character < 0x20 || character > 0x7e || character === QUOTE || character === BACKSLASH) return -1
    target[at + 1 + index] = character
  }
  target[at + 1 + length] = QUOTE
  return at + length + 2
}

function stringify(value: unknown): string {
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
  return text
}
