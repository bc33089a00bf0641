import type { Clock } from 'tidemark/connector'
import type { KafkaClient, KafkaError, TopicMetadata } from '../client/contract.ts'
import type { AssignedPartition } from './assigned-partition.ts'
import { backoffMs } from './backoff.ts'
import { isKafkaError } from './source-errors.ts'

export interface LeaderLookupOptions {
  readonly client: KafkaClient
  readonly clock: Clock
  /** Partitions without a leader. */
  readonly leaderless: () => readonly AssignedPartition[]
  /** Leaders were found. */
  readonly onFound: () => void
  /** The topic is not there any more, or another one has its name. */
  readonly onDeleted: (partition: AssignedPartition, isMadeAgain: boolean) => void
  /** It failed for good, or for too long. */
  readonly onHopeless: (partition: AssignedPartition, error: KafkaError) => void
  /** Something failed that is not an answer of the cluster. */
  readonly fail: (error: unknown) => void
  readonly unavailableTimeoutMs: number
}

/** A broker that has just started may not know every topic yet: a topic is taken for deleted when it stays away for so long. */
const DELETED_AFTER_MS = 3000

/** Errors that a new leader cures, whatever a client library thinks of them. */
const CURED_BY_METADATA: ReadonlySet<string> = new Set([
  // Only where the position is in the log after all: a broker that lags behind said otherwise.
  'OFFSET_OUT_OF_RANGE',
  'UNKNOWN_TOPIC_OR_PARTITION',
  'NOT_LEADER_OR_FOLLOWER',
  'FENCED_LEADER_EPOCH',
  'UNKNOWN_LEADER_EPOCH',
  'UNKNOWN_TOPIC_ID',
  'INCONSISTENT_TOPIC_ID',
])

/** Asks for leaders of partitions that have none, again and again, each partition after a time that grows with its failures. */
export class LeaderLookup {
  private readonly options: LeaderLookupOptions
  private isAsking = false
  private cancelTimer: (() => void) | null = null
  private isClosed = false

  constructor(options: LeaderLookupOptions) {
    this.options = options
  }

  /** A request about a partition failed: it needs a leader anew. */
  failed(partition: AssignedPartition, error: KafkaError): void {
    const now = this.options.clock.monotonic()
    partition.leader = null
    partition.lastError = error
    partition.unavailableSinceMs ??= now
    partition.failures++
    partition.retryAtMs = now + backoffMs(partition.failures)
    const isRetriable = error.isRetriable || CURED_BY_METADATA.has(error.code)
    if (!isRetriable || now - partition.unavailableSinceMs > this.options.unavailableTimeoutMs) {
      this.options.onHopeless(partition, error)
    }
  }

  /** Asks now for what is due, and later for the rest. */
  run(): void {
    if (this.isAsking || this.isClosed) return
    this.cancelTimer?.()
    this.cancelTimer = null
    const now = this.options.clock.monotonic()
    const leaderless = this.options.leaderless()
    const due = leaderless.filter(({ retryAtMs }) => retryAtMs <= now)
    if (due.length > 0) void this.ask(due)
    else if (leaderless.length > 0) {
      const next = leaderless.reduce((first, { retryAtMs }) => Math.min(first, retryAtMs), Infinity)
      this.cancelTimer = this.options.clock.schedule(Math.max(1, next - now), () => this.run())
    }
  }

  close(): void {
    this.isClosed = true
    this.cancelTimer?.()
  }

  private async ask(due: readonly AssignedPartition[]): Promise<void> {
    this.isAsking = true
    try {
      const names = [...new Set(due.map(({ topic }) => topic))].sort()
      const topics = await this.options.client.topics(names)
      if (!this.isClosed) this.take(due, topics)
    } catch (error) {
      if (this.isClosed) return
      if (!isKafkaError(error)) return this.options.fail(error)
      for (const partition of due) if (!partition.isEnded) this.failed(partition, error)
    } finally {
      this.isAsking = false
    }
    if (due.some(({ leader }) => leader !== null)) this.options.onFound()
    this.run()
  }

  private take(due: readonly AssignedPartition[], topics: readonly TopicMetadata[]): void {
    const byName = new Map(topics.map((topic) => [topic.name, topic]))
    for (const partition of due) {
      if (partition.isEnded) continue
      const topic = byName.get(partition.topic)
      if (topic === undefined || topic.id !== partition.topicId) this.missing(partition, topic !== undefined)
      else {
        partition.missingSinceMs = null
        const found = topic.partitions.find((other) => other.partition === partition.partition)
        const isOlder = found !== undefined && found.leaderEpoch >= 0 && found.leaderEpoch < partition.leaderEpoch
        if (found === undefined || found.leader === null || isOlder) this.failed(partition, noLeader(partition))
        else {
          partition.leader = found.leader
          partition.leaderEpoch = found.leaderEpoch
        }
      }
    }
  }

  private missing(partition: AssignedPartition, isMadeAgain: boolean): void {
    const now = this.options.clock.monotonic()
    partition.missingSinceMs ??= now
    if (now - partition.missingSinceMs >= DELETED_AFTER_MS) this.options.onDeleted(partition, isMadeAgain)
    else this.failed(partition, noLeader(partition))
  }
}

function noLeader({ name, lastError }: AssignedPartition): KafkaError {
  if (lastError !== null) return lastError
  const code = 'LEADER_NOT_AVAILABLE'
  return Object.assign(new Error(`${code}: ${name} has no leader`), {
    name: 'KafkaError' as const,
    code,
    isRetriable: true,
  })
}
