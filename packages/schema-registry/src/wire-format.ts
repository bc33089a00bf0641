import { TidemarkError } from 'tidemark/connector'

/** Confluent's wire format: a zero byte, the schema's id in 4 bytes, big-endian; for Protobuf the path to the message; then the payload. */
const MAGIC = 0
export const HEADER_BYTES = 5

/** Null: the bytes are not in this format. */
export function schemaIdOf(bytes: Uint8Array): number | null {
  if (bytes.length < HEADER_BYTES || bytes[0] !== MAGIC) return null
  return ((bytes[1]! << 24) | (bytes[2]! << 16) | (bytes[3]! << 8) | bytes[4]!) >>> 0
}

export function writeHeader(into: Uint8Array, schemaId: number): void {
  into[0] = MAGIC
  into[1] = schemaId >>> 24
  into[2] = schemaId >>> 16
  into[3] = schemaId >>> 8
  into[4] = schemaId
}

/** The path to a message within its file: indexes of messages, from outside in. The first message is one zero byte; else a count, then the indexes, zigzag varints all. */
export function encodeMessageIndexes(indexes: readonly number[]): Uint8Array {
  if (indexes.length === 1 && indexes[0] === 0) return new Uint8Array(1)
  const bytes: number[] = []
  for (const value of [indexes.length, ...indexes]) {
    let rest = value * 2
    for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes.push((rest & 0x7f) | 0x80)
    bytes.push(rest)
  }
  return new Uint8Array(bytes)
}

export function decodeMessageIndexes(
  bytes: Uint8Array,
  offset: number,
): { readonly indexes: readonly number[]; readonly end: number } {
  let end = offset
  const next = (): number => {
    let value = 0
    for (let factor = 1; factor < 2 ** 35; factor *= 128) {
      const byte = bytes[end++]
      if (byte === undefined) break
      value += (byte & 0x7f) * factor
      if (byte < 0x80) {
        if (value % 2 === 1) break
        return value / 2
      }
    }
    throw corrupt('its message indexes are damaged', bytes)
  }
  const count = next()
  if (count === 0) return { indexes: [0], end }
  if (count > bytes.length) throw corrupt('its message indexes are damaged', bytes)
  return { indexes: Array.from({ length: count }, next), end }
}

/** Bytes that do not hold what they should: the record is a bad one. */
export function corrupt(problem: string, bytes: Uint8Array, cause?: unknown): TidemarkError {
  return new TidemarkError('CORRUPT_DATA', problem, {
    context: { value: Buffer.from(bytes.subarray(0, 40)).toString('hex') },
    ...(cause === undefined ? {} : { cause }),
  })
}

export function notEncodable(problem: string, cause?: unknown): TidemarkError {
  return new TidemarkError('NOT_ENCODABLE', problem, {
    action: 'Convert the record in a map() before the sink so that it fits the schema.',
    ...(cause === undefined ? {} : { cause }),
  })
}
