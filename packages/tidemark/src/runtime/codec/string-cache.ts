import type { FrameBuffer } from './frame-buffer.ts'

/** Longer strings are made anew each time. */
const MAX_LENGTH = 28
/** Words of a slot: length, then up to 28 bytes of text. */
const SLOT_WORDS = 8
/** 320 kB: it has to stay in a core's own cache to be worth anything. */
const DEFAULT_SLOTS = 1 << 13
/** Up to here a string is made by hand: a call into the buffer costs more, and longer sums would be ropes. */
const BY_HAND_MAX = 12

/**
 * Short strings that came lately, by their bytes: a direct-mapped table. A stream repeats its keys, and a string that was seen before carries its hash for the Map behind,
 * which finds it by identity. One per thread.
 */
export class StringCache {
  /** How often `read` found the string: a column that repeats nothing is better made with `makeText`. */
  hits = 0
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
    if (length > MAX_LENGTH || length === 0) return makeText(frame, at, length)
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
    if (isSame) {
      this.hits++
      return this.texts[slot]!
    }
    slots[base] = length
    for (let index = 0; index < count; index++) slots[base + 1 + index] = words[first + index]!
    const text = makeText(frame, at, length)
    this.texts[slot] = text
    return text
  }
}

/** A new string of one-byte characters. */
export function makeText({ bytes }: FrameBuffer, at: number, length: number): string {
  if (length > BY_HAND_MAX) return bytes.toString('latin1', at, at + length)
  if (length > 8) return eight(bytes, at) + upToSeven(bytes, at + 8, length - 8)
  return length === 8 ? eight(bytes, at) : upToSeven(bytes, at, length)
}

function eight(bytes: Uint8Array, at: number): string {
  return String.fromCharCode(
    bytes[at]!,
    bytes[at + 1]!,
    bytes[at + 2]!,
    bytes[at + 3]!,
    bytes[at + 4]!,
    bytes[at + 5]!,
    bytes[at + 6]!,
    bytes[at + 7]!,
  )
}

/** One call makes one string: sums of single characters make as many as there are. */
function upToSeven(b: Uint8Array, at: number, length: number): string {
  const make = String.fromCharCode
  switch (length) {
    case 0:
      return ''
    case 1:
      return make(b[at]!)
    case 2:
      return make(b[at]!, b[at + 1]!)
    case 3:
      return make(b[at]!, b[at + 1]!, b[at + 2]!)
    case 4:
      return make(b[at]!, b[at + 1]!, b[at + 2]!, b[at + 3]!)
    case 5:
      return make(b[at]!, b[at + 1]!, b[at + 2]!, b[at + 3]!, b[at + 4]!)
    case 6:
      return make(b[at]!, b[at + 1]!, b[at + 2]!, b[at + 3]!, b[at + 4]!, b[at + 5]!)
    default:
      return make(b[at]!, b[at + 1]!, b[at + 2]!, b[at + 3]!, b[at + 4]!, b[at + 5]!, b[at + 6]!)
  }
}
