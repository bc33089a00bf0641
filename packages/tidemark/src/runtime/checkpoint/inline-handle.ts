import { crc32c } from '../../core/crc32c.ts'
import type { StateHandle } from '../../core/manifest.ts'

/** A handle that carries its bytes itself. */
export function inlineHandle(bytes: Uint8Array): StateHandle {
  const base64 = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64')
  return { kind: 'inline', base64, length: bytes.length, crc32c: crc32c(bytes) }
}
