import type { Codec, Decoding } from '../codec.ts'
import { badValue, tombstone, typeName } from './bad-value.ts'

/** As Node's own pool: whoever keeps one value of it keeps all of it. */
const POOL_BYTES = 8192
/** Longer values have memory of their own. */
const MAX_POOLED = 1024
/** Up to here a loop over words is faster than making the view that `set` needs. */
const MAX_BY_WORDS = 256

/** Bytes as they are. Values of up to 1 KiB share memory with others, 8 KiB in all, as small Buffers of Node do: copy what is kept for long where most others are not. */
export function bytes(): Codec<Uint8Array> {
  return BYTES
}

const BYTES: Codec<Uint8Array> = {
  kind: 'bytes',
  createDecoding: () => new PooledCopies(),
  createEncoding: () => ({ encode: checked }),
}

/** What is decoded outlives the batch that it lies in. Memory of its own for each value would cost ten times as much as all else that is done to read it. */
class PooledCopies implements Decoding<Uint8Array> {
  private pool = new ArrayBuffer(0)
  private poolView = new DataView(this.pool)
  private at = 0
  private source: Uint8Array = new Uint8Array()
  private sourceView = new DataView(this.source.buffer)

  decode(given: Uint8Array | null): Uint8Array {
    if (given === null) throw tombstone('bytes')
    return this.decodeRange(given, 0, given.length)
  }

  decodeRange(given: Uint8Array, start: number, end: number): Uint8Array {
    const length = end - start
    if (length > MAX_POOLED) return new Uint8Array(given.subarray(start, end))
    if (this.at + length > this.pool.byteLength) this.renew()
    const { at, pool } = this
    this.at = at + length
    const copy = new Uint8Array(pool, at, length)
    if (length > MAX_BY_WORDS) copy.set(given.subarray(start, end))
    else this.copyWords(given, start, at, length)
    return copy
  }

  private copyWords(given: Uint8Array, start: number, at: number, length: number): void {
    if (given !== this.source) {
      this.source = given
      this.sourceView = new DataView(given.buffer, given.byteOffset, given.byteLength)
    }
    const { sourceView, poolView } = this
    let index = 0
    for (; index + 4 <= length; index += 4) poolView.setInt32(at + index, sourceView.getInt32(start + index))
    for (; index < length; index++) poolView.setUint8(at + index, sourceView.getUint8(start + index))
  }

  private renew(): void {
    this.pool = new ArrayBuffer(POOL_BYTES)
    this.poolView = new DataView(this.pool)
    this.at = 0
  }
}

function checked(value: Uint8Array): Uint8Array {
  if (!(value instanceof Uint8Array)) throw badValue('bytes', typeName(value), 'Give a Uint8Array.')
  return value
}
