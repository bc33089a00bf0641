import { copyWithin } from './snappy.ts'

const MAGIC = 0x184d2204
const HAS_BLOCK_CHECKSUMS = 0x10
const HAS_CONTENT_SIZE = 0x08
const HAS_DICTIONARY = 0x01
const IS_STORED = 0x8000_0000
const MIN_MATCH = 4
/** No sequence makes more bytes of one. */
const MAX_EXPANSION = 255

/**
 * The LZ4 frame format (https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md), which Kafka holds batches in. Its own checksums are left alone: the batch has one over all of
 * it. Throws a RangeError for what is not LZ4.
 */
export function decompressLz4Frame(bytes: Buffer, maxBytes: number): Buffer {
  if (bytes.readUInt32LE(0) !== MAGIC) throw new RangeError('it does not begin as an LZ4 frame')
  const flags = bytes.readUInt8(4)
  if (flags >>> 6 !== 1 || (flags & HAS_DICTIONARY) !== 0) throw new RangeError('the LZ4 frame is of an unknown kind')
  const checksumBytes = (flags & HAS_BLOCK_CHECKSUMS) === 0 ? 0 : 4
  const maxBlockBytes = blockBytes(bytes.readUInt8(5))
  let at = 7 + ((flags & HAS_CONTENT_SIZE) === 0 ? 0 : 8)
  let output: Buffer = Buffer.allocUnsafe(Math.min(Math.max(4 * bytes.length, 1024), maxBytes))
  let length = 0
  for (;;) {
    const size = bytes.readUInt32LE(at)
    at += 4
    if (size === 0) return output.subarray(0, length)
    const isStored = size >= IS_STORED
    const end = at + (isStored ? size - IS_STORED : size)
    if (end > bytes.length) throw new RangeError('a block is longer than what is there')
    if (isStored && end - at > maxBlockBytes) throw new RangeError('a block is longer than the frame says')
    const most = Math.min(isStored ? end - at : (end - at) * MAX_EXPANSION, maxBlockBytes)
    if (length + most > output.length) output = grown(output, length, length + most, maxBytes)
    if (isStored) length += bytes.copy(output, length, at, end)
    else length = decodeBlock(bytes, at, end, output, length, length + most)
    at = end + checksumBytes
  }
}

function blockBytes(descriptor: number): number {
  const code = (descriptor >>> 4) & 7
  if (code < 4) throw new RangeError('the LZ4 frame names no block size')
  return 1 << (8 + 2 * code)
}

function grown(output: Buffer, length: number, needed: number, maxBytes: number): Buffer {
  if (needed > maxBytes) throw new RangeError(`more than ${maxBytes} bytes are too many`)
  const larger = Buffer.allocUnsafe(Math.min(Math.max(needed, 2 * output.length), maxBytes))
  output.copy(larger, 0, 0, length)
  return larger
}

/** Where what it has written ends. A block may refer to what the blocks before it became. */
function decodeBlock(
  bytes: Buffer,
  start: number,
  end: number,
  output: Buffer,
  outputStart: number,
  outputEnd: number,
): number {
  let at = start
  let to = outputStart
  while (at < end) {
    const token = bytes[at++]!
    let count = token >>> 4
    if (count === 15) {
      for (let more = 255; more === 255; count += more) {
        if (at >= end) throw new RangeError('a literal is cut off')
        more = bytes[at++]!
      }
    }
    if (at + count > end || to + count > outputEnd) throw new RangeError('a literal is cut off')
    if (count > 32) bytes.copy(output, to, at, at + count)
    else for (let index = 0; index < count; index++) output[to + index] = bytes[at + index]!
    at += count
    to += count
    // The last sequence has literals only.
    if (at === end) break
    if (at + 2 > end) throw new RangeError('a match is cut off')
    const distance = bytes[at]! | (bytes[at + 1]! << 8)
    at += 2
    count = token & 15
    if (count === 15) {
      for (let more = 255; more === 255; count += more) {
        if (at >= end) throw new RangeError('a match is cut off')
        more = bytes[at++]!
      }
    }
    count += MIN_MATCH
    if (distance === 0 || distance > to || to + count > outputEnd) throw new RangeError('a match is out of bounds')
    copyWithin(output, to, distance, count)
    to += count
  }
  return to
}
