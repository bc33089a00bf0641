import { type EnumeratorContext, type SplitEnumerator, TidemarkError } from 'tidemark/connector'
import type { KafkaClient, TopicMetadata, TopicPartition } from '../client/contract.ts'
import type { ClusterConnection } from '../connection.ts'
import { offsetsAt, startOffsets, stopOffsets } from './offset-resolution.ts'
import { type PartitionSplit, partitionSplit } from './partition-split.ts'
import { retrying } from './retrying.ts'
import { isKafkaError, requestFailed, topicDeleted } from './source-errors.ts'
import { matchesTopic, type SourceSettings } from './source-settings.ts'
import { SplitAssignment } from './split-assignment.ts'

/** A topic whose partitions `0 … partitions − 1` have been found. */
interface KnownTopic {
  readonly name: string
  readonly id: string
  readonly partitions: number
}

interface EnumeratorState {
  readonly version: 1
  /** Null: taken before any was found. */
  readonly topics: readonly KnownTopic[] | null
  readonly pending: readonly PartitionSplit[]
}

interface NewPartition extends TopicPartition {
  readonly topicId: string
}

/** So long a start waits for the cluster: an attempt that fails is followed by another one, as the restart strategy says. */
const START_PATIENCE_MS = 10_000
/** A topic that was made just now is not known to every broker. */
const MISSING_PATIENCE_MS = 2000
/** While discovery goes on failing people hear of every so manyth time. */
const WARN_EVERY = 20

/**
 * Finds topics and partitions, at the start and every now and then, and says for each from which offset it is read: once, so that a restart never depends on when
 * it happens. Partitions found while running begin at their earliest record: what came before they were found belongs to the input.
 */
export class KafkaEnumerator implements SplitEnumerator {
  private readonly context: EnumeratorContext
  private readonly settings: SourceSettings
  private readonly connection: ClusterConnection
  private readonly assignment: SplitAssignment
  private client: KafkaClient | null = null
  private known: readonly KnownTopic[] | null
  private cancelDiscovery: (() => void) | null = null
  private failures = 0
  private isClosed = false

  constructor(context: EnumeratorContext, settings: SourceSettings, connection: ClusterConnection) {
    this.context = context
    this.settings = settings
    this.connection = connection
    const restored = context.restored as EnumeratorState | undefined
    this.known = restored?.topics?.filter(({ name }) => this.isSelected(name)) ?? null
    const pending = (restored?.pending ?? []).filter(({ topic }) => this.isSelected(topic))
    const dropped = restored?.topics?.filter(({ name }) => !this.isSelected(name)) ?? []
    for (const { name } of dropped) {
      context.warn(`source ${context.operator}: topic ${name} is no longer selected: its positions are forgotten`)
    }
    const found = (this.known ?? []).reduce((sum, { partitions }) => sum + partitions, 0)
    const { parallelism, assign } = context
    this.assignment = new SplitAssignment(parallelism, found - pending.length, assign)
    this.assignment.add(pending)
  }

  async start(): Promise<void> {
    this.client = this.connection.open(this.context.secret)
    // Readers have what was known: what has come since is looked for while they read.
    if (this.known !== null) return this.isBounded ? undefined : void this.discoverAgain()
    const { clock } = this.context
    try {
      await retrying(
        clock,
        START_PATIENCE_MS,
        () => !this.isClosed,
        () => this.discover(true),
      )
    } catch (error) {
      throw this.explain(error)
    }
    this.scheduleDiscovery()
  }

  onSplitRequest(subtask: number): void {
    this.assignment.onReady(subtask)
    if (this.isBounded) this.context.noMoreSplits(subtask)
  }

  snapshot(): EnumeratorState {
    return { version: 1, topics: this.known, pending: this.assignment.pending }
  }

  async close(): Promise<void> {
    this.isClosed = true
    this.cancelDiscovery?.()
    await this.client?.close()
  }

  /** A bounded source reads what was there when it first started. */
  private get isBounded(): boolean {
    return this.settings.stop !== null
  }

  private isSelected(name: string): boolean {
    return matchesTopic(this.settings.topics, { name, isInternal: false })
  }

  /** Looks for partitions that are not known yet and hands them out. All or nothing: a snapshot in between holds none of them. */
  private async discover(isFresh: boolean): Promise<void> {
    const topics = isFresh ? await this.findFirst() : await this.find()
    const known = this.known ?? []
    const added = topics.flatMap((topic) => this.newPartitions(known, topic))
    const splits = isFresh ? await this.firstSplits(added) : await this.laterSplits(added)
    if (this.isClosed) return
    this.known = mergeTopics(known, topics)
    this.assignment.add(splits)
  }

  /** Matching topics, in the order of their names. */
  private async find(): Promise<readonly TopicMetadata[]> {
    const { topics } = this.settings
    const found = await this.client!.topics(topics.kind === 'names' ? topics.names : null)
    return found.filter((topic) => matchesTopic(topics, topic)).sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  private async findFirst(): Promise<readonly TopicMetadata[]> {
    const { topics } = this.settings
    const { clock } = this.context
    const deadline = clock.monotonic() + MISSING_PATIENCE_MS
    for (;;) {
      const found = await this.find()
      const missing = topics.kind === 'names' ? topics.names.filter((name) => !found.some((t) => t.name === name)) : []
      const isComplete = missing.length === 0 && (topics.kind === 'names' || found.length > 0)
      if (isComplete || this.isClosed) return found
      if (clock.monotonic() >= deadline) {
        if (missing.length === 0 && !this.isBounded && this.settings.discoveryIntervalMs !== null) {
          this.context.warn(`source ${this.context.operator}: no topic matches yet; it goes on looking`)
          return found
        }
        throw this.noTopic(missing)
      }
      await new Promise<void>((resolve) => void clock.schedule(MISSING_PATIENCE_MS / 8, resolve))
    }
  }

  private noTopic(missing: readonly string[]): TidemarkError {
    const { topics } = this.settings
    const { operator } = this.context
    const what =
      topics.kind === 'pattern'
        ? `no topic matches ${topics.pattern.toString()}`
        : `${missing.length === 1 ? 'topic' : 'topics'} ${missing.join(', ')} ${missing.length === 1 ? 'does' : 'do'} not exist`
    return new TidemarkError('INVALID_OPTION', `source ${operator}: ${what} (brokers ${this.connection.brokers})`, {
      action: 'Create the topic before, or check its name and that this user may describe it.',
      context: { operator },
    })
  }

  private newPartitions(known: readonly KnownTopic[], topic: TopicMetadata): readonly NewPartition[] {
    const before = known.find(({ id }) => id === topic.id)
    const isMadeAgain = before === undefined && known.some(({ name }) => name === topic.name)
    if (isMadeAgain && this.settings.onDeletedTopic === 'fail') throw topicDeleted(topic.name, true)
    const first = before?.partitions ?? 0
    return Array.from({ length: Math.max(0, topic.partitions.length - first) }, (_, index) => ({
      topic: topic.name,
      topicId: topic.id,
      partition: first + index,
    }))
  }

  private async firstSplits(added: readonly NewPartition[]): Promise<readonly PartitionSplit[]> {
    const stops = this.isBounded ? await stopOffsets(this.client!, this.settings, added) : null
    const read = added.filter((_, index) => stops === null || stops[index] !== null)
    const offsets = await startOffsets(this.client!, this.settings, read)
    const stopByPartition = new Map(added.map((partition, index) => [partition, stops?.[index] ?? null]))
    return read
      .map((partition, index) => {
        const stop = stopByPartition.get(partition) ?? null
        return partitionSplit(partition, partition.topicId, offsets[index]!, stop)
      })
      .filter(({ offset, stop }) => stop === null || offset < stop)
  }

  private async laterSplits(added: readonly NewPartition[]): Promise<readonly PartitionSplit[]> {
    const offsets = await offsetsAt(this.client!, this.settings, added, 'earliest')
    return added.map((partition, index) => partitionSplit(partition, partition.topicId, offsets[index]!, null))
  }

  private scheduleDiscovery(): void {
    const { discoveryIntervalMs } = this.settings
    if (this.isClosed || this.isBounded || discoveryIntervalMs === null) return
    this.cancelDiscovery = this.context.clock.schedule(discoveryIntervalMs, () => void this.discoverAgain())
  }

  private async discoverAgain(): Promise<void> {
    try {
      await this.discover(false)
      this.failures = 0
    } catch (error) {
      if (this.isClosed) return
      if (!isKafkaError(error)) return this.context.fail(error)
      if (this.failures++ % WARN_EVERY === 0) {
        this.context.warn(
          `source ${this.context.operator}: looking for new partitions failed, it is tried again: ${error.message}`,
        )
      }
    }
    this.scheduleDiscovery()
  }

  private explain(error: unknown): unknown {
    if (!isKafkaError(error)) return error
    // A wrong password or a missing right do not come right by starting again.
    const code = !error.isRetriable ? 'INVALID_OPTION' : 'SOURCE_FAILED'
    const what = `source ${this.context.operator} cannot find its partitions`
    return requestFailed(what, this.connection.brokers, error, code)
  }
}

function mergeTopics(known: readonly KnownTopic[], found: readonly TopicMetadata[]): readonly KnownTopic[] {
  const merged = new Map(known.map((topic) => [topic.id, topic]))
  for (const { name, id, partitions } of found) {
    const count = Math.max(partitions.length, merged.get(id)?.partitions ?? 0)
    merged.set(id, { name, id, partitions: count })
  }
  return [...merged.values()]
}
