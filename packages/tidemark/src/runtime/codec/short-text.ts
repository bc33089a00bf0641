import { shortLatin1 } from '../../core/short-text.ts'
import type { FrameBuffer } from './frame-buffer.ts'

/** A new string of one-byte characters. */
export function makeText({ bytes }: FrameBuffer, at: number, length: number): string {
  return shortLatin1(bytes, at, length) ?? bytes.toString('latin1', at, at + length)
}
