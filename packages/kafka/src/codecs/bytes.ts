import type { Codec } from '../codec.ts'
import { badValue, tombstone, typeName } from './bad-value.ts'

/** Bytes as they are. */
export function bytes(): Codec<Uint8Array> {
  return BYTES
}

const BYTES: Codec<Uint8Array> = {
  kind: 'bytes',
  createDecoding: () => ({ decode: copy }),
  createEncoding: () => ({ encode: checked }),
}

/** What is decoded outlives the batch that it lies in. */
function copy(given: Uint8Array | null): Uint8Array {
  if (given === null) throw tombstone('bytes')
  return new Uint8Array(given)
}

function checked(value: Uint8Array): Uint8Array {
  if (!(value instanceof Uint8Array)) throw badValue('bytes', typeName(value), 'Give a Uint8Array.')
  return value
}
