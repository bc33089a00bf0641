import { BATCH, LENGTH_PREFIX_BYTES } from '../records/batch-layout.ts'

export interface WholeBatches {
  /** Bytes of the batches that are there as a whole. */
  readonly byteLength: number
  /** The offset after the last of them; null where there is none. */
  readonly endOffset: number | null
  /** Of the leader that appended the last of them. */
  readonly leaderEpoch: number
}

/** Finds the end of what a fetch brought, from the heads of its batches only: brokers cut the last one off where the limit was. */
export function scanBatches(bytes: Uint8Array): WholeBatches {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let position = 0
  let endOffset: number | null = null
  let leaderEpoch = -1
  while (position + BATCH.records <= bytes.length) {
    const batchEnd = position + LENGTH_PREFIX_BYTES + view.getInt32(position + BATCH.batchLength)
    // A damaged length is left to whoever reads the batch: it says what is wrong, and where.
    if (batchEnd > bytes.length || batchEnd < position + BATCH.records) break
    endOffset = Number(view.getBigInt64(position)) + view.getInt32(position + BATCH.lastOffsetDelta) + 1
    leaderEpoch = view.getInt32(position + BATCH.partitionLeaderEpoch)
    position = batchEnd
  }
  return { byteLength: position, endOffset, leaderEpoch }
}
