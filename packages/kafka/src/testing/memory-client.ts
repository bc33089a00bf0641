import { assert } from 'tidemark/connector'
import type {
  BrokerId,
  EpochEnd,
  EpochEndRequest,
  FetchedPartition,
  FetchPartition,
  FetchRequest,
  Isolation,
  KafkaClient,
  KafkaError,
  ListedTransaction,
  OffsetAnswer,
  OffsetRequest,
  PartitionOffset,
  ProduceBatch,
  ProducedPartition,
  ProduceRequest,
  ProducerIdentity,
  TopicMetadata,
  TopicPartition,
  TransactionDescription,
  TransactionIdentity,
  TransactionState,
} from '../client/contract.ts'
import type { MemoryCluster } from './memory-cluster.ts'
import { type FailureCode, memoryFailure } from './memory-failure.ts'
import type { Fault, Operation } from './memory-faults.ts'
import type { PartitionLog } from './partition-log.ts'
import { readBatchFacts } from './plain-batch.ts'

interface Answer<R> {
  readonly resolve: (result: R) => void
  readonly reject: (error: unknown) => void
}

type Failing = (partition: TopicPartition) => KafkaError | null

const NO_RECORDS = new Uint8Array(0)
const DEFAULT_MESSAGE_BYTES = '1048588'

/** Connections of one task or tool to a `MemoryCluster`. A request takes a turn of the event loop to arrive, its answer another one. */
export class MemoryClient implements KafkaClient {
  readonly name: string
  private readonly cluster: MemoryCluster
  private readonly pending = new Set<(error: KafkaError) => void>()
  private readonly fetching = new Set<BrokerId>()
  private state: 'open' | 'closed' | 'killed' = 'open'
  private isDeaf = false

  constructor(cluster: MemoryCluster, name: string) {
    this.cluster = cluster
    this.name = name
  }

  get isOpen(): boolean {
    return this.state === 'open'
  }

  topics(names: readonly string[] | null): Promise<readonly TopicMetadata[]> {
    return this.call('topics', null, [names], () =>
      this.cluster.metadata().filter(({ name }) => names === null || names.includes(name)),
    )
  }

  offsets(requests: readonly OffsetRequest[], isolation: Isolation): Promise<readonly OffsetAnswer[]> {
    return this.call('offsets', null, [requests, isolation], (failing) =>
      requests.map(({ topic, partition, at }) => {
        const log = this.cluster.findLog({ topic, partition })
        const error =
          failing({ topic, partition }) ??
          (log === null
            ? memoryFailure('UNKNOWN_TOPIC_OR_PARTITION', `${topic}[${partition}] does not exist`)
            : log.leader === null
              ? memoryFailure('LEADER_NOT_AVAILABLE', `${topic}[${partition}] has no leader`)
              : null)
        const offset = error === null ? offsetAt(log!, at, isolation) : -1
        return { topic, partition, offset, error }
      }),
    )
  }

  epochEnds(leader: BrokerId, requests: readonly EpochEndRequest[]): Promise<readonly EpochEnd[]> {
    return this.call('epochEnds', leader, [requests], (failing) =>
      requests.map(({ topic, partition, leaderEpoch, epoch }) => {
        const log = this.cluster.findLog({ topic, partition })
        const error = failing({ topic, partition }) ?? leaderError(log, leader, leaderEpoch, `${topic}[${partition}]`)
        return { topic, partition, error, ...(error === null ? log!.epochEnd(epoch) : { epoch: -1, endOffset: -1 }) }
      }),
    )
  }

  fetch(broker: BrokerId, request: FetchRequest): Promise<readonly FetchedPartition[]> {
    assert(!this.fetching.has(broker), `one fetch at a time from broker ${broker}`)
    this.fetching.add(broker)
    const answer = this.send<readonly FetchedPartition[]>('fetch', broker, [request], (failing, { resolve, reject }) =>
      this.longPoll(request, () => this.readAll(broker, request, failing), resolve, reject, broker),
    )
    const done = (): void => void this.fetching.delete(broker)
    answer.then(done, done)
    return answer
  }

  produce(broker: BrokerId, request: ProduceRequest): Promise<readonly ProducedPartition[]> {
    return this.call('produce', broker, [request], (failing) => {
      const produced = request.batches.map((batch) => this.append(broker, request.transactionalId, batch, failing))
      this.cluster.changed()
      return produced
    })
  }

  initializeProducer(transactionalId: string | null, transactionTimeoutMs: number): Promise<ProducerIdentity> {
    return this.call('initializeProducer', null, [transactionalId, transactionTimeoutMs], () =>
      this.cluster.transactions.initializeProducer(transactionalId, transactionTimeoutMs),
    )
  }

  addPartitions(transaction: TransactionIdentity, partitions: readonly TopicPartition[]): Promise<void> {
    return this.call('addPartitions', null, [transaction, partitions], () =>
      this.cluster.transactions.addPartitions(transaction, partitions),
    )
  }

  endTransaction(transaction: TransactionIdentity, outcome: 'commit' | 'abort'): Promise<void> {
    return this.call('endTransaction', null, [transaction, outcome], () =>
      this.cluster.transactions.endTransaction(transaction, outcome),
    )
  }

  describeTransaction(transactionalId: string): Promise<TransactionDescription | null> {
    return this.call('describeTransaction', null, [transactionalId], () =>
      this.cluster.transactions.describe(transactionalId),
    )
  }

  listTransactions(prefix: string, states: readonly TransactionState[]): Promise<readonly ListedTransaction[]> {
    return this.call('listTransactions', null, [prefix, states], () => this.cluster.transactions.list(prefix, states))
  }

  committedOffsets(group: string, partitions: readonly TopicPartition[]): Promise<readonly PartitionOffset[]> {
    return this.call('committedOffsets', null, [group, partitions], () =>
      partitions.flatMap(({ topic, partition }) => {
        const offset = this.cluster.groups.get(group)?.get(`${topic}[${partition}]`)
        return offset === undefined ? [] : [{ topic, partition, offset }]
      }),
    )
  }

  commitOffsets(group: string, offsets: readonly PartitionOffset[]): Promise<void> {
    return this.call('commitOffsets', null, [group, offsets], () => {
      const committed = this.cluster.groups.get(group) ?? new Map<string, number>()
      this.cluster.groups.set(group, committed)
      for (const { topic, partition, offset } of offsets) committed.set(`${topic}[${partition}]`, offset)
    })
  }

  brokerConfig(name: string): Promise<string | null> {
    return this.call('brokerConfig', null, [name], () => this.cluster.config.get(name) ?? null)
  }

  createTopic(topic: string, options: Parameters<KafkaClient['createTopic']>[1]): Promise<void> {
    return this.call('createTopic', null, [topic, options], () =>
      this.cluster.createTopic(topic, options.partitions, options.config),
    )
  }

  deleteTopic(topic: string): Promise<void> {
    return this.call('deleteTopic', null, [topic], () => {
      if (!this.cluster.topics.has(topic)) throw memoryFailure('UNKNOWN_TOPIC_OR_PARTITION', `no topic ${topic}`)
      this.cluster.deleteTopic(topic)
    })
  }

  deleteRecords(offsets: readonly PartitionOffset[]): Promise<void> {
    return this.call('deleteRecords', null, [offsets], () => {
      for (const { topic, partition, offset } of offsets) this.cluster.log(topic, partition).deleteBefore(offset)
      this.cluster.changed()
    })
  }

  async close(): Promise<void> {
    if (this.state !== 'open') return
    this.state = 'closed'
    for (const reject of this.pending) reject(memoryFailure('NETWORK', `client ${this.name} was closed`))
  }

  kill(underWay: 'arrive' | 'lost'): void {
    this.state = 'killed'
    this.isDeaf = underWay === 'lost'
  }

  private call<R>(
    operation: Operation,
    broker: BrokerId | null,
    args: readonly unknown[],
    effect: (failing: Failing) => R,
  ): Promise<R> {
    return this.send<R>(operation, broker, args, (failing, { resolve, reject }) => {
      try {
        resolve(effect(failing))
      } catch (error) {
        reject(error)
      }
    })
  }

  /** Lets the request travel, have its effect, and its answer come back, with whatever goes wrong on the way. */
  private send<R>(
    operation: Operation,
    broker: BrokerId | null,
    args: readonly unknown[],
    effect: (failing: Failing, answer: Answer<R>) => void,
  ): Promise<R> {
    return new Promise<R>((resolve, reject) => {
      const lost = (error: KafkaError): void => {
        this.pending.delete(lost)
        if (this.state !== 'killed') reject(error)
      }
      const answer = (settle: () => void): void =>
        void this.cluster.clock.defer(() => {
          if (!this.pending.delete(lost) || this.state === 'killed') return
          settle()
        })
      this.pending.add(lost)
      if (this.state !== 'open') {
        answer(() => reject(memoryFailure('NETWORK', `client ${this.name} was closed`)))
        return
      }
      const fault = this.cluster.nextFault(operation, this.name, broker, args)
      const arrive = (): void => {
        if (this.isDeaf) return
        const problem = this.unreachable(broker, fault)
        if (problem !== null) return answer(() => reject(problem))
        const isLost = fault?.kind === 'lost-response'
        const failing = failingPartitions(fault)
        effect(failing, {
          resolve: (result) => {
            const settle = (): void =>
              isLost ? reject(memoryFailure('NETWORK', 'the connection broke')) : resolve(result)
            if (fault?.kind === 'late') void fault.until.then(() => answer(settle))
            else answer(settle)
          },
          reject: (error) => answer(() => reject(error)),
        })
      }
      const travel = (): void => void this.cluster.clock.defer(arrive)
      if (fault?.kind === 'held') void fault.until.then(travel)
      else travel()
    })
  }

  private unreachable(broker: BrokerId | null, fault: Fault | null): KafkaError | null {
    const isRunning = broker === null ? this.cluster.hasRunningBroker : this.cluster.isRunning(broker)
    if (!isRunning) return memoryFailure('NETWORK', `no connection to broker ${broker ?? 'of the cluster'}`)
    if (fault?.kind === 'lost-request') return memoryFailure('NETWORK', 'the connection broke')
    if (fault?.kind === 'refused' && fault.partitions === undefined) return memoryFailure(fault.code, 'injected')
    return null
  }

  /** Answers when there is something to tell, or when the time is over. */
  private longPoll(
    request: FetchRequest,
    read: () => readonly FetchedPartition[],
    resolve: (fetched: readonly FetchedPartition[]) => void,
    reject: (error: unknown) => void,
    broker: BrokerId,
  ): void {
    const { cluster } = this
    let isDone = false
    const attempt = (isLast: boolean): void => {
      if (isDone) return
      const isDown = !cluster.isRunning(broker)
      const fetched = isDown ? [] : read()
      if (!isLast && !isDown && fetched.every(({ error, records }) => error === null && records.length === 0)) return
      isDone = true
      unsubscribe()
      cancel()
      if (isDown) reject(memoryFailure('NETWORK', `broker ${broker} went away`))
      else resolve(fetched)
    }
    const unsubscribe = cluster.onChange(() => attempt(false))
    const last = (): void => attempt(true)
    const cancel = cluster.hasOwnClock ? cluster.clock.defer(last) : cluster.clock.schedule(request.maxWaitMs, last)
    attempt(false)
  }

  private readAll(broker: BrokerId, request: FetchRequest, failing: Failing): readonly FetchedPartition[] {
    let room = request.maxBytes
    let isFirst = true
    return request.partitions.map((partition) => {
      const fetched = this.read(
        broker,
        request.isolation,
        partition,
        Math.min(room, partition.maxBytes),
        isFirst,
        failing,
      )
      if (fetched.records.length > 0) isFirst = false
      room = Math.max(0, room - fetched.records.length)
      return fetched
    })
  }

  private read(
    broker: BrokerId,
    isolation: Isolation,
    request: FetchPartition,
    maxBytes: number,
    isFirst: boolean,
    failing: Failing,
  ): FetchedPartition {
    const { topic, partition, offset } = request
    const log = this.cluster.findLog({ topic, partition })
    const error = failing({ topic, partition }) ?? this.fetchError(broker, request, log)
    const where = { topic, partition, error }
    if (error !== null) {
      const unknown = { highWatermark: -1, lastStableOffset: -1, logStartOffset: -1 }
      return { ...where, ...unknown, abortedTransactions: [], records: NO_RECORDS }
    }
    const { highWatermark, lastStableOffset, logStartOffset } = log!
    const known = { ...where, highWatermark, lastStableOffset, logStartOffset }
    return { ...known, ...log!.read(offset, isolation, maxBytes, isFirst) }
  }

  private fetchError(broker: BrokerId, request: FetchPartition, log: PartitionLog | null): KafkaError | null {
    const { topic, topicId, partition, offset, leaderEpoch } = request
    const refuse = (code: FailureCode): KafkaError => memoryFailure(code, `fetch of ${topic}[${partition}]`)
    if (this.cluster.topics.get(topic)?.id !== topicId) return refuse('UNKNOWN_TOPIC_ID')
    const refusal = leaderError(log, broker, leaderEpoch, `fetch of ${topic}[${partition}]`)
    if (refusal !== null) return refusal
    const { logStartOffset, highWatermark } = log!
    return offset < logStartOffset || offset > highWatermark ? refuse('OFFSET_OUT_OF_RANGE') : null
  }

  private append(
    broker: BrokerId,
    transactionalId: string | null,
    { topic, partition, batch }: ProduceBatch,
    failing: Failing,
  ): ProducedPartition {
    try {
      const error = failing({ topic, partition })
      if (error !== null) throw error
      const log = this.cluster.findLog({ topic, partition })
      if (log === null) throw memoryFailure('UNKNOWN_TOPIC_OR_PARTITION', `${topic}[${partition}] does not exist`)
      if (log.leader !== broker) throw memoryFailure('NOT_LEADER_OR_FOLLOWER', `leader is broker ${log.leader}`)
      this.checkBatch(transactionalId, { topic, partition, batch }, log)
      return { topic, partition, error: null, baseOffset: log.append(batch) }
    } catch (error) {
      if (!(error instanceof Error && error.name === 'KafkaError')) throw error
      return { topic, partition, error: error as KafkaError, baseOffset: -1 }
    }
  }

  private checkBatch(
    transactionalId: string | null,
    { topic, partition, batch }: ProduceBatch,
    log: PartitionLog,
  ): void {
    const { config } = this.cluster.topic(topic)
    const most = Number(config['max.message.bytes'] ?? DEFAULT_MESSAGE_BYTES)
    if (batch.length > most) throw memoryFailure('MESSAGE_TOO_LARGE', `${batch.length} bytes are more than ${most}`)
    const facts = readBatchFacts(batch)
    if (facts === null || !facts.isTransactional) return
    assert(transactionalId !== null, 'a transactional batch names its transaction in the request')
    const { producerId, producerEpoch } = facts
    // As leaders do: only where no transaction of the producer is open on the partition yet.
    if (log.hasOpenTransaction(producerId)) return
    this.cluster.transactions.verify({ transactionalId, producerId, producerEpoch }, { topic, partition })
  }
}

/** What a broker answers that does not lead the partition, or not in the epoch that it is taken for. */
function leaderError(log: PartitionLog | null, broker: BrokerId, leaderEpoch: number, what: string): KafkaError | null {
  if (log === null) return memoryFailure('UNKNOWN_TOPIC_OR_PARTITION', what)
  if (log.leader !== broker) return memoryFailure('NOT_LEADER_OR_FOLLOWER', what)
  if (leaderEpoch >= 0 && leaderEpoch < log.leaderEpoch) return memoryFailure('FENCED_LEADER_EPOCH', what)
  return leaderEpoch > log.leaderEpoch ? memoryFailure('UNKNOWN_LEADER_EPOCH', what) : null
}

function offsetAt(log: PartitionLog, at: OffsetRequest['at'], isolation: Isolation): number {
  if (at === 'earliest') return log.logStartOffset
  if (at === 'latest') return isolation === 'committed' ? log.lastStableOffset : log.highWatermark
  return log.offsetAt(at.timestampMs, isolation)
}

function failingPartitions(fault: Fault | null): Failing {
  if (fault?.kind !== 'refused' || fault.partitions === undefined) return () => null
  const { code, partitions } = fault
  return ({ topic, partition }) => {
    const isHit = partitions.some((other) => other.topic === topic && other.partition === partition)
    return isHit ? memoryFailure(code, `${topic}[${partition}], injected`) : null
  }
}
