import { shortAscii } from 'tidemark/connector'

/** Present on every Buffer and working on any Uint8Array; not part of the documented API, hence the fallback. */
const { utf8Slice, utf8Write } = Buffer.prototype as {
  readonly utf8Slice?: (this: Uint8Array, from: number, to: number) => string
  readonly utf8Write?: (this: Uint8Array, text: string, at: number, length: number) => number
}
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const encoder = new TextEncoder()
/** A character of UTF-16 becomes at most so many bytes. */
const MOST_BYTES_PER_CHARACTER = 3
/** Up to here a loop is faster than a call into Node. */
const MAX_BY_HAND = 48

/**
 * The text that the UTF-8 bytes from `start` to before `end` say; a `TypeError` where they are not UTF-8, so that nothing is replaced silently. Fast: short ASCII by hand; else a tolerant decoder, and a second look
 * only where it has written a replacement character (which the bytes may hold themselves).
 */
export function decodeUtf8(bytes: Uint8Array, start: number, end: number): string {
  return shortAscii(bytes, start, end - start) ?? decodeAny(bytes, start, end)
}

const decodeAny: (bytes: Uint8Array, start: number, end: number) => string =
  utf8Slice === undefined
    ? (bytes, start, end) => strict.decode(bytes.subarray(start, end))
    : (bytes, start, end) => {
        const text = utf8Slice.call(bytes, start, end)
        return text.includes('\ufffd') ? strict.decode(bytes.subarray(start, end)) : text
      }

const writeAny: (target: Uint8Array, at: number, text: string) => number =
  utf8Write === undefined
    ? (target, at, text) => at + encoder.encodeInto(text, target.subarray(at)).written
    : (target, at, text) => at + utf8Write.call(target, text, at, target.length - at)

/** Writes a text as UTF-8 from `at` on and tells where it ends, -1 where the room might not suffice. Half a surrogate pair becomes a replacement character. */
export function writeUtf8(target: Uint8Array, at: number, text: string): number {
  const { length } = text
  if (at + MOST_BYTES_PER_CHARACTER * length > target.length) return -1
  return length <= MAX_BY_HAND && tryAscii(target, at, text) ? at + length : writeAny(target, at, text)
}

/** False where the text has other characters than those of ASCII; some of it is written then. */
function tryAscii(target: Uint8Array, at: number, text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    const character = text.charCodeAt(index)
    if (character > 0x7f) return false
    target[at + index] = character
  }
  return true
}
