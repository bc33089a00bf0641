import {
  assert,
  type CheckpointId,
  type Committable,
  type SinkWriter,
  TidemarkError,
  type WriterContext,
} from 'tidemark/connector'
import type { KafkaClient } from '../client/contract.ts'
import type { ClusterConnection } from '../connection.ts'
import { createBatchBuilder } from '../records/batch-builder.ts'
import type { RecordParts } from '../records/contract.ts'
import { BatchSender } from './batch-sender.ts'
import { describePartitions, type PreparedTransaction, toCommittable } from './committable.ts'
import { keptDirectory, KeptRecords } from './kept-records.ts'
import { partitionOfKey } from './murmur2.ts'
import { BuilderStock, PartitionQueue, type QueuedBatch } from './partition-queue.ts'
import type { RecordEncoder } from './record-encoder.ts'
import { Retries } from './retries.ts'
import { codeOf, writeFailed } from './sink-errors.ts'
import { checkTopicName, type SinkSettings } from './sink-settings.ts'
import { type TopicQueues, TopicTable } from './topic-table.ts'
import { defaultPrefix, formatTransactionName } from './transaction-name.ts'
import { TransactionPool } from './transaction-pool.ts'
import { type WriterIdentity, WriteSpan } from './write-span.ts'

/** How long `close` waits for brokers to abort what is open: whoever comes next does it otherwise. */
const ABORT_PATIENCE_MS = 2000
/** About what a record takes beside its key and value. */
const RECORD_OVERHEAD_BYTES = 16

export interface KafkaWriterOptions<T> {
  readonly settings: SinkSettings
  readonly connection: ClusterConnection
  readonly topic: string | ((record: T) => string)
  readonly encoder: RecordEncoder<T>
}

/**
 * Writes records of one task. What is written between two barriers is a span: a transaction of its own (exactly-once), or what has to be acknowledged before the barrier is
 * (at-least-once). Writing is asynchronous; spans do not wait for each other.
 */
export class KafkaWriter<T> implements SinkWriter<T> {
  private readonly context: WriterContext
  private readonly options: KafkaWriterOptions<T>
  private readonly client: KafkaClient
  private readonly retries: Retries
  private readonly sender: BatchSender
  private readonly topics: TopicTable
  private readonly pool: TransactionPool | null
  private readonly spans = new Set<WriteSpan>()
  private readonly kept = new Map<WriteSpan, KeptRecords>()
  private producer: WriterIdentity | null = null
  private span: WriteSpan | null = null
  private isPreparing = false
  private isRefusing = false
  private isEnded = false
  private keptFiles = 0

  constructor(context: WriterContext, options: KafkaWriterOptions<T>) {
    const { settings, connection } = options
    this.context = context
    this.options = options
    const client = connection.open(context.secret)
    this.client = client
    const { clock } = context
    const retries = new Retries(clock)
    this.retries = retries
    this.sender = new BatchSender({
      client,
      clock,
      retries,
      settings,
      onUnknownLeader: () => this.topics.refresh(),
      onAcknowledged: ({ topic, partition }, { span }, bytes) => this.kept.get(span)?.append(topic, partition, bytes),
      onRoom: () => this.onRoom(),
      onFailure: (queue, batch, error) => void this.fail(this.batchFailure(queue, batch, error)),
      onForgotten: (span) => this.renew(span),
    })
    const builders = new BuilderStock(() => createBatchBuilder(settings.compression))
    this.topics = new TopicTable({
      client,
      clock,
      retries,
      deliveryTimeoutMs: settings.deliveryTimeoutMs,
      firstSticky: context.subtask,
      createQueue: (topic, partition) => new PartitionQueue(topic, partition, settings.batchBytes, builders),
      onChange: () => this.onTopics(),
      onMissing: (topic) => void this.fail(this.missing(topic)),
      onFailure: (error) =>
        void this.fail(writeFailed(context, `could not ask for topics (brokers ${connection.brokers})`, error)),
    })
    this.pool = settings.delivery === 'exactly-once' ? this.createPool() : null
  }

  async open(): Promise<void> {
    const { context, client } = this
    const { topic, encoder, connection, settings } = this.options
    try {
      if (this.pool === null) this.producer = { transactionalId: null, ...(await this.initialize(null)) }
      else if (settings.keepUntilCommitted !== null)
        await context.files.makeDirectory(this.keptDirectory(settings.keepUntilCommitted))
      if (typeof topic === 'string' && !(await this.topics.open(topic))) throw this.missing(topic)
    } catch (error) {
      this.isEnded = true
      this.stop()
      await client.close()
      if (error instanceof TidemarkError) throw error
      throw writeFailed(context, `could not begin to write (brokers ${connection.brokers})`, error)
    }
    await encoder.open()
    this.span = this.beginSpan()
  }

  write(values: readonly T[], from: number, to: number, timestamps: readonly number[] | null): number {
    if (this.isEnded || this.isPreparing) return from
    const { sender } = this
    const { bufferBytes } = this.options.settings
    const now = this.context.clock.now()
    let index = from
    for (; index < to; index++) {
      if (sender.waitingBytes >= bufferBytes) {
        this.isRefusing = true
        break
      }
      if (!this.append(values[index] as T, timestamps === null ? Number.NaN : timestamps[index]!, now)) break
    }
    if (this.isRefusing) sender.press()
    else sender.send()
    return index
  }

  prepareCommit(checkpoint: CheckpointId): Promise<readonly Committable[]> {
    const span = this.span
    assert(span !== null, 'the writer is open')
    this.pool?.onBarrier(checkpoint)
    if (this.isEnded) return Promise.reject(new Error('the sink was closed'))
    if (span.isEmpty) return Promise.resolve([])
    const acknowledged = span.seal()
    this.span = this.beginSpan()
    this.sender.flush()
    return this.prepare(checkpoint, span, acknowledged)
  }

  notifyCommitted(checkpoint: CheckpointId): void {
    this.pool?.onCommitted(checkpoint)
  }

  async close(): Promise<void> {
    const { client, spans } = this
    this.isEnded = true
    this.stop()
    for (const span of spans) span.fail(new Error('the sink was closed'))
    for (const kept of this.kept.values()) await kept.close()
    const open = [...spans].filter(({ hasBegun }) => hasBegun)
    if (open.length > 0) await this.abort(open)
    await this.options.encoder.close()
    await client.close()
  }

  /** What is open keeps readers waiting. Initializing its id aborts it, also where a batch of it is still on its way: that one comes with an epoch of the past. */
  private async abort(open: readonly WriteSpan[]): Promise<void> {
    const aborted = Promise.allSettled(open.map(({ identity }) => this.initializeOnce(identity!.transactionalId)))
    await new Promise<void>((resolve) => {
      const cancel = this.context.clock.schedule(ABORT_PATIENCE_MS, resolve)
      void aborted.then(() => {
        cancel()
        resolve()
      })
    })
  }

  /** False: not now. `wake` tells when to try again. */
  private append(record: T, timestamp: number, now: number): boolean {
    const { encoder, topic: chosen, settings } = this.options
    const name = typeof chosen === 'string' ? chosen : checkTopicName(chosen(record))
    const topic = this.topics.find(name)
    if (topic === null) return false
    const preparing = encoder.prepare(record, name)
    if (preparing !== undefined) {
      this.waitFor(preparing)
      return false
    }
    const parts = encoder.encode(record, name)
    const headers = encoder.headers(record)
    const queue = this.queueOf(record, topic, parts, settings.batchBytes)
    this.sender.append(queue, this.span!, parts, headers, encoder.timestamp(record, timestamp, now))
    return true
  }

  private queueOf(
    record: T,
    topic: TopicQueues,
    { keyBytes, keyStart, keyLength, valueLength }: RecordParts,
    batchBytes: number,
  ): PartitionQueue {
    const { queues } = topic
    const partition = this.options.encoder.partition(record, topic.name, queues.length)
    if (partition !== null) return queues[partition]!
    if (keyLength >= 0) return queues[partitionOfKey(keyBytes, queues.length, keyStart, keyLength)]!
    return topic.next(Math.max(0, valueLength) + RECORD_OVERHEAD_BYTES, batchBytes)
  }

  private waitFor(preparing: Promise<void>): void {
    this.isPreparing = true
    preparing.then(
      () => {
        this.isPreparing = false
        if (!this.isEnded) this.context.wake()
      },
      (error: unknown) => void this.fail(writeFailed(this.context, 'could not prepare to encode a record', error)),
    )
  }

  private async prepare(
    checkpoint: CheckpointId,
    span: WriteSpan,
    acknowledged: Promise<void>,
  ): Promise<readonly Committable[]> {
    await acknowledged
    this.sender.end(span)
    const { identity, landmark, recordCount, added } = span
    if (this.pool === null) {
      this.spans.delete(span)
      return []
    }
    assert(identity !== null && identity.transactionalId !== null, 'a transaction with records is initialized')
    const file = await this.keepDurably(span)
    if (this.isEnded) throw new Error('the sink was closed')
    // From here on it is in the hands of the checkpoint: nobody here may abort it any more.
    this.spans.delete(span)
    const transaction = { ...identity, transactionalId: identity.transactionalId }
    this.pool.onPrepared(checkpoint, transaction)
    const prepared: PreparedTransaction = {
      ...transaction,
      recordCount,
      partitions: describePartitions(added),
      landmark,
      kept: file,
    }
    return [toCommittable(prepared)]
  }

  private async keepDurably(span: WriteSpan): Promise<PreparedTransaction['kept']> {
    const kept = this.kept.get(span)
    if (kept === undefined) return null
    try {
      const file = await kept.seal()
      this.kept.delete(span)
      return file
    } catch (error) {
      throw this.fail(writeFailed(this.context, 'could not keep the records of a transaction', error))
    }
  }

  private beginSpan(): WriteSpan {
    const span = new WriteSpan()
    this.spans.add(span)
    this.sender.begin(span)
    if (this.pool === null) span.identity = this.producer
    else {
      const { keepUntilCommitted } = this.options.settings
      if (keepUntilCommitted !== null) this.kept.set(span, this.keep(keepUntilCommitted))
      this.identify(span, this.pool.take())
    }
    return span
  }

  private identify(span: WriteSpan, taken: Promise<WriterIdentity>): void {
    taken.then(
      (identity) => {
        span.identity = identity
        if (!this.isEnded) this.sender.send()
      },
      (error: unknown) => void this.fail(writeFailed(this.context, 'could not begin a transaction', error)),
    )
  }

  private renew(span: WriteSpan): void {
    const id = span.identity?.transactionalId
    assert(this.pool !== null && typeof id === 'string', 'a transaction is forgotten')
    span.identity = null
    this.identify(span, this.pool.renew(id))
  }

  private createPool(): TransactionPool {
    const { job, operator, run, epoch, attempt, subtask } = this.context
    const prefix = this.options.settings.transactionalIdPrefix ?? defaultPrefix(job, operator)
    return new TransactionPool({
      name: (slot) => formatTransactionName({ prefix, run, epoch, attempt, subtask, slot, rewriteOf: null }),
      initialize: (transactionalId) => this.initialize(transactionalId),
    })
  }

  private initialize(transactionalId: string | null): ReturnType<KafkaClient['initializeProducer']> {
    return this.retries.run(this.options.settings.deliveryTimeoutMs, () => this.initializeOnce(transactionalId))
  }

  private initializeOnce(transactionalId: string | null): ReturnType<KafkaClient['initializeProducer']> {
    return this.client.initializeProducer(transactionalId, this.options.settings.transactionTimeoutMs)
  }

  private keep(directory: string): KeptRecords {
    const { run, epoch, attempt, subtask, files } = this.context
    const name = `${run}-${epoch}-${attempt}-${subtask}-${this.keptFiles++}.kept`
    return new KeptRecords(files, this.keptDirectory(directory), name)
  }

  private keptDirectory(directory: string): string {
    const { job, operator } = this.context
    return keptDirectory(directory, this.options.settings.transactionalIdPrefix ?? defaultPrefix(job, operator))
  }

  private onRoom(): void {
    if (!this.isRefusing || this.sender.waitingBytes > this.options.settings.bufferBytes / 2) return
    this.isRefusing = false
    this.context.wake()
  }

  private onTopics(): void {
    if (this.isEnded) return
    this.sender.send()
    this.context.wake()
  }

  /** Nothing is written any more, and whoever waits is told. */
  private fail(error: TidemarkError): TidemarkError {
    if (this.isEnded) return error
    this.isEnded = true
    this.stop()
    for (const span of this.spans) span.fail(error)
    this.context.fail(error)
    return error
  }

  /** No timer is left, and nothing is sent any more. */
  private stop(): void {
    this.retries.stop()
    this.sender.stop()
    this.topics.close()
  }

  private missing(topic: string): TidemarkError {
    const { job, operator } = this.context
    const isChosen = typeof this.options.topic === 'function'
    const why = isChosen ? ', which was chosen for a record,' : ''
    return new TidemarkError(
      'SINK_FAILED',
      `topic ${topic} of sink ${operator}${why} does not exist (brokers ${this.options.connection.brokers})`,
      {
        action: isChosen
          ? 'Create the topic, or mend the function that chooses it: a sink creates no topics.'
          : 'Create the topic: a sink creates none, since it does not know how many partitions and replicas it shall have.',
        context: { job, operator },
      },
    )
  }

  private batchFailure(queue: PartitionQueue | null, batch: QueuedBatch | null, error: unknown): TidemarkError {
    const { job, operator } = this.context
    if (queue === null || batch === null) return writeFailed(this.context, 'could not write a transaction', error)
    if (codeOf(error) === 'MESSAGE_TOO_LARGE' || codeOf(error) === 'RECORD_LIST_TOO_LARGE') {
      return new TidemarkError(
        'SINK_FAILED',
        `sink ${operator}: a record of ${batch.byteLength} bytes (as a batch of one) is larger than topic ${queue.topic} takes (max.message.bytes): ${(error as Error).message}`,
        {
          action:
            'Write smaller records, compress them (compression), or raise max.message.bytes of the topic and message.max.bytes of the brokers.',
          context: { job, operator },
          cause: error,
        },
      )
    }
    return writeFailed(this.context, `could not write to ${queue.name}`, error)
  }
}
