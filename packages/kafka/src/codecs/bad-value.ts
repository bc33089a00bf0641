import { TidemarkError } from 'tidemark/connector'

const SHOWN_BYTES = 60

/** Bytes that do not hold what they should. The source adds the record's position, or makes a bad record of it. */
export function badBytes(problem: string, bytes: Uint8Array | null, cause?: unknown): TidemarkError {
  return new TidemarkError('CORRUPT_DATA', problem, {
    ...(bytes === null ? {} : { context: { value: shown(bytes) } }),
    ...(cause === undefined ? {} : { cause }),
  })
}

export function tombstone(kind: string): TidemarkError {
  return new TidemarkError('CORRUPT_DATA', `the value is null (a tombstone), which ${kind} does not read`, {
    action: `Wrap the codec: nullable(${kind}(…)) gives null for tombstones.`,
  })
}

export function badValue(kind: string, problem: string, action: string, cause?: unknown): TidemarkError {
  return new TidemarkError('NOT_ENCODABLE', `${kind} cannot write the value: it ${problem}`, {
    action,
    ...(cause === undefined ? {} : { cause }),
  })
}

/** What a value is, for errors. */
export function typeName(value: unknown): string {
  if (value === null) return 'is null'
  if (value === undefined) return 'is undefined'
  if (typeof value === 'object') return `is an object (${Object.prototype.toString.call(value).slice(8, -1)})`
  return `is a ${typeof value}`
}

/** The first bytes: as text where they are printable, else in hexadecimal. */
function shown(bytes: Uint8Array): string {
  const part = Buffer.from(bytes.subarray(0, SHOWN_BYTES))
  const text = part.toString('latin1')
  const rest = bytes.length > SHOWN_BYTES ? '…' : ''
  return (/^[\x20-\x7e\t\r\n]*$/.test(text) ? text : part.toString('hex')) + rest
}
