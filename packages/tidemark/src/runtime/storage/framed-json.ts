import { crc32c } from '../../core/crc32c.ts'
import { type ErrorCode, TidemarkError } from '../../core/errors.ts'

/**
 * A JSON document that proves it is whole: a first line with format, version, and length and CRC-32C of the rest; then the document. The first line is
 * read strictly (exactly the bytes that would be written), so that every changed byte is found, there too.
 */
export interface Frame {
  readonly format: string
  readonly version: number
}

const NEWLINE = 0x0a
const HEADER_LIMIT = 512

export function encodeFramedJson(frame: Frame, body: unknown): Uint8Array {
  const document = new TextEncoder().encode(`${JSON.stringify(body)}\n`)
  const header = new TextEncoder().encode(headerLine(frame, document.length, crc32c(document)))
  const bytes = new Uint8Array(header.length + document.length)
  bytes.set(header)
  bytes.set(document, header.length)
  return bytes
}

/** The document, not yet checked for its shape. `CHECKPOINT_CORRUPT` names the file and says what is wrong; `UNSUPPORTED` for versions not known. */
export function decodeFramedJson(bytes: Uint8Array, frame: Frame, file: string): unknown {
  const end = bytes.subarray(0, HEADER_LIMIT).indexOf(NEWLINE)
  if (end < 0) throw corrupt(file, bytes.length === 0 ? 'the file is empty' : 'its first line is missing')
  const header = readHeader(decodeText(bytes.subarray(0, end), file), file)
  if (header.format !== frame.format) {
    throw corrupt(file, `its format is ${JSON.stringify(header.format)} instead of ${JSON.stringify(frame.format)}`)
  }
  if (header.version !== frame.version) {
    throw new TidemarkError('UNSUPPORTED', `${file} has format version ${header.version}; known is ${frame.version}`, {
      action: 'Use the version of Tidemark that wrote it, or a newer one.',
      context: { file },
    })
  }
  const document = bytes.subarray(end + 1)
  if (document.length !== header.length) {
    throw corrupt(file, `expected ${header.length} bytes after the first line, found ${document.length}`)
  }
  const checksum = crc32c(document)
  if (checksum !== header.crc32c) throw corrupt(file, checksumText(header.crc32c, checksum))
  const canonical = new TextEncoder().encode(headerLine(frame, header.length, header.crc32c))
  if (canonical.length !== end + 1 || canonical.some((byte, index) => byte !== bytes[index])) {
    throw corrupt(file, 'its first line is not as it was written')
  }
  return parse(decodeText(document, file), file)
}

/** `expected CRC-32C 0x…, found 0x…` */
export function checksumText(expected: number, found: number): string {
  return `expected CRC-32C ${hex(expected)}, found ${hex(found)}`
}

function hex(value: number): string {
  return `0x${value.toString(16).padStart(8, '0')}`
}

/** Damage of a file, as everybody reports it. */
export function corrupt(file: string, what: string, code: ErrorCode = 'CHECKPOINT_CORRUPT'): TidemarkError {
  return new TidemarkError(code, `${file} is damaged: ${what}`, {
    action: 'Restore the file from a copy, or choose another checkpoint with --from.',
    context: { file },
  })
}

function headerLine(frame: Frame, length: number, crc32c: number): string {
  return `${JSON.stringify({ format: frame.format, version: frame.version, length, crc32c })}\n`
}

function readHeader(line: string, file: string): Frame & { readonly length: number; readonly crc32c: number } {
  const header = parse(line, file)
  if (typeof header !== 'object' || header === null) throw corrupt(file, 'its first line is not an object')
  const { format, version, length, crc32c } = header as Record<string, unknown>
  if (typeof format !== 'string') throw corrupt(file, 'its first line names no format')
  if (typeof version !== 'number' || !Number.isSafeInteger(version)) {
    throw corrupt(file, 'its first line names no version')
  }
  if (typeof length !== 'number' || typeof crc32c !== 'number') {
    throw corrupt(file, 'its first line has no length or no checksum')
  }
  return { format, version, length, crc32c }
}

function decodeText(bytes: Uint8Array, file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (cause) {
    throw corrupt(file, `it is not UTF-8 (${String(cause)})`)
  }
}

function parse(text: string, file: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw corrupt(file, `it is not JSON (${String(cause)})`)
  }
}
