import type { Codec } from '../codec.ts'
import { badBytes, badValue, tombstone, typeName } from './bad-value.ts'
import { decodeUtf8 } from './utf8.ts'

const encoder = new TextEncoder()
/** Half of a surrogate pair: has no UTF-8. */
const LONE_SURROGATE = /\p{Surrogate}/u

/** Text in UTF-8, as Kafka's own `StringSerializer`. Bytes that are not UTF-8 make a bad record; Java's deserializer replaces them silently. */
export function text(): Codec<string> {
  return TEXT
}

const TEXT: Codec<string> = {
  kind: 'text',
  createDecoding: () => ({ decode: readText }),
  createEncoding: () => ({ encode: writeText }),
}

function readText(bytes: Uint8Array | null): string {
  if (bytes === null) throw tombstone('text')
  try {
    return decodeUtf8(bytes)
  } catch (cause) {
    throw badBytes('is not UTF-8 text', bytes, cause)
  }
}

function writeText(value: string): Uint8Array {
  if (typeof value !== 'string') throw badValue('text', typeName(value), 'Give a string.')
  const written = encoder.encode(value)
  // Only texts beyond ASCII can hold one.
  if (written.length !== value.length && LONE_SURROGATE.test(value)) {
    throw badValue(
      'text',
      'holds half of a surrogate pair, which UTF-8 cannot say',
      'Use value.toWellFormed(), or bytes().',
    )
  }
  return written
}
