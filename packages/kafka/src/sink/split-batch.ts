import { assert } from 'tidemark/connector'
import { createBatchBuilder } from '../records/batch-builder.ts'
import type { Compression } from '../records/contract.ts'
import { createRecordCursor } from '../records/record-cursor.ts'
import type { QueuedBatch } from './partition-queue.ts'

/** Two batches with the records of one that a broker found too large. Their sequence numbers are those of the one, so that the batches behind it stay as they are. */
export function splitBatch(batch: QueuedBatch, compression: Compression): readonly [QueuedBatch, QueuedBatch] {
  const { span, bytes, recordCount, baseSequence, failedAtMs } = batch
  const { identity } = span
  assert(bytes !== null && identity !== null && recordCount > 1, 'a batch that was sent has records to share out')
  const half = Math.floor(recordCount / 2)
  const cursor = createRecordCursor()
  cursor.load(bytes)
  assert(cursor.nextBatch(), 'it is one whole batch')
  const part = (count: number, skipped: number): QueuedBatch => {
    const builder = createBatchBuilder(compression)
    for (let index = 0; index < count; index++) {
      assert(cursor.nextRecord(), 'a batch holds as many records as were put in')
      builder.append(cursor.key, cursor.value, cursor.headers(), cursor.timestampMs)
    }
    const sequence = (baseSequence + skipped) % 2 ** 31
    const { producerId, producerEpoch, transactionalId } = identity
    const isTransactional = transactionalId !== null
    const piece = builder.finish({ producerId, producerEpoch, baseSequence: sequence, isTransactional })
    return {
      span,
      builder: null,
      bytes: piece,
      byteLength: piece.length,
      baseSequence: sequence,
      recordCount: count,
      failedAtMs,
    }
  }
  return [part(half, 0), part(recordCount - half, half)]
}
