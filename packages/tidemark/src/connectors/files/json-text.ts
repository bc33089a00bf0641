import { TidemarkError } from '../../core/errors.ts'

/** A record as one line of JSON, with its line break. `NOT_ENCODABLE` names the path of what JSON has no form for. */
export function toJsonLine(record: unknown): string {
  let text: string | undefined
  try {
    text = JSON.stringify(record)
  } catch (cause) {
    throw notEncodable(record, cause)
  }
  // Undefined, a function, a symbol, or what has a toJSON that returns one of them.
  if (text === undefined) throw notEncodable(record, undefined)
  return `${text}\n`
}

function notEncodable(record: unknown, cause: unknown): TidemarkError {
  const found = findProblem(record, '', [])
  const path = found?.path === '' || found === null ? 'the record' : `record${found.path}`
  const reason = cause instanceof Error ? cause.message : String(cause)
  const problem = found?.problem ?? (cause === undefined ? 'has no JSON form' : `throws: ${reason}`)
  return new TidemarkError('NOT_ENCODABLE', `a record cannot be written as JSON: ${path} ${problem}`, {
    action:
      'Convert it in a map() before the sink: a bigint with String(value), a cycle by leaving the back reference out.',
    context: { path: found?.path ?? '' },
    ...(cause === undefined ? {} : { cause }),
  })
}

interface Problem {
  readonly path: string
  readonly problem: string
}

/** Where the value is that JSON.stringify stumbled over. Only called after it did. */
function findProblem(value: unknown, path: string, parents: readonly object[]): Problem | null {
  if (typeof value === 'bigint') return { path, problem: 'is a bigint' }
  if (path === '' && (value === undefined || typeof value === 'function' || typeof value === 'symbol')) {
    return { path, problem: value === undefined ? 'is undefined' : `is a ${typeof value}` }
  }
  if (typeof value !== 'object' || value === null) return null
  if (parents.includes(value)) return { path, problem: 'refers back to an object that it is part of (a cycle)' }
  if ('toJSON' in value) return null
  for (const [key, child] of Object.entries(value)) {
    const childPath = Array.isArray(value) ? `${path}[${key}]` : `${path}.${key}`
    const found = findProblem(child, childPath, [...parents, value])
    if (found !== null) return found
  }
  return null
}
