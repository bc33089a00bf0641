import type { FrameBuffer } from './frame-buffer.ts'
import { COLUMN } from './frame-layout.ts'

/** Writes a column of integers as offsets from the least of them; false, and nothing is written, when a value is none (or -0) or they lie too far apart. */
export function writeIntegers(values: readonly unknown[], frame: FrameBuffer): boolean {
  const range = rangeOf(values)
  if (range === null || range.most - range.least > 0xffff_ffff) return false
  const { length: rows } = values
  const { least, most } = range
  const width = most - least < 0x100 ? 1 : most - least < 0x1_0000 ? 2 : 4
  frame.word(width === 1 ? COLUMN.integers8 : width === 2 ? COLUMN.integers16 : kindOf32(least, most))
  frame.double(least)
  frame.reserve(rows * width)
  const numbers = values as readonly number[]
  if (width === 1) offsets(numbers, least, frame.bytes, frame.end)
  else if (width === 2) offsets(numbers, least, frame.halves, frame.end >> 1)
  else offsets(numbers, least, frame.words, frame.end >> 2)
  frame.end += rows * width
  frame.align(4)
  return true
}

function kindOf32(least: number, most: number): number {
  return least === (least | 0) && most === (most | 0) ? COLUMN.integers32 : COLUMN.wideIntegers32
}

function offsets(
  values: readonly number[],
  least: number,
  target: Uint8Array | Uint16Array | Int32Array,
  at: number,
): void {
  for (let row = 0; row < values.length; row++) target[at + row] = values[row]! - least
}

function rangeOf(values: readonly unknown[]): { readonly least: number; readonly most: number } | null {
  let least = Number.POSITIVE_INFINITY
  let most = Number.NEGATIVE_INFINITY
  for (let row = 0; row < values.length; row++) {
    const value = values[row]
    if (typeof value !== 'number') return null
    if ((value | 0) !== value && !Number.isSafeInteger(value)) return null
    if (value === 0 && 1 / value < 0) return null
    if (value < least) least = value
    if (value > most) most = value
  }
  return { least, most }
}
