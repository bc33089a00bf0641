import { TidemarkError } from '../../core/errors.ts'
import type { FileWriter as OpenFile } from '../../core/file-system.ts'
import type { CheckpointId } from '../../core/ids.ts'
import type { Committable, SinkWriter, WriterContext } from '../../core/sink.ts'
import type { PendingFile } from './file-committer.ts'
import { finalName, type OutputDirectory, pendingName } from './output-directory.ts'

/** Characters gathered before they are encoded and handed to the file. */
const FLUSH_LENGTH = 128 * 1024

export interface FileWriterOptions {
  readonly extension: string
  /** Bytes after which the next file is begun. */
  readonly rollSize: number
  /** Bytes that may wait to be written; then the sink takes no more. */
  readonly bufferSize: number
}

/** A file of a transaction. */
interface Part extends PendingFile {
  readonly file: OpenFile
}

/** What was written between two barriers: files that are pending until its checkpoint is complete. */
interface Transaction {
  /** Everything done so far for this transaction, one after the other; rejects when something failed. */
  done: Promise<void>
  open: Part | null
  readonly parts: PendingFile[]
}

/**
 * Writes each record as text. Writing is asynchronous and in large blocks; transactions do not wait for each other, so the sync of one does
 * not stop the next one. What fails is told at once, and again by `prepareCommit`.
 */
export class FileSinkWriter<T> implements SinkWriter<T> {
  private readonly context: WriterContext
  private readonly directory: OutputDirectory
  private readonly render: (record: T) => string
  private readonly options: FileWriterOptions
  private transaction = newTransaction()
  private readonly unprepared = new Set<string>()
  private readonly preparing = new Set<Promise<unknown>>()
  private readonly openFiles = new Set<OpenFile>()
  private text = ''
  private waitingBytes = 0
  private isRefusing = false
  private isClosed = false
  private partsBegun = 0

  constructor(
    context: WriterContext,
    directory: OutputDirectory,
    render: (record: T) => string,
    options: FileWriterOptions,
  ) {
    this.context = context
    this.directory = directory
    this.render = render
    this.options = options
  }

  async open(): Promise<void> {
    await this.context.files.makeDirectory(this.directory.pending)
    await this.context.files.syncDirectory(this.directory.path)
  }

  write(values: readonly T[], from: number, to: number): number {
    for (let index = from; index < to; index++) {
      if (this.waitingBytes >= this.options.bufferSize) {
        this.isRefusing = true
        return index
      }
      this.text += this.render(values[index] as T)
      if (this.text.length >= FLUSH_LENGTH) this.flush()
    }
    return to
  }

  prepareCommit(_checkpoint: CheckpointId): Promise<readonly Committable[]> {
    this.flush()
    const prepared = this.prepare(this.transaction)
    this.transaction = newTransaction()
    this.preparing.add(prepared)
    const forget = (): void => void this.preparing.delete(prepared)
    prepared.then(forget, forget)
    return prepared
  }

  async close(): Promise<void> {
    this.isClosed = true
    await Promise.allSettled([...this.preparing, this.transaction.done])
    for (const file of this.openFiles) await file.close().catch(() => undefined)
    // No checkpoint knows these files. What cannot be removed now is swept by the committer.
    for (const name of this.unprepared) {
      await this.context.files.remove(`${this.directory.pending}/${name}`).catch(() => undefined)
    }
  }

  /** Makes everything written for a transaction durable, content and names. */
  private async prepare(transaction: Transaction): Promise<readonly Committable[]> {
    await transaction.done
    if (transaction.open !== null) await this.guarded(this.endPart(transaction))
    if (transaction.parts.length === 0) return []
    await this.guarded(this.context.files.syncDirectory(this.directory.pending))
    for (const { pending } of transaction.parts) this.unprepared.delete(pending)
    return transaction.parts.map(({ pending, final, length }) => ({ version: 1, data: { pending, final, length } }))
  }

  private flush(): void {
    if (this.text === '') return
    const bytes = Buffer.from(this.text, 'utf8')
    this.text = ''
    this.waitingBytes += bytes.length
    const { transaction } = this
    transaction.done = transaction.done.then(() => this.writeBytes(transaction, bytes))
    transaction.done.catch((error: unknown) => {
      if (!this.isClosed) this.context.fail(this.failure(error))
    })
  }

  private async writeBytes(transaction: Transaction, bytes: Uint8Array): Promise<void> {
    if (this.isClosed) throw new Error('the sink was closed')
    await this.guarded(this.append(transaction, bytes))
    this.waitingBytes -= bytes.length
    if (this.isRefusing && this.waitingBytes <= this.options.bufferSize / 2) {
      this.isRefusing = false
      this.context.wake()
    }
  }

  private async append(transaction: Transaction, bytes: Uint8Array): Promise<void> {
    const part = transaction.open ?? (await this.beginPart())
    transaction.open = part
    await part.file.write(bytes)
    transaction.open = { ...part, length: part.length + bytes.length }
    if (transaction.open.length >= this.options.rollSize) await this.endPart(transaction)
  }

  private async beginPart(): Promise<Part> {
    const number = this.partsBegun++
    const pending = pendingName(this.context, number)
    this.unprepared.add(pending)
    const file = await this.context.files.create(`${this.directory.pending}/${pending}`)
    this.openFiles.add(file)
    return { pending, final: finalName(this.context, number, this.options.extension), length: 0, file }
  }

  private async endPart(transaction: Transaction): Promise<void> {
    const part = transaction.open!
    await part.file.sync()
    await part.file.close()
    this.openFiles.delete(part.file)
    transaction.open = null
    transaction.parts.push(part)
  }

  private async guarded<R>(work: Promise<R>): Promise<R> {
    try {
      return await work
    } catch (error) {
      throw this.failure(error)
    }
  }

  private failure(error: unknown): TidemarkError {
    if (error instanceof TidemarkError) return error
    const { job, operator } = this.context
    const reason = error instanceof Error ? error.message : String(error)
    return new TidemarkError('SINK_FAILED', `sink ${operator} cannot write to ${this.directory.path}: ${reason}`, {
      action: `Check that ${this.directory.path} can be written and has room.`,
      context: { job, operator, file: this.directory.path },
      cause: error,
    })
  }
}

function newTransaction(): Transaction {
  return { done: Promise.resolve(), open: null, parts: [] }
}
