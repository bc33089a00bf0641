import type { FrameBuffer } from './frame-buffer.ts'

/** Longer strings are made anew each time. */
const MAX_LENGTH = 28
/** Words of a slot: length, then up to 28 bytes of text. */
const SLOT_WORDS = 8
const DEFAULT_SLOTS = 1 << 15

/**
 * Short strings that came lately, by their bytes: a direct-mapped table. A stream repeats its keys; making a string costs several times as much as finding it, and
 * one that was seen before also carries its hash for the Map behind. One per thread.
 */
export class StringCache {
  private readonly texts: string[]
  private readonly slots: Int32Array
  private readonly mask: number

  /** `slots` is a power of two. */
  constructor(slots: number = DEFAULT_SLOTS) {
    this.texts = Array.from({ length: slots }, () => '')
    this.slots = new Int32Array(slots * SLOT_WORDS)
    this.mask = slots - 1
  }

  /** The string of `length` one-byte characters at `at`, a multiple of four; zeros fill up its last word. */
  read(frame: FrameBuffer, at: number, length: number): string {
    if (length > MAX_LENGTH || length === 0) return frame.bytes.toString('latin1', at, at + length)
    const { words } = frame
    const first = at >> 2
    const count = (length + 3) >> 2
    let hash = length
    for (let index = 0; index < count; index++)
      hash = Math.imul(hash ^ words[first + index]!, 0x9e3779b1) ^ (hash >>> 15)
    hash ^= hash >>> 16
    const slot = hash & this.mask
    const { slots } = this
    const base = slot * SLOT_WORDS
    let isSame = slots[base] === length
    for (let index = 0; isSame && index < count; index++) isSame = slots[base + 1 + index] === words[first + index]
    if (isSame) return this.texts[slot]!
    slots[base] = length
    for (let index = 0; index < count; index++) slots[base + 1 + index] = words[first + index]!
    const text = length <= 12 ? shortText(words, first, length) : frame.bytes.toString('latin1', at, at + length)
    this.texts[slot] = text
    return text
  }
}

/** A call into the buffer costs more than that up to here; longer sums would be ropes. */
function shortText(words: Int32Array, first: number, length: number): string {
  let text = ''
  let left = length
  for (let index = first; left >= 4; index++, left -= 4) {
    const word = words[index]!
    text += String.fromCharCode(word & 0xff, (word >> 8) & 0xff, (word >> 16) & 0xff, word >>> 24)
  }
  if (left === 0) return text
  const word = words[first + (length >> 2)]!
  if (left === 1) return text + String.fromCharCode(word & 0xff)
  if (left === 2) return text + String.fromCharCode(word & 0xff, (word >> 8) & 0xff)
  return text + String.fromCharCode(word & 0xff, (word >> 8) & 0xff, (word >> 16) & 0xff)
}
