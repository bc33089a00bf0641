/** What Java's SnappyOutputStream (xerial) puts before its chunks: a name, its version, and the oldest version that reads it. */
export const XERIAL_HEADER = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1])
const XERIAL_NAME_BYTES = 8
/** No element of Snappy makes more bytes of one. */
const MAX_EXPANSION = 64

/** In the framing that Kafka's clients in Java write or, as some clients in other languages write it, without. Throws a RangeError for what is not Snappy. */
export function decompressSnappy(bytes: Buffer, maxBytes: number): Buffer {
  const isFramed = bytes.subarray(0, XERIAL_NAME_BYTES).equals(XERIAL_HEADER.subarray(0, XERIAL_NAME_BYTES))
  const chunks = isFramed ? framedChunks(bytes) : [bytes]
  const blocks = chunks.map(openBlock)
  const length = blocks.reduce((sum, block) => sum + block.length, 0)
  if (length > maxBytes) throw new RangeError(`${length} bytes are too many`)
  const output = Buffer.allocUnsafe(length)
  let at = 0
  for (const block of blocks) {
    decodeBlock(block, output, at)
    at += block.length
  }
  return output
}

function framedChunks(bytes: Buffer): readonly Buffer[] {
  const chunks: Buffer[] = []
  let at = XERIAL_HEADER.length
  while (at < bytes.length) {
    const length = bytes.readInt32BE(at)
    const end = at + 4 + length
    if (length < 0 || end > bytes.length) throw new RangeError('a chunk is longer than what is there')
    chunks.push(bytes.subarray(at + 4, end))
    at = end
  }
  return chunks
}

interface Block {
  readonly bytes: Buffer
  /** Where its elements begin. */
  readonly start: number
  /** Of what it becomes. */
  readonly length: number
}

function openBlock(bytes: Buffer): Block {
  let length = 0
  let at = 0
  for (;;) {
    if (at >= Math.min(bytes.length, 5)) throw new RangeError('the length is cut off')
    const byte = bytes[at]!
    length += (byte & 0x7f) * 2 ** (7 * at)
    at++
    if (byte < 0x80) break
  }
  if (length > bytes.length * MAX_EXPANSION) throw new RangeError(`${bytes.length} bytes cannot become ${length}`)
  return { bytes, start: at, length }
}

function decodeBlock({ bytes, start, length }: Block, output: Buffer, outputStart: number): void {
  const outputEnd = outputStart + length
  let at = start
  let to = outputStart
  while (at < bytes.length) {
    const tag = bytes[at]!
    const kind = tag & 3
    if (kind === 0) {
      let count = tag >>> 2
      at++
      if (count >= 60) {
        const extra = count - 59
        count = bytes.readUIntLE(at, extra)
        at += extra
      }
      count++
      if (at + count > bytes.length || to + count > outputEnd) throw new RangeError('a literal is cut off')
      bytes.copy(output, to, at, at + count)
      at += count
      to += count
      continue
    }
    let count = (tag >>> 2) + 1
    let distance: number
    if (kind === 1) {
      count = ((tag >>> 2) & 7) + 4
      distance = ((tag >>> 5) << 8) | bytes.readUInt8(at + 1)
      at += 2
    } else if (kind === 2) {
      distance = bytes.readUInt16LE(at + 1)
      at += 3
    } else {
      distance = bytes.readUInt32LE(at + 1)
      at += 5
    }
    if (distance === 0 || to - distance < outputStart || to + count > outputEnd)
      throw new RangeError('a copy is out of bounds')
    copyWithin(output, to, distance, count)
    to += count
  }
  if (to !== outputEnd) throw new RangeError('it is cut off')
}

/** Copies what lies `distance` bytes before `to`; where the two overlap, what was just written is copied again. */
export function copyWithin(output: Buffer, to: number, distance: number, count: number): void {
  // A call costs about as much as a loop over this many bytes.
  if (count > 32 && distance >= count) {
    output.copyWithin(to, to - distance, to - distance + count)
    return
  }
  for (let from = to - distance, end = to + count; to < end; from++, to++) output[to] = output[from]!
}
