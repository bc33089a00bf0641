import { TidemarkError } from '../../core/errors.ts'
import type { Source } from '../../core/source.ts'
import { describeIssue, type StandardSchema } from '../../core/standard-schema.ts'
import { NO_RECORD } from './file-reader.ts'
import { fileSource, type LinesOptions } from './file-source.ts'

export interface ReadJsonLinesOptions<T> extends Omit<LinesOptions, 'skipEmptyLines'> {
  /** Checks and converts every record. Any Standard Schema (zod, valibot, arktype) that validates synchronously. */
  readonly schema?: StandardSchema<T>
  /** What is done with a line that is not JSON or does not fit the schema. Default: `fail`. */
  readonly onBadRecord?: 'fail' | 'skip'
}

/** Every line of the files that the pattern matches, parsed as JSON. Empty lines are skipped. Otherwise like `lines`. */
export function readJsonLines<T = unknown>(
  glob: string | readonly string[],
  options: ReadJsonLinesOptions<T> = {},
): Source<T> {
  const { schema, onBadRecord = 'fail', ...rest } = options
  const format = (line: string, describe: () => string): T | typeof NO_RECORD => {
    let value: unknown
    try {
      value = JSON.parse(line)
    } catch (cause) {
      if (onBadRecord === 'skip') return NO_RECORD
      throw badRecord(describe(), line, `is not JSON: ${cause instanceof Error ? cause.message : String(cause)}`, cause)
    }
    if (schema === undefined) return value as T
    const result = schema['~standard'].validate(value)
    if (result instanceof Promise) {
      result.catch(() => undefined)
      throw new TidemarkError('INVALID_OPTION', 'the schema of readJsonLines validates asynchronously', {
        action: 'Use a schema without asynchronous checks.',
      })
    }
    if (result.issues === undefined) return result.value
    if (onBadRecord === 'skip') return NO_RECORD
    throw badRecord(describe(), line, `does not fit the schema: ${result.issues.map(describeIssue).join('; ')}`)
  }
  return fileSource<T>('json-lines', glob, { ...rest, skipEmptyLines: true }, format)
}

function badRecord(position: string, line: string, problem: string, cause?: unknown): TidemarkError {
  const value = line.length > 120 ? `${line.slice(0, 120)}…` : line
  return new TidemarkError('CORRUPT_DATA', `${position}: the line ${problem}: ${value}`, {
    action: `Correct the line, or skip such lines with onBadRecord: 'skip'.`,
    context: { position, value },
    ...(cause === undefined ? {} : { cause }),
  })
}
