import { MATCH_FIELDS, MAX_BLOCK_BYTES, findMatches, matches } from './matches.ts'

/** Version 1, blocks that do not refer to each other, no checksums; blocks of 64 KiB at most, as those of Kafka's own producer; the checksum of these two bytes. */
const HEADER = Buffer.from([0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82])
const END_MARK_BYTES = 4
const SIZE_BYTES = 4
const IS_STORED = 0x8000_0000
const MIN_MATCH = 4

/** In the LZ4 frame format. */
export function compressLz4Frame(bytes: Uint8Array): Buffer {
  const blocks = Math.ceil(bytes.length / MAX_BLOCK_BYTES)
  const output = Buffer.allocUnsafe(HEADER.length + bytes.length + blocks * SIZE_BYTES + END_MARK_BYTES)
  let to = HEADER.copy(output)
  for (let start = 0; start < bytes.length; start += MAX_BLOCK_BYTES) {
    const end = Math.min(start + MAX_BLOCK_BYTES, bytes.length)
    const body = to + SIZE_BYTES
    const encodedEnd = encodeBlock(bytes, start, end, output, body)
    if (encodedEnd === null) output.set(bytes.subarray(start, end), body)
    const bodyEnd = encodedEnd ?? body + end - start
    output.writeUInt32LE(bodyEnd - body + (encodedEnd === null ? IS_STORED : 0), to)
    to = bodyEnd
  }
  return output.subarray(0, output.writeUInt32LE(0, to))
}

/** Where it ends; null where it would not be smaller than what it encodes. */
function encodeBlock(
  bytes: Uint8Array,
  start: number,
  end: number,
  output: Uint8Array,
  outputStart: number,
): number | null {
  const limit = outputStart + end - start
  const count = findMatches(bytes, start, end)
  let anchor = start
  let to = outputStart
  for (let field = 0; field < count * MATCH_FIELDS; field += MATCH_FIELDS) {
    const at = matches[field]!
    const distance = matches[field + 1]!
    const extra = matches[field + 2]! - MIN_MATCH
    const literals = at - anchor
    if (to + 1 + lengthBytes(literals) + literals + 2 + lengthBytes(extra) >= limit) return null
    output[to] = (Math.min(literals, 15) << 4) | Math.min(extra, 15)
    to = writeLiterals(bytes, anchor, at, output, to + 1)
    output[to++] = distance & 255
    output[to++] = distance >>> 8
    to = writeLength(output, to, extra)
    anchor = at + extra + MIN_MATCH
  }
  const literals = end - anchor
  if (to + 1 + lengthBytes(literals) + literals >= limit) return null
  output[to] = Math.min(literals, 15) << 4
  return writeLiterals(bytes, anchor, end, output, to + 1)
}

function writeLiterals(bytes: Uint8Array, start: number, end: number, output: Uint8Array, outputStart: number): number {
  let to = writeLength(output, outputStart, end - start)
  // A call of `set` costs about as much as a loop over this many bytes.
  if (end - start > 32) {
    output.set(bytes.subarray(start, end), to)
    return to + end - start
  }
  for (let at = start; at < end; at++) output[to++] = bytes[at]!
  return to
}

/** What does not fit into the four bits of the token. */
function writeLength(output: Uint8Array, outputStart: number, length: number): number {
  let to = outputStart
  if (length < 15) return to
  let rest = length - 15
  for (; rest >= 255; rest -= 255) output[to++] = 255
  output[to++] = rest
  return to
}

function lengthBytes(length: number): number {
  return length < 15 ? 0 : 1 + Math.floor((length - 15) / 255)
}
