import { ByteBuffer } from '../../core/byte-buffer.ts'
import { ByteBufferReader } from '../../core/byte-buffer-reader.ts'
import type { ByteWriter } from '../../core/codec.ts'
import { TidemarkError } from '../../core/errors.ts'
import { valueCodec } from '../../core/value-codec.ts'
import type { ListSnapshot } from './contract.ts'

/** What `ListStateSnapshot.codec` says of lists written here. */
const LIST_CODEC = valueCodec.id

const scratch = new ByteBuffer()

/** Appends the items, each as a varint with its length and its encoding. */
export function writeListSnapshot(list: ListSnapshot, writer: ByteWriter): void {
  for (const item of list.items) {
    scratch.clear()
    valueCodec.encode(item, scratch)
    writer.varint(scratch.length)
    writer.bytes(scratch.view(0))
  }
}

/** Items `first` … `first + count − 1` of what `writeListSnapshot` wrote; `CORRUPT_DATA` naming the item. Those before are skipped by their length. */
export function readListItems(bytes: Uint8Array, first: number, count: number, codec: string = LIST_CODEC): unknown[] {
  if (codec !== LIST_CODEC) {
    throw new TidemarkError(
      'UNSUPPORTED',
      `list state was written with codec '${codec}', which this version does not know`,
      {
        action: 'Use the version of Tidemark that wrote the checkpoint, or a newer one.',
      },
    )
  }
  const reader = new ByteBufferReader(bytes)
  for (let index = 0; index < first; index++) reader.bytes(reader.varint())
  const items: unknown[] = []
  for (let index = first; index < first + count; index++) {
    const item = new ByteBufferReader(reader.bytes(reader.varint()))
    items.push(valueCodec.decode(item))
    if (item.remaining > 0) throw new TidemarkError('CORRUPT_DATA', `item ${index} of a list is longer than its value`)
  }
  return items
}
