import { assert } from 'tidemark/connector'
import { Cluster } from './cluster.ts'
import type {
  BrokerId,
  EpochEnd,
  EpochEndRequest,
  FetchedPartition,
  FetchRequest,
  Isolation,
  KafkaClient,
  KafkaError,
  ListedTransaction,
  OffsetAnswer,
  OffsetRequest,
  OpenKafkaClient,
  PartitionOffset,
  ProducedPartition,
  ProduceRequest,
  ProducerIdentity,
  TopicMetadata,
  TopicPartition,
  TransactionDescription,
  TransactionIdentity,
  TransactionState,
} from './contract.ts'
import { brokerError, kafkaError } from './kafka-error.ts'
import { listOffsets } from './list-offsets.ts'
import type { Api } from './protocol/api.ts'
import {
  COORDINATOR_OF_GROUP,
  COORDINATOR_OF_TRANSACTION,
  CREATE_TOPICS,
  DEFAULT_REPLICAS,
  DELETE_RECORDS,
  DELETE_TOPICS,
  DESCRIBE_CONFIGS,
} from './protocol/cluster-apis.ts'
import { OFFSET_COMMIT, OFFSET_FETCH } from './protocol/group-apis.ts'
import { FETCH, OFFSET_FOR_LEADER_EPOCH, PRODUCE } from './protocol/record-apis.ts'
import {
  ADD_PARTITIONS_TO_TXN,
  DESCRIBE_TRANSACTIONS,
  END_TXN,
  INIT_PRODUCER_ID,
  LIST_TRANSACTIONS,
} from './protocol/transaction-apis.ts'

/** How often it is looked whether a topic that was created is there. */
const CREATED_TOPIC_POLL_MS = 20

export const openKafkaClient: OpenKafkaClient = (settings) => new NetworkClient(new Cluster(settings))

class NetworkClient implements KafkaClient {
  private readonly cluster: Cluster
  private readonly fetching = new Set<BrokerId>()

  constructor(cluster: Cluster) {
    this.cluster = cluster
  }

  async topics(names: readonly string[] | null): Promise<readonly TopicMetadata[]> {
    const response = await this.cluster.metadata(names)
    const topics: TopicMetadata[] = []
    for (const { error, name, id, isInternal, partitions } of response.topics) {
      const failure = brokerError(error, `topic ${name}`)
      if (failure?.code === 'UNKNOWN_TOPIC_OR_PARTITION') {
        if (name !== null) this.cluster.onLeaderError(name, failure)
        continue
      }
      if (failure !== null) throw failure
      if (name === null) throw kafkaError('CORRUPT_MESSAGE', 'a broker told of a topic without a name')
      topics.push({
        name,
        id,
        isInternal,
        partitions: partitions
          .map(({ partition, leader, leaderEpoch }) => ({ partition, leader: leader < 0 ? null : leader, leaderEpoch }))
          .toSorted((left, right) => left.partition - right.partition),
      })
    }
    this.cluster.learnLeaders(topics)
    return topics
  }

  offsets(requests: readonly OffsetRequest[], isolation: Isolation): Promise<readonly OffsetAnswer[]> {
    return listOffsets(this.cluster, (names) => this.topics(names), requests, isolation)
  }

  async epochEnds(leader: BrokerId, requests: readonly EpochEndRequest[]): Promise<readonly EpochEnd[]> {
    const ends = await this.cluster.ask(leader, 'other', OFFSET_FOR_LEADER_EPOCH, requests)
    return ends.map(({ topic, partition, error: number, epoch, endOffset }) => {
      const error = brokerError(number, `the end of a leader epoch of ${topic}-${partition}`)
      this.cluster.onLeaderError(topic, error)
      return { topic, partition, error, epoch, endOffset }
    })
  }

  async fetch(broker: BrokerId, request: FetchRequest): Promise<readonly FetchedPartition[]> {
    assert(!this.fetching.has(broker), 'one fetch at a time from a broker')
    this.fetching.add(broker)
    try {
      const response = await this.cluster.ask(broker, 'fetch', FETCH, request, request.maxWaitMs)
      const failure = brokerError(response.error, `a fetch from broker ${broker}`)
      if (failure !== null) throw failure
      const names = new Map(request.partitions.map(({ topicId, topic }) => [topicId, topic]))
      return response.partitions.map(({ topicId, error: number, ...rest }) => {
        const topic = names.get(topicId)
        if (topic === undefined) throw kafkaError('CORRUPT_MESSAGE', `broker ${broker} sent a topic nobody asked for`)
        const error = brokerError(number, `reading ${topic}-${rest.partition}`)
        this.cluster.onLeaderError(topic, error)
        return { topic, error, ...rest }
      })
    } finally {
      this.fetching.delete(broker)
    }
  }

  async produce(broker: BrokerId, request: ProduceRequest): Promise<readonly ProducedPartition[]> {
    const partitions = await this.cluster.ask(broker, 'other', PRODUCE, request, request.timeoutMs)
    return partitions.map(({ topic, partition, error: number, errorMessage, baseOffset }) => {
      const error = brokerError(number, withReason(`writing to ${topic}-${partition}`, errorMessage))
      this.cluster.onLeaderError(topic, error)
      return { topic, partition, error, baseOffset }
    })
  }

  async initializeProducer(transactionalId: string | null, transactionTimeoutMs: number): Promise<ProducerIdentity> {
    const request = { transactionalId, timeoutMs: transactionTimeoutMs }
    if (transactionalId === null) {
      const { error, ...identity } = await this.cluster.askAny(INIT_PRODUCER_ID, request)
      throwIf(brokerError(error, 'a producer id'))
      return identity
    }
    const { error, ...identity } = await this.askTransaction(transactionalId, INIT_PRODUCER_ID, request)
    this.checkTransaction(transactionalId, error, 'initialize')
    return identity
  }

  async addPartitions(transaction: TransactionIdentity, partitions: readonly TopicPartition[]): Promise<void> {
    const { transactionalId } = transaction
    const results = await this.askTransaction(transactionalId, ADD_PARTITIONS_TO_TXN, { transaction, partitions })
    if (results.length < partitions.length) {
      throw kafkaError('CORRUPT_MESSAGE', `not all partitions were answered for in the transaction ${transactionalId}`)
    }
    const failures = results.flatMap(({ topic, partition, error }) => {
      const failure = brokerError(error, `adding ${topic}-${partition} to the transaction ${transactionalId}`)
      return failure === null ? [] : [failure]
    })
    // What was not even tried says nothing about why.
    const failure = failures.find(({ code }) => code !== 'OPERATION_NOT_ATTEMPTED') ?? failures[0]
    if (failure === undefined) return
    this.cluster.onCoordinatorError(COORDINATOR_OF_TRANSACTION, transactionalId, failure)
    throw failure
  }

  async endTransaction(transaction: TransactionIdentity, outcome: 'commit' | 'abort'): Promise<void> {
    const { transactionalId } = transaction
    const error = await this.askTransaction(transactionalId, END_TXN, { transaction, isCommit: outcome === 'commit' })
    this.checkTransaction(transactionalId, error, outcome)
  }

  async describeTransaction(transactionalId: string): Promise<TransactionDescription | null> {
    const [found] = await this.askTransaction(transactionalId, DESCRIBE_TRANSACTIONS, transactionalId)
    if (found === undefined) return null
    const { error, state, startedAtMs, ...rest } = found
    if (brokerError(error, '')?.code === 'TRANSACTIONAL_ID_NOT_FOUND') return null
    this.checkTransaction(transactionalId, error, 'describe')
    return { ...rest, state: state as TransactionState, startedAtMs: startedAtMs < 0 ? null : startedAtMs }
  }

  async listTransactions(prefix: string, states: readonly TransactionState[]): Promise<readonly ListedTransaction[]> {
    await this.cluster.metadata([])
    const answers = await Promise.all(
      this.cluster.brokerIds().map(async (broker) => {
        const { error, transactions } = await this.cluster.ask(broker, 'other', LIST_TRANSACTIONS, states)
        throwIf(brokerError(error, `the transactions of broker ${broker}`))
        return transactions
      }),
    )
    // While a coordinator moves both may name an id.
    const found = new Map<string, ListedTransaction>()
    for (const transaction of answers.flat()) {
      const { transactionalId } = transaction
      const state = transaction.state as TransactionState
      if (transactionalId.startsWith(prefix)) found.set(transactionalId, { ...transaction, state })
    }
    return [...found.values()]
  }

  async committedOffsets(group: string, partitions: readonly TopicPartition[]): Promise<readonly PartitionOffset[]> {
    const request = { group, partitions }
    const [answer] = await this.cluster.askCoordinator(COORDINATOR_OF_GROUP, group, OFFSET_FETCH, request)
    if (answer === undefined) return []
    this.checkGroup(group, answer.error, 'the offsets')
    for (const { topic, partition, error } of answer.offsets) {
      this.checkGroup(group, error, `the offset of ${topic}-${partition}`)
    }
    return answer.offsets
      .filter(({ offset }) => offset >= 0)
      .map(({ topic, partition, offset }) => ({ topic, partition, offset }))
  }

  async commitOffsets(group: string, offsets: readonly PartitionOffset[]): Promise<void> {
    const request = { group, offsets }
    const results = await this.cluster.askCoordinator(COORDINATOR_OF_GROUP, group, OFFSET_COMMIT, request)
    for (const { topic, partition, error } of results) {
      this.checkGroup(group, error, `committing the offset of ${topic}-${partition}`)
    }
  }

  async brokerConfig(name: string): Promise<string | null> {
    await this.cluster.metadata([])
    const [broker] = this.cluster.brokerIds()
    if (broker === undefined) return null
    const [answer] = await this.cluster.ask(broker, 'other', DESCRIBE_CONFIGS, { broker, name })
    const failure = answer === undefined ? null : brokerError(answer.error, `the configuration of broker ${broker}`)
    if (failure?.code === 'CLUSTER_AUTHORIZATION_FAILED') return null
    throwIf(failure)
    return answer?.values.find(([key]) => key === name)?.[1] ?? null
  }

  async createTopic(
    topic: string,
    options: {
      readonly partitions: number
      readonly replicas?: number
      readonly config?: Readonly<Record<string, string>>
    },
  ): Promise<void> {
    const { requestTimeoutMs: timeoutMs } = this.cluster.settings
    const { partitions, replicas = DEFAULT_REPLICAS, config = {} } = options
    const request = { name: topic, partitions, replicas, config, timeoutMs }
    const [answer] = await this.cluster.askAny(CREATE_TOPICS, request, timeoutMs)
    if (answer !== undefined) {
      throwIf(brokerError(answer.error, withReason(`creating the topic ${topic}`, answer.errorMessage)))
    }
    const deadline = performance.now() + timeoutMs
    for (;;) {
      if (await this.isServed(topic, options.partitions)) return
      if (performance.now() > deadline) {
        throw kafkaError('TIMEOUT', `the topic ${topic} was created, and is not there after ${timeoutMs} ms`)
      }
      await new Promise((resolve) => void setTimeout(resolve, CREATED_TOPIC_POLL_MS))
    }
  }

  /** Metadata knows a topic a moment before its leaders take records. */
  private async isServed(topic: string, partitions: number): Promise<boolean> {
    await this.topics([topic])
    const requests = Array.from({ length: partitions }, (_, partition) => ({ topic, partition, at: 'latest' as const }))
    return (await this.offsets(requests, 'uncommitted')).every(({ error }) => error === null)
  }

  async deleteTopic(topic: string): Promise<void> {
    const { requestTimeoutMs: timeoutMs } = this.cluster.settings
    const [answer] = await this.cluster.askAny(DELETE_TOPICS, { topic, timeoutMs }, timeoutMs)
    this.cluster.onLeaderError(topic, kafkaError('UNKNOWN_TOPIC_OR_PARTITION', topic))
    if (answer !== undefined) {
      throwIf(brokerError(answer.error, withReason(`deleting the topic ${topic}`, answer.errorMessage)))
    }
  }

  async deleteRecords(offsets: readonly PartitionOffset[]): Promise<void> {
    const { requestTimeoutMs: timeoutMs } = this.cluster.settings
    await this.topics([...new Set(offsets.map(({ topic }) => topic))])
    const byBroker = new Map<BrokerId, PartitionOffset[]>()
    for (const offset of offsets) {
      const leader = this.cluster.leader(offset)
      const name = `${offset.topic}-${offset.partition}`
      if (leader === undefined) throw kafkaError('LEADER_NOT_AVAILABLE', `${name} has no leader or does not exist`)
      byBroker.set(leader, [...(byBroker.get(leader) ?? []), offset])
    }
    for (const [broker, ofBroker] of byBroker) {
      const request = { offsets: ofBroker, timeoutMs }
      const results = await this.cluster.ask(broker, 'other', DELETE_RECORDS, request, timeoutMs)
      for (const { topic, partition, error } of results) {
        throwIf(brokerError(error, `deleting records of ${topic}-${partition}`))
      }
    }
  }

  close(): Promise<void> {
    this.cluster.close()
    return Promise.resolve()
  }

  private askTransaction<Request, Response>(
    transactionalId: string,
    api: Api<Request, Response>,
    request: Request,
  ): Promise<Response> {
    return this.cluster.askCoordinator(COORDINATOR_OF_TRANSACTION, transactionalId, api, request)
  }

  private checkTransaction(transactionalId: string, number: number, what: string): void {
    const error = brokerError(number, `the transaction ${transactionalId} (${what})`)
    this.cluster.onCoordinatorError(COORDINATOR_OF_TRANSACTION, transactionalId, error)
    throwIf(error)
  }

  private checkGroup(group: string, number: number, what: string): void {
    const error = brokerError(number, `${what} of the group ${group}`)
    this.cluster.onCoordinatorError(COORDINATOR_OF_GROUP, group, error)
    throwIf(error)
  }
}

function throwIf(error: KafkaError | null): void {
  if (error !== null) throw error
}

function withReason(what: string, reason: string | null): string {
  return reason === null || reason === '' ? what : `${what} (${reason})`
}
