import { TidemarkError } from './errors.ts'

/**
 * WTF-8 (Sapin, https://simonsapin.github.io/wtf-8/): UTF-8 in which an unpaired surrogate is written as if it were a character of its
 * own (three bytes), so that every JavaScript string survives. Well-formed strings have exactly their UTF-8 bytes.
 */

/** At most this many bytes per UTF-16 code unit. */
export const WTF8_MAX_BYTES_PER_UNIT = 3

/** Up to here strings are built by hand: a call into a decoder costs more than that. */
const BY_HAND_MAX = 32

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Writes `text` at `at`; the target must have room for three bytes per code unit. Returns where it ended. */
export function writeWtf8(text: string, target: Uint8Array, at: number): number {
  const { length } = text
  let out = at
  for (let index = 0; index < length; index++) {
    let unit = text.charCodeAt(index)
    if (unit < 0x80) {
      target[out++] = unit
      continue
    }
    if (unit < 0x800) {
      target[out++] = 0xc0 | (unit >> 6)
      target[out++] = 0x80 | (unit & 0x3f)
      continue
    }
    if (unit >= 0xd800 && unit <= 0xdbff && index + 1 < length) {
      const next = text.charCodeAt(index + 1)
      if (next >= 0xdc00 && next <= 0xdfff) {
        index++
        unit = 0x10000 + ((unit - 0xd800) << 10) + (next - 0xdc00)
        target[out++] = 0xf0 | (unit >> 18)
        target[out++] = 0x80 | ((unit >> 12) & 0x3f)
        target[out++] = 0x80 | ((unit >> 6) & 0x3f)
        target[out++] = 0x80 | (unit & 0x3f)
        continue
      }
    }
    target[out++] = 0xe0 | (unit >> 12)
    target[out++] = 0x80 | ((unit >> 6) & 0x3f)
    target[out++] = 0x80 | (unit & 0x3f)
  }
  return out
}

/** The string whose WTF-8 is `bytes[from] … bytes[to − 1]`; `CORRUPT_DATA` when that is no WTF-8. */
export function readWtf8(bytes: Uint8Array, from: number, to: number): string {
  if (to - from <= BY_HAND_MAX) return readShort(bytes, from, to)
  const part = bytes.subarray(from, to)
  try {
    return utf8.decode(part)
  } catch {
    return readByHand(bytes, from, to)
  }
}

function readShort(bytes: Uint8Array, from: number, to: number): string {
  let at = from
  let text = ''
  for (; at + 4 <= to; at += 4) {
    const a = bytes[at]!
    const b = bytes[at + 1]!
    const c = bytes[at + 2]!
    const d = bytes[at + 3]!
    if ((a | b | c | d) >= 0x80) return readByHand(bytes, from, to)
    text += String.fromCharCode(a, b, c, d)
  }
  for (; at < to; at++) {
    const unit = bytes[at]!
    if (unit >= 0x80) return readByHand(bytes, from, to)
    text += String.fromCharCode(unit)
  }
  return text
}

function readByHand(bytes: Uint8Array, from: number, to: number): string {
  let text = ''
  let previous = 0
  for (let at = from; at < to;) {
    const lead = bytes[at]!
    const length = lead < 0x80 ? 1 : lead >= 0xc2 && lead < 0xe0 ? 2 : lead >= 0xe0 && lead < 0xf0 ? 3 : 4
    if ((length === 4 && (lead < 0xf0 || lead > 0xf4)) || at + length > to) throw malformed(at - from)
    let point = length === 1 ? lead : lead & (0x7f >> length)
    for (let index = 1; index < length; index++) {
      const next = bytes[at + index]!
      if ((next & 0xc0) !== 0x80) throw malformed(at - from)
      point = (point << 6) | (next & 0x3f)
    }
    const isTooLong = (length === 3 && point < 0x800) || (length === 4 && (point < 0x10000 || point > 0x10ffff))
    // A pair of surrogates has one spelling, that of the character: two would be two byte forms of one string.
    const isSplitPair = point >= 0xdc00 && point <= 0xdfff && previous >= 0xd800 && previous <= 0xdbff
    if (isTooLong || isSplitPair) throw malformed(at - from)
    text += String.fromCodePoint(point)
    previous = point
    at += length
  }
  return text
}

function malformed(at: number): TidemarkError {
  return new TidemarkError('CORRUPT_DATA', `a string is not well-formed at its byte ${at}`)
}
