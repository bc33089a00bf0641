import type { Clock } from 'tidemark/connector'
import type { BrokerId, KafkaClient, KafkaError, ProducedPartition } from '../client/contract.ts'
import type { KafkaHeader } from '../options.ts'
import { backoffMs } from '../source/backoff.ts'
import type { RecordParts } from '../records/contract.ts'
import type { PartitionQueue, QueuedBatch } from './partition-queue.ts'
import type { Retries } from './retries.ts'
import { codeOf, isRetriable } from './sink-errors.ts'
import type { SinkSettings } from './sink-settings.ts'
import { splitBatch } from './split-batch.ts'
import type { WriteSpan } from './write-span.ts'

/** While one is answered the next ones are on their way: a broker handles those of a connection one after the other. */
const REQUESTS_PER_BROKER = 3
const REQUEST_BYTES = 4 * 1024 * 1024
/** What an open batch may grow to while an earlier one of its partition is on its way: then the connection is what is slow. Well below the 1 MiB that brokers take by default. */
const GROWN_BATCH_BYTES = 512 * 1024
/** How long a leader waits for its followers before it says that they did not follow. */
const ACKNOWLEDGE_TIMEOUT_MS = 20_000

export interface BatchSenderOptions {
  readonly client: KafkaClient
  readonly clock: Clock
  readonly retries: Retries
  readonly settings: Pick<SinkSettings, 'batchBytes' | 'lingerMs' | 'bufferBytes' | 'deliveryTimeoutMs' | 'compression'>
  /** Leaders have to be looked up anew. */
  readonly onUnknownLeader: () => void
  /** A batch is in the log; when what the writer still does with it has been done its bytes are free. */
  readonly onAcknowledged: (queue: PartitionQueue, batch: QueuedBatch, bytes: Uint8Array) => Promise<void> | undefined
  /** There may be room again. */
  readonly onRoom: () => void
  /** A partition, or null for a whole transaction, cannot be written to. */
  readonly onFailure: (queue: PartitionQueue | null, batch: QueuedBatch | null, error: unknown) => void
  /** The coordinator has forgotten the producer of a transaction that has not begun: it needs another one. */
  readonly onForgotten: (span: WriteSpan) => void
}

/**
 * Sends what waits in the queues of partitions: one batch per partition at a time, those of one leader and transaction in one request. A batch that may have arrived is sent
 * again with the same bytes until it is acknowledged: its sequence number tells the leader whether it has it.
 */
export class BatchSender {
  waitingBytes = 0
  private readonly options: BatchSenderOptions
  private readonly active = new Set<PartitionQueue>()
  private readonly spans = new Set<WriteSpan>()
  private readonly requests = new Map<BrokerId, number>()
  private readonly cancels = new Set<() => void>()
  private isLingering = false
  private isPressed = false
  private isStopped = false

  constructor(options: BatchSenderOptions) {
    this.options = options
  }

  append(
    queue: PartitionQueue,
    span: WriteSpan,
    parts: RecordParts,
    headers: readonly KafkaHeader[] | null,
    timestampMs: number,
  ): void {
    this.waitingBytes += queue.append(span, parts, headers, timestampMs)
    span.recordCount++
    const { openBytes } = queue
    if (openBytes >= queue.mostBytes && (openBytes >= GROWN_BATCH_BYTES || queue.isIdle)) queue.close()
    this.active.add(queue)
  }

  /** Whatever waits is sent without waiting for more. */
  press(): void {
    this.isPressed = true
    this.send()
  }

  /** Everything written so far is sent; nothing more comes into batches of the spans before. */
  flush(): void {
    for (const queue of this.active) queue.close()
    this.send()
  }

  /** A span whose identity is known, or is about to be. */
  begin(span: WriteSpan): void {
    this.spans.add(span)
  }

  end(span: WriteSpan): void {
    this.spans.delete(span)
  }

  stop(): void {
    this.isStopped = true
    for (const cancel of this.cancels) cancel()
    this.cancels.clear()
  }

  /** Sends what is ready and may be sent. */
  send(): void {
    if (this.isStopped) return
    for (const span of this.spans) if (span.toAdd.size > 0) this.addPartitions(span)
    const chosen = new Map<BrokerId, { queues: PartitionQueue[]; span: WriteSpan; bytes: number }>()
    let hasOpenBatches = false
    for (const queue of this.active) {
      if (queue.isSending || queue.isResting) continue
      if (queue.queue.length === 0) {
        if (!this.isReady(queue)) {
          hasOpenBatches = true
          continue
        }
        queue.close()
      }
      const batch = queue.queue[0]!
      const { leader } = queue
      if (!this.maySend(queue, batch) || leader === null) continue
      if ((this.requests.get(leader) ?? 0) >= REQUESTS_PER_BROKER) continue
      const request = chosen.get(leader)
      if (request === undefined) chosen.set(leader, { queues: [queue], span: batch.span, bytes: batch.byteLength })
      else if (request.span === batch.span && request.bytes + batch.byteLength <= REQUEST_BYTES) {
        request.queues.push(queue)
        request.bytes += batch.byteLength
      }
    }
    if (hasOpenBatches) this.linger()
    this.isPressed = false
    for (const [broker, { queues, span }] of chosen) void this.produce(broker, span, queues)
    // What did not fit into one request goes into the next one.
    if (chosen.size > 0) this.send()
  }

  private isReady(queue: PartitionQueue): boolean {
    return queue.isDue || this.isPressed || queue.openBytes >= queue.mostBytes || this.options.settings.lingerMs === 0
  }

  private maySend(queue: PartitionQueue, batch: QueuedBatch): boolean {
    const { span } = batch
    if (span.identity === null) return false
    if (span.identity.transactionalId !== null && !span.added.has(queue)) return false
    if (queue.leader !== null) return true
    if (this.hasExpired(batch)) {
      this.options.onFailure(
        queue,
        batch,
        new Error('the partition has no leader, or its topic does not exist any more'),
      )
      return false
    }
    queue.failures++
    this.rest(queue)
    this.options.onUnknownLeader()
    return false
  }

  private linger(): void {
    if (this.isLingering) return
    this.isLingering = true
    this.later(this.options.settings.lingerMs, () => {
      this.isLingering = false
      for (const queue of this.active) queue.isDue = queue.openBytes > 0
      this.send()
    })
  }

  private async produce(broker: BrokerId, span: WriteSpan, queues: readonly PartitionQueue[]): Promise<void> {
    const { client } = this.options
    const batches = queues.map((queue) => {
      const batch = queue.queue[0]!
      queue.isSending = true
      this.waitingBytes += queue.finish(batch)
      return { topic: queue.topic, partition: queue.partition, batch: batch.bytes! }
    })
    this.requests.set(broker, (this.requests.get(broker) ?? 0) + 1)
    let answers: readonly ProducedPartition[] = []
    let failure: unknown = null
    try {
      const transactionalId = span.identity!.transactionalId
      answers = await client.produce(broker, { transactionalId, timeoutMs: ACKNOWLEDGE_TIMEOUT_MS, batches })
    } catch (error) {
      failure = error
    }
    this.requests.set(broker, this.requests.get(broker)! - 1)
    if (this.isStopped) return
    for (const queue of queues) {
      queue.isSending = false
      const answer = answers.find(({ topic, partition }) => topic === queue.topic && partition === queue.partition)
      if (answer !== undefined) this.onAnswer(queue, answer.error, answer.baseOffset)
      else this.onRefused(queue, failure ?? new Error('the answer of the broker leaves this partition out'))
    }
    this.send()
  }

  private onAnswer(queue: PartitionQueue, error: KafkaError | null, baseOffset: number): void {
    // It was appended before, and the answer was lost.
    if (error !== null && error.code !== 'DUPLICATE_SEQUENCE_NUMBER') return this.onRefused(queue, error)
    const batch = queue.queue.shift()!
    const { span } = batch
    queue.failures = 0
    if (error === null && baseOffset >= 0) {
      span.landmark ??= { topic: queue.topic, partition: queue.partition, offset: baseOffset }
    }
    if (queue.isEmpty) this.active.delete(queue)
    const kept = this.options.onAcknowledged(queue, batch, batch.bytes!)
    if (kept === undefined) return this.release(batch)
    kept.then(
      () => this.release(batch),
      (failure: unknown) => this.options.onFailure(null, null, failure),
    )
  }

  private release({ span, byteLength }: QueuedBatch): void {
    this.waitingBytes -= byteLength
    span.unacknowledged--
    span.onAcknowledged()
    this.options.onRoom()
  }

  private onRefused(queue: PartitionQueue, error: unknown): void {
    const batch = queue.queue[0]!
    const isTooLarge = codeOf(error) === 'MESSAGE_TOO_LARGE' || codeOf(error) === 'RECORD_LIST_TOO_LARGE'
    if (isTooLarge && batch.recordCount > 1) return this.split(queue, batch)
    if (!isRetriable(error) || this.hasExpired(batch)) return this.options.onFailure(queue, batch, error)
    queue.failures++
    this.rest(queue)
    // Whatever it was: the leader may be another one by now.
    queue.leader = null
    this.options.onUnknownLeader()
  }

  private split(queue: PartitionQueue, batch: QueuedBatch): void {
    const { byteLength } = batch
    const halves = splitBatch(batch, this.options.settings.compression)
    queue.mostBytes = Math.max(1, Math.min(queue.mostBytes, Math.floor(byteLength / 2)))
    queue.replaceFirst(halves)
    this.waitingBytes += halves.reduce((sum, half) => sum + half.byteLength, 0) - byteLength
  }

  private hasExpired(batch: QueuedBatch): boolean {
    const now = this.options.clock.monotonic()
    batch.failedAtMs ??= now
    return now - batch.failedAtMs > this.options.settings.deliveryTimeoutMs
  }

  private rest(queue: PartitionQueue): void {
    queue.isResting = true
    this.later(Math.max(1, backoffMs(queue.failures)), () => {
      queue.isResting = false
      this.send()
    })
  }

  /** Tells the coordinator of partitions before their first record; those that come meanwhile go with the next request. */
  private addPartitions(span: WriteSpan): void {
    const { identity } = span
    if (identity === null || span.isAdding) return
    const { transactionalId, producerId, producerEpoch } = identity
    if (transactionalId === null) return span.toAdd.clear()
    const { client, retries, settings } = this.options
    const queues = [...span.toAdd]
    span.toAdd.clear()
    span.isAdding = true
    const isFirst = !span.hasBegun
    span.hasBegun = true
    const partitions = queues.map(({ topic, partition }) => ({ topic, partition }))
    const identityOf = { transactionalId, producerId, producerEpoch }
    const added = retries.run(settings.deliveryTimeoutMs, () => client.addPartitions(identityOf, partitions))
    added.then(
      () => {
        span.isAdding = false
        for (const queue of queues) span.added.add(queue)
        this.send()
      },
      (error: unknown) => {
        span.isAdding = false
        if (this.isStopped) return
        if (!isFirst || codeOf(error) !== 'INVALID_PRODUCER_ID_MAPPING')
          return this.options.onFailure(null, null, error)
        span.hasBegun = false
        for (const queue of queues) span.toAdd.add(queue)
        this.options.onForgotten(span)
      },
    )
  }

  private later(delayMs: number, action: () => void): void {
    const cancel = this.options.clock.schedule(delayMs, () => {
      this.cancels.delete(cancel)
      if (!this.isStopped) action()
    })
    this.cancels.add(cancel)
  }
}
