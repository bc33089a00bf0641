import type { Clock } from 'tidemark/connector'
import type { KafkaClient, TopicMetadata } from '../client/contract.ts'
import type { PartitionQueue } from './partition-queue.ts'
import type { Retries } from './retries.ts'

/** As Kafka's producers do (`metadata.max.age.ms`): new partitions are found within this time. */
const REFRESH_INTERVAL_MS = 300_000
/** A topic that was made a moment ago may not be known to every broker yet. */
const UNKNOWN_TOPIC_PATIENCE_MS = 5000

/** A topic that is written to. */
export class TopicQueues {
  readonly name: string
  readonly queues: PartitionQueue[] = []
  private sticky: number
  private stickyBytes = 0

  constructor(name: string, firstSticky: number) {
    this.name = name
    this.sticky = firstSticky
  }

  /** For a record without key: the same partition for as long as a batch, then the next one that has a leader (KIP-480, KIP-794). */
  next(byteLength: number, batchBytes: number): PartitionQueue {
    const { queues } = this
    if (this.stickyBytes >= batchBytes) {
      this.stickyBytes = 0
      this.sticky = this.nextWithLeader()
    }
    this.stickyBytes += byteLength
    return queues[this.sticky % queues.length]!
  }

  private nextWithLeader(): number {
    const { queues, sticky } = this
    for (let step = 1; step <= queues.length; step++) {
      const index = (sticky + step) % queues.length
      if (queues[index]!.leader !== null) return index
    }
    return (sticky + 1) % queues.length
  }
}

export interface TopicTableOptions {
  readonly client: KafkaClient
  readonly clock: Clock
  readonly retries: Retries
  readonly deliveryTimeoutMs: number
  /** Which partition records without key begin with: another one in each task. */
  readonly firstSticky: number
  readonly createQueue: (topic: string, partition: number) => PartitionQueue
  /** Topics or leaders have become known. */
  readonly onChange: () => void
  readonly onMissing: (topic: string) => void
  readonly onFailure: (error: unknown) => void
}

/** Topics, their partitions and leaders, looked up when they are first needed and again when a leader has moved. */
export class TopicTable {
  private readonly options: TopicTableOptions
  private readonly topics = new Map<string, TopicQueues>()
  /** Most records go where the one before went. */
  private lastFound: TopicQueues | null = null
  private readonly wanted = new Set<string>()
  private isAsking = false
  private isClosed = false
  private cancelRefresh: () => void = () => {}

  constructor(options: TopicTableOptions) {
    this.options = options
    this.planRefresh()
  }

  /** Null while it is being looked up: `onChange` tells when it is known, `onMissing` that it does not exist. */
  find(name: string): TopicQueues | null {
    if (name === this.lastFound?.name) return this.lastFound
    const known = this.topics.get(name)
    if (known !== undefined) return (this.lastFound = known)
    this.wanted.add(name)
    this.refresh()
    return null
  }

  /** Looks topics up before the first record; false when it does not exist. */
  async open(name: string): Promise<boolean> {
    await this.ask([name])
    return this.topics.has(name)
  }

  /** Asks for the leaders of all topics anew; one request at a time. */
  refresh(): void {
    if (this.isAsking || this.isClosed) return
    const names = [...new Set([...this.topics.keys(), ...this.wanted])]
    if (names.length === 0) return
    this.isAsking = true
    this.ask(names).then(
      () => {
        this.isAsking = false
        if (this.isClosed) return
        for (const name of this.wanted) if (!this.topics.has(name)) return this.options.onMissing(name)
        this.wanted.clear()
        this.options.onChange()
      },
      (error: unknown) => {
        this.isAsking = false
        if (!this.isClosed) this.options.onFailure(error)
      },
    )
  }

  close(): void {
    this.isClosed = true
    this.cancelRefresh()
  }

  private planRefresh(): void {
    this.cancelRefresh = this.options.clock.schedule(REFRESH_INTERVAL_MS, () => {
      this.refresh()
      this.planRefresh()
    })
  }

  /** Asks until all are known, for a while. */
  private async ask(names: readonly string[]): Promise<void> {
    const { client, clock, retries, deliveryTimeoutMs } = this.options
    const deadline = clock.monotonic() + UNKNOWN_TOPIC_PATIENCE_MS
    for (let delayMs = 50; ; delayMs *= 2) {
      const found = await retries.run(deliveryTimeoutMs, () => client.topics(names))
      for (const topic of found) this.update(topic)
      const isComplete = names.every((name) => this.topics.has(name))
      if (isComplete || this.isClosed || clock.monotonic() + delayMs > deadline) return
      await retries.wait(delayMs)
    }
  }

  private update({ name, partitions }: TopicMetadata): void {
    if (partitions.length === 0) return
    const topic = this.topics.get(name) ?? new TopicQueues(name, this.options.firstSticky % partitions.length)
    for (const { partition } of [...partitions].sort((left, right) => left.partition - right.partition)) {
      if (partition === topic.queues.length) topic.queues.push(this.options.createQueue(name, partition))
    }
    for (const { partition, leader } of partitions) {
      const queue = topic.queues[partition]
      if (queue !== undefined) queue.leader = leader
    }
    if (topic.queues.length > 0) this.topics.set(name, topic)
  }
}
