const PREFIX_BYTES = 4
/** Correlation id: there is no answer without one. */
const MIN_FRAME_BYTES = 4
const HEAD_BYTES = PREFIX_BYTES + MIN_FRAME_BYTES
/** What is set aside for an answer before it has come; beyond, twice what has come. */
const FIRST_BYTES = 16 * 1024 * 1024
/** What is read at once while no large answer is under way. */
const CHUNK_BYTES = 65_536

/**
 * Cuts what arrives on a connection into answers, each in one piece of memory of its own, which is made only when the answer is one that was asked for and no longer than it may be, and which
 * grows with what comes: what is no broker does not make us set gigabytes aside. A socket may read into `room`: the rest of a large answer arrives where it belongs.
 */
export class FrameReader {
  private readonly expects: (correlation: number) => number | null
  private readonly onFrame: (frame: Buffer) => void
  /** Bytes of the next answer while they do not even tell its size and what it answers. */
  private head: Buffer | null = null
  private frame: Buffer | null = null
  /** Of the answer that is put together. */
  private size = 0
  private filled = 0
  private chunk: Buffer | null = null

  /** `expects`: how long the answer may be, null where it is not the one that has to come next. */
  constructor(expects: (correlation: number) => number | null, onFrame: (frame: Buffer) => void) {
    this.expects = expects
    this.onFrame = onFrame
  }

  /** Where the next bytes may be read to; `taken` tells how many came. */
  room(): Buffer {
    if (this.frame !== null) return this.frame.subarray(this.filled)
    this.chunk ??= Buffer.allocUnsafeSlow(CHUNK_BYTES)
    return this.chunk
  }

  /** So many bytes were read into what `room` gave last. Throws as `take`. */
  taken(bytes: number): void {
    if (this.frame === null) this.take(this.chunk!.subarray(0, bytes))
    else this.advance(this.frame, bytes)
  }

  /** Copies what it keeps. Throws a RangeError where something else comes than the answer that has to; nothing can be read after that. */
  take(chunk: Buffer): void {
    let rest = chunk
    while (rest.length > 0) rest = this.frame === null ? this.begin(rest) : this.fill(this.frame, rest)
  }

  private begin(chunk: Buffer): Buffer {
    const bytes = this.head === null ? chunk : Buffer.concat([this.head, chunk])
    this.head = null
    if (bytes.length < HEAD_BYTES) {
      this.head = Buffer.from(bytes)
      return bytes.subarray(bytes.length)
    }
    const size = bytes.readInt32BE(0)
    const correlation = bytes.readInt32BE(PREFIX_BYTES)
    if (size < MIN_FRAME_BYTES) throw new RangeError(`an answer of ${size} bytes`)
    const most = this.expects(correlation)
    if (most === null) throw new RangeError(`an answer to a request ${correlation} that was not sent`)
    if (size > most) throw new RangeError(`an answer of ${size} bytes, where ${most} are the most`)
    this.frame = Buffer.allocUnsafeSlow(Math.min(size, FIRST_BYTES))
    this.size = size
    this.filled = 0
    return this.fill(this.frame, bytes.subarray(PREFIX_BYTES))
  }

  private fill(frame: Buffer, chunk: Buffer): Buffer {
    const copied = chunk.copy(frame, this.filled)
    this.advance(frame, copied)
    return chunk.subarray(copied)
  }

  private advance(frame: Buffer, bytes: number): void {
    this.filled += bytes
    if (this.filled === this.size) {
      this.frame = null
      this.onFrame(frame)
    } else if (this.filled === frame.length) {
      this.frame = Buffer.allocUnsafeSlow(Math.min(this.size, 2 * frame.length))
      frame.copy(this.frame)
    }
  }
}
