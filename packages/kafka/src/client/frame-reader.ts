const PREFIX_BYTES = 4
/** Correlation id: there is no answer without one. */
const MIN_FRAME_BYTES = 4
const HEAD_BYTES = PREFIX_BYTES + MIN_FRAME_BYTES

/**
 * Cuts what arrives on a connection into answers, each in one piece. An answer of many chunks is put together in a buffer of its size, which is made only when the answer is one that was
 * asked for: what is no broker does not make us set gigabytes aside.
 */
export class FrameReader {
  private readonly expects: (correlation: number) => boolean
  private readonly onFrame: (frame: Buffer) => void
  /** Bytes of the next answer while they do not even tell its size and what it answers. */
  private head: Buffer | null = null
  private frame: Buffer | null = null
  private filled = 0

  /** `expects`: whether this is the answer that has to come next. */
  constructor(expects: (correlation: number) => boolean, onFrame: (frame: Buffer) => void) {
    this.expects = expects
    this.onFrame = onFrame
  }

  /** Throws a RangeError where something else comes than the answer that has to; nothing can be read after that. */
  take(chunk: Buffer): void {
    let rest = chunk
    while (rest.length > 0) rest = this.frame === null ? this.begin(rest) : this.fill(this.frame, rest)
  }

  private begin(chunk: Buffer): Buffer {
    const bytes = this.head === null ? chunk : Buffer.concat([this.head, chunk])
    this.head = null
    if (bytes.length < HEAD_BYTES) {
      this.head = bytes
      return bytes.subarray(bytes.length)
    }
    const size = bytes.readInt32BE(0)
    const correlation = bytes.readInt32BE(PREFIX_BYTES)
    if (size < MIN_FRAME_BYTES) throw new RangeError(`an answer of ${size} bytes`)
    if (!this.expects(correlation)) throw new RangeError(`an answer to a request ${correlation} that was not sent`)
    const end = PREFIX_BYTES + size
    if (bytes.length >= end) {
      this.onFrame(bytes.subarray(PREFIX_BYTES, end))
      return bytes.subarray(end)
    }
    this.frame = Buffer.allocUnsafeSlow(size)
    this.filled = bytes.copy(this.frame, 0, PREFIX_BYTES)
    return bytes.subarray(bytes.length)
  }

  private fill(frame: Buffer, chunk: Buffer): Buffer {
    const taken = chunk.copy(frame, this.filled)
    this.filled += taken
    if (this.filled === frame.length) {
      this.frame = null
      this.onFrame(frame)
    }
    return chunk.subarray(taken)
  }
}
