import { MATCH_FIELDS, MAX_BLOCK_BYTES, findMatches, matches } from './matches.ts'
import { XERIAL_HEADER } from './snappy.ts'

const MAX_LENGTH_BYTES = 5
const CHUNK_LENGTH_BYTES = 4
const MAX_COPY = 64
const MIN_COPY = 4
/** Copies with one byte of distance have three bits for their length and eleven for it. */
const MAX_SHORT_COPY = 11
const MAX_SHORT_DISTANCE = 2048

/** In the framing that Kafka's clients in Java write and read, as one chunk. */
export function compressSnappy(bytes: Uint8Array): Buffer {
  const chunk = XERIAL_HEADER.length + CHUNK_LENGTH_BYTES
  // Copies are no longer than what they stand for, and each block may have a literal of more than 60 bytes between any two of them: three bytes for at least 60.
  const most = MAX_LENGTH_BYTES + bytes.length + Math.ceil(bytes.length / 20) + 8
  const output = Buffer.allocUnsafe(chunk + most)
  XERIAL_HEADER.copy(output)
  let to = writeVarint(output, chunk, bytes.length)
  for (let start = 0; start < bytes.length; start += MAX_BLOCK_BYTES) {
    to = encodeBlock(bytes, start, Math.min(start + MAX_BLOCK_BYTES, bytes.length), output, to)
  }
  output.writeInt32BE(to - chunk, XERIAL_HEADER.length)
  return output.subarray(0, to)
}

function encodeBlock(bytes: Uint8Array, start: number, end: number, output: Uint8Array, outputStart: number): number {
  const count = findMatches(bytes, start, end)
  let anchor = start
  let to = outputStart
  for (let field = 0; field < count * MATCH_FIELDS; field += MATCH_FIELDS) {
    const at = matches[field]!
    const length = matches[field + 2]!
    to = writeLiteral(bytes, anchor, at, output, to)
    to = writeCopies(output, to, matches[field + 1]!, length)
    anchor = at + length
  }
  return writeLiteral(bytes, anchor, end, output, to)
}

function writeLiteral(bytes: Uint8Array, start: number, end: number, output: Uint8Array, outputStart: number): number {
  if (start === end) return outputStart
  const last = end - start - 1
  let to = outputStart
  if (last < 60) output[to++] = last << 2
  else if (last < 256) {
    output[to++] = 60 << 2
    output[to++] = last
  } else {
    output[to++] = 61 << 2
    output[to++] = last & 255
    output[to++] = last >>> 8
  }
  if (last >= 32) {
    output.set(bytes.subarray(start, end), to)
    return to + last + 1
  }
  for (let at = start; at < end; at++) output[to++] = bytes[at]!
  return to
}

function writeCopies(output: Uint8Array, outputStart: number, distance: number, length: number): number {
  let to = outputStart
  let rest = length
  while (rest > 0) {
    // No copy may be shorter than four where it is to take two bytes only.
    const count = rest > MAX_COPY && rest < MAX_COPY + MIN_COPY ? MAX_COPY - MIN_COPY : Math.min(rest, MAX_COPY)
    if (count <= MAX_SHORT_COPY && distance < MAX_SHORT_DISTANCE) {
      output[to++] = ((distance >>> 8) << 5) | ((count - MIN_COPY) << 2) | 1
      output[to++] = distance & 255
    } else {
      output[to++] = ((count - 1) << 2) | 2
      output[to++] = distance & 255
      output[to++] = distance >>> 8
    }
    rest -= count
  }
  return to
}

function writeVarint(output: Uint8Array, outputStart: number, value: number): number {
  let to = outputStart
  let rest = value
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) output[to++] = (rest % 0x80) | 0x80
  output[to++] = rest
  return to
}
