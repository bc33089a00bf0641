import type { Decoder } from '../codec.ts'

/** Takes no notice of keys, or of values: they are not decoded, and are undefined in the record. For sources that need the other part only; tombstones pass, too. */
export function ignored(): Decoder<undefined> {
  return IGNORED
}

const IGNORED: Decoder<undefined> = {
  kind: 'ignored',
  createDecoding: () => ({ decode: nothing, decodeRange: nothing }),
}

function nothing(): undefined {
  return undefined
}
