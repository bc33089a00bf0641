import { assert, type Clock } from 'tidemark/connector'
import type { BrokerId, KafkaClient, TopicMetadata, TopicPartition } from '../client/contract.ts'
import { MemoryClient } from './memory-client.ts'
import { memoryFailure } from './memory-failure.ts'
import { type Fault, type FaultPlan, FaultQueue, type Operation } from './memory-faults.ts'
import { PartitionLog } from './partition-log.ts'
import { encodePlainBatch, NO_PRODUCER, type PlacedRecord, type PlainRecord } from './plain-batch.ts'
import { TransactionCoordinator } from './transaction-coordinator.ts'
import { TurnClock } from './turn-clock.ts'

export interface MemoryClusterOptions {
  /** Default: 1. Partitions are led by them in turn. */
  readonly brokers?: number
  /** What brokers know of time. Default: one that stands still until `advance`, and long polls are answered at once. */
  readonly clock?: Clock
  readonly config?: Readonly<Record<string, string>>
}

export interface MemoryTopic {
  readonly name: string
  readonly id: string
  readonly config: Readonly<Record<string, string>>
  readonly partitions: PartitionLog[]
}

/** A record as tests write it: text stands for its UTF-8 bytes. */
export interface SimpleRecord {
  readonly key?: string | Uint8Array | null
  readonly value?: string | Uint8Array | null
  readonly headers?: PlainRecord['headers']
  readonly timestampMs?: number
}

export interface ReadRecord extends PlacedRecord {
  readonly partition: number
}

/**
 * A Kafka cluster in memory, for tests: every answer follows from the calls before it, in order. Logs hold real record batches; transactions, sequences, fetches and their
 * errors are those of brokers 4.x. Clients come from `client()`, faults from `inject` and `faults`.
 */
export class MemoryCluster {
  readonly clock: Clock
  readonly hasOwnClock: boolean
  readonly config: Map<string, string>
  readonly transactions: TransactionCoordinator
  readonly topics = new Map<string, MemoryTopic>()
  readonly groups = new Map<string, Map<string, number>>()
  readonly brokers: ReadonlySet<BrokerId>
  private readonly stopped = new Set<BrokerId>()
  private readonly queue = new FaultQueue()
  private readonly clients = new Set<MemoryClient>()
  private readonly listeners = new Set<() => void>()
  private topicIds = 0
  private clientNumbers = 0
  private callNumbers = 0

  constructor(options: MemoryClusterOptions = {}) {
    this.hasOwnClock = options.clock === undefined
    this.clock = options.clock ?? new TurnClock()
    this.brokers = new Set(Array.from({ length: options.brokers ?? 1 }, (_, index) => index + 1))
    this.config = new Map(Object.entries({ 'transaction.max.timeout.ms': '900000', ...options.config }))
    this.transactions = new TransactionCoordinator({
      now: () => this.clock.now(),
      maxTimeoutMs: () => Number(this.config.get('transaction.max.timeout.ms')),
      later: (write) =>
        void this.clock.defer(() => {
          write()
          this.changed()
        }),
      hasPartition: (partition) => this.findLog(partition) !== null,
      writeMarker: (partition, { producerId, producerEpoch }, outcome) =>
        this.findLog(partition)?.writeMarker(producerId, producerEpoch, outcome, this.clock.now()),
    })
  }

  /** A client with connections of its own. */
  client(name = `client-${this.clientNumbers + 1}`): KafkaClient {
    this.clientNumbers++
    const client = new MemoryClient(this, name)
    this.clients.add(client)
    return client
  }

  /** Clients that were neither closed nor killed. */
  get openClients(): readonly string[] {
    return [...this.clients].filter(({ isOpen }) => isOpen).map(({ name }) => name)
  }

  /** The process of a client dies: it hears of nothing any more. Calls under way `arrive` at the brokers all the same, or are `lost`. */
  kill(client: KafkaClient, underWay: 'arrive' | 'lost'): void {
    assert(client instanceof MemoryClient && this.clients.has(client), 'the client is of this cluster')
    client.kill(underWay)
  }

  /** What happens to each call that no injected fault is for. */
  set faults(plan: FaultPlan) {
    this.queue.plan = plan
  }

  /** The next `times` calls of this operation go wrong. */
  inject(operation: Operation, fault: Fault, times = 1): void {
    this.queue.add(operation, fault, times)
  }

  /** Moves the time of a cluster that has no clock handed in; transactions may time out. */
  advance(ms: number): void {
    assert(this.clock instanceof TurnClock, 'time is that of the clock handed in')
    this.clock.advance(ms)
    this.transactions.expire()
  }

  createTopic(name: string, partitions: number, config: Readonly<Record<string, string>> = {}): void {
    if (this.topics.has(name)) throw memoryFailure('TOPIC_ALREADY_EXISTS', `topic ${name} exists`)
    const topic: MemoryTopic = { name, id: this.newTopicId(), config, partitions: [] }
    this.topics.set(name, topic)
    this.addPartitions(name, partitions)
  }

  addPartitions(name: string, count: number): void {
    const { partitions } = this.topic(name)
    const brokers = [...this.brokers]
    for (let index = 0; index < count; index++) {
      partitions.push(new PartitionLog(brokers[partitions.length % brokers.length]!))
    }
    this.changed()
  }

  deleteTopic(name: string): void {
    this.topic(name)
    this.topics.delete(name)
    this.changed()
  }

  /** Makes another broker the leader of a partition; null: it has none. */
  moveLeader(topic: string, partition: number, broker: BrokerId | null): void {
    const log = this.log(topic, partition)
    log.leader = broker
    log.leaderEpoch++
    this.changed()
  }

  /** Its connections break; what it leads is led by the next broker that runs, or by none. */
  stopBroker(broker: BrokerId): void {
    this.stopped.add(broker)
    const next = [...this.brokers].find((other) => !this.stopped.has(other)) ?? null
    for (const { partitions } of this.topics.values()) {
      for (const log of partitions) {
        if (log.leader !== broker) continue
        log.leader = next
        log.leaderEpoch++
      }
    }
    this.changed()
  }

  /** Runs again; leads what has no leader. */
  startBroker(broker: BrokerId): void {
    this.stopped.delete(broker)
    for (const { partitions } of this.topics.values()) for (const log of partitions) log.leader ??= broker
    this.changed()
  }

  isRunning(broker: BrokerId): boolean {
    return this.brokers.has(broker) && !this.stopped.has(broker)
  }

  get hasRunningBroker(): boolean {
    return this.stopped.size < this.brokers.size
  }

  /** Appends records in one batch, outside of any transaction. The first one's offset. */
  append(topic: string, partition: number, records: readonly SimpleRecord[]): number {
    const baseOffset = this.log(topic, partition).append(
      encodePlainBatch({
        producerId: NO_PRODUCER,
        producerEpoch: -1,
        baseSequence: -1,
        isTransactional: false,
        isControl: false,
        lastOffsetDelta: records.length - 1,
        records: records.map((record, offsetDelta) => ({ ...this.plain(record), offsetDelta })),
      }),
    )
    this.changed()
    return baseOffset
  }

  /** What a reader that honours commits sees, by partition and offset. */
  committed(topic: string): readonly ReadRecord[] {
    return this.topic(topic).partitions.flatMap((log, partition) =>
      log.committed().map((record) => ({ partition, ...record })),
    )
  }

  topic(name: string): MemoryTopic {
    const topic = this.topics.get(name)
    assert(topic !== undefined, `topic ${name} exists`)
    return topic
  }

  log(topic: string, partition: number): PartitionLog {
    const log = this.topic(topic).partitions[partition]
    assert(log !== undefined, `${topic}[${partition}] exists`)
    return log
  }

  findLog({ topic, partition }: TopicPartition): PartitionLog | null {
    return this.topics.get(topic)?.partitions[partition] ?? null
  }

  metadata(): readonly TopicMetadata[] {
    return [...this.topics.values()].map(({ name, id, partitions }) => ({
      name,
      id,
      isInternal: name.startsWith('__'),
      partitions: partitions.map(({ leader, leaderEpoch }, partition) => ({ partition, leader, leaderEpoch })),
    }))
  }

  /** Something that fetches may be waiting for has happened. */
  changed(): void {
    for (const listener of this.listeners) listener()
  }

  onChange(listener: () => void): () => void {
    this.listeners.add(listener)
    return () => void this.listeners.delete(listener)
  }

  nextFault(operation: Operation, client: string, broker: number | null, args: readonly unknown[]): Fault | null {
    return this.queue.next({ operation, client, number: this.callNumbers++, broker, arguments: args })
  }

  private newTopicId(): string {
    return `00000000-0000-4000-8000-${String(++this.topicIds).padStart(12, '0')}`
  }

  private plain({ key, value, headers = [], timestampMs = this.clock.now() }: SimpleRecord): PlainRecord {
    return { key: bytesOf(key), value: bytesOf(value), headers, timestampMs }
  }
}

function bytesOf(content: string | Uint8Array | null | undefined): Uint8Array | null {
  if (content === undefined || content === null) return null
  return typeof content === 'string' ? new TextEncoder().encode(content) : content
}
