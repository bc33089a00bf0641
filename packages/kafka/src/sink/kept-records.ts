import { createHash } from 'node:crypto'
import { assert, crc32c, type FileSystem, TidemarkError } from 'tidemark/connector'
import type { TopicPartition } from '../client/contract.ts'
import { BATCH } from '../records/batch-layout.ts'
import type { KeptFile } from './committable.ts'

type OpenFile = Awaited<ReturnType<FileSystem['create']>>

/** Length of the topic's name, partition, length of the batch. */
const FRAME_BYTES = 10

/** Where the records of the transactions of one sink are kept: a directory of its own, so that what is left can be told from what belongs to others. */
export function keptDirectory(directory: string, prefix: string): string {
  return `${directory}/kafka-${createHash('sha256').update(prefix).digest('hex').slice(0, 16)}`
}

/** Creates the directory so that it, and all above it, survive a power failure: also what was made by a process that died before it could sync. */
export async function makeKeptDirectory(files: FileSystem, directory: string): Promise<void> {
  await files.makeDirectory(directory)
  for (let at = directory; at !== '' && at !== '/' && at !== '.'; at = parentOf(at)) {
    try {
      await files.syncDirectory(parentOf(at) || '.')
    } catch (error) {
      const { code } = error as { readonly code?: unknown }
      // Closed to this process: then it has not made it either.
      if (code !== 'EACCES' && code !== 'EPERM') throw error
    }
  }
}

function parentOf(path: string): string {
  const slash = path.lastIndexOf('/')
  return slash === 0 ? '/' : path.slice(0, Math.max(0, slash))
}

/** Writes the batches of one transaction into a file: `[topic length u16][partition u32][batch length u32][topic][batch]` each. */
export class KeptRecords {
  private readonly files: FileSystem
  private readonly directory: string
  private readonly name: string
  private file: OpenFile | null = null
  private byteLength = 0
  private done: Promise<void> = Promise.resolve()

  constructor(files: FileSystem, directory: string, name: string) {
    this.files = files
    this.directory = directory
    this.name = name
  }

  /** Resolves when the bytes were handed to the file: until then they are in memory. */
  append(topic: string, partition: number, batch: Uint8Array): Promise<void> {
    const name = Buffer.from(topic, 'utf8')
    const frame = Buffer.allocUnsafe(FRAME_BYTES + name.length + batch.length)
    frame.writeUInt16BE(name.length, 0)
    frame.writeUInt32BE(partition, 2)
    frame.writeUInt32BE(batch.length, 6)
    frame.set(name, FRAME_BYTES)
    frame.set(batch, FRAME_BYTES + name.length)
    this.done = this.done.then(async () => {
      this.file ??= await this.files.create(`${this.directory}/${this.name}`)
      await this.file.write(frame)
      this.byteLength += frame.length
    })
    return this.done
  }

  /** Makes everything durable, content and name. */
  async seal(): Promise<KeptFile> {
    await this.done
    assert(this.file !== null, 'a transaction that is kept has records')
    await this.file.sync()
    await this.file.close()
    this.file = null
    await this.files.syncDirectory(this.directory)
    return { name: this.name, byteLength: this.byteLength }
  }

  async close(): Promise<void> {
    await this.done.catch(() => {})
    await this.file?.close().catch(() => {})
    this.file = null
  }
}

export interface KeptBatch extends TopicPartition {
  readonly batch: Uint8Array
}

/** The batches of a kept transaction, one after the other; `CORRUPT_DATA` where the file is not what was written. */
export async function* readKept(files: FileSystem, directory: string, kept: KeptFile): AsyncGenerator<KeptBatch> {
  const path = `${directory}/${kept.name}`
  const damaged = (problem: string): TidemarkError =>
    new TidemarkError('CORRUPT_DATA', `${path} ${problem}`, {
      action: 'Bring the file back from a copy; without it the records of this transaction are lost.',
      context: { file: path },
    })
  const size = (await files.stat(path))?.size ?? null
  if (size === null) throw damaged('does not exist')
  if (size !== kept.byteLength) throw damaged(`has ${size} bytes, not the ${kept.byteLength} that were written`)
  for (let at = 0; at < size;) {
    const frame = Buffer.from(await files.read(path, at, FRAME_BYTES))
    if (frame.length < FRAME_BYTES) throw damaged(`is cut off at byte ${at}`)
    const topicBytes = frame.readUInt16BE(0)
    const batchBytes = frame.readUInt32BE(6)
    const content = Buffer.from(await files.read(path, at + FRAME_BYTES, topicBytes + batchBytes))
    const batch = content.subarray(topicBytes)
    const isWhole = batch.length === batchBytes && batch.length > BATCH.records
    if (!isWhole || batch.readUInt32BE(BATCH.checksum) !== crc32c(batch.subarray(BATCH.attributes))) {
      throw damaged(`holds a damaged batch at byte ${at}`)
    }
    yield { topic: content.toString('utf8', 0, topicBytes), partition: frame.readUInt32BE(2), batch }
    at += FRAME_BYTES + content.length
  }
}

/** The same records under another producer. Returns how many there are. */
export function restampBatch(
  batch: Uint8Array,
  identity: { readonly producerId: bigint; readonly producerEpoch: number; readonly baseSequence: number },
): number {
  const view = new DataView(batch.buffer, batch.byteOffset, batch.byteLength)
  view.setBigInt64(BATCH.producerId, identity.producerId)
  view.setInt16(BATCH.producerEpoch, identity.producerEpoch)
  view.setInt32(BATCH.baseSequence, identity.baseSequence)
  view.setUint32(BATCH.checksum, crc32c(batch.subarray(BATCH.attributes)))
  return view.getInt32(BATCH.recordCount)
}
