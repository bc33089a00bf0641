/** Present on every Buffer and working on any Uint8Array; not part of the documented API, hence the fallback. */
const { utf8Slice } = Buffer.prototype as {
  readonly utf8Slice?: (this: Uint8Array, from: number, to: number) => string
}
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * The text that UTF-8 bytes say; a `TypeError` where they are not UTF-8, so that nothing is replaced silently. Fast: a tolerant decoder, and a second look only where it
 * has written a replacement character (which the bytes may hold themselves).
 */
export const decodeUtf8: (bytes: Uint8Array) => string =
  utf8Slice === undefined
    ? (bytes) => strict.decode(bytes)
    : (bytes) => {
        const text = utf8Slice.call(bytes, 0, bytes.length)
        return text.includes('\ufffd') ? strict.decode(bytes) : text
      }
