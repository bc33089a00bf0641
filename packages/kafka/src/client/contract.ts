/**
 * What source, sink and tools know of a cluster: the only door to the network. One client per task or committer, with its own connections; all calls are
 * asynchronous, may overlap, and reject with a `KafkaError`. Retries are the caller's: a client sends a request once, but finds leaders and coordinators
 * anew where an earlier answer said that they have moved.
 *
 * Offsets, leader epochs and times in milliseconds are safe integers; producer ids, which brokers hand out over 64 bits, are bigints.
 */
export interface KafkaClient {
  /** Topics by name; those that do not exist are left out. Null: all topics. Always asks a broker. */
  topics(names: readonly string[] | null): Promise<readonly TopicMetadata[]>
  /** Offsets by position, in the order of the requests. A time after the newest record: the end. */
  offsets(requests: readonly OffsetRequest[], isolation: Isolation): Promise<readonly OffsetAnswer[]>
  /** Where the records of a leader epoch end in the log of a leader: tells whether records that were read are still there. */
  epochEnds(leader: BrokerId, requests: readonly EpochEndRequest[]): Promise<readonly EpochEnd[]>
  /** One long poll to one broker. Must not overlap with another fetch from the same broker; other calls may. */
  fetch(broker: BrokerId, request: FetchRequest): Promise<readonly FetchedPartition[]>
  /** Appends one batch per partition, acknowledged by all in-sync replicas. */
  produce(broker: BrokerId, request: ProduceRequest): Promise<readonly ProducedPartition[]>

  /**
   * A producer id and epoch. With a transactional id: fences whoever had that id and aborts what it left open. Without: an idempotent producer.
   * A timeout above the broker's `transaction.max.timeout.ms` is error INVALID_TRANSACTION_TIMEOUT.
   */
  initializeProducer(transactionalId: string | null, transactionTimeoutMs: number): Promise<ProducerIdentity>
  /** Before the first record to a partition in a transaction. */
  addPartitions(transaction: TransactionIdentity, partitions: readonly TopicPartition[]): Promise<void>
  /** Idempotent for the same identity and outcome. Known answers of brokers to other cases are in docs/design (transactions). */
  endTransaction(transaction: TransactionIdentity, outcome: 'commit' | 'abort'): Promise<void>
  /** Null when the coordinator does not know the id. */
  describeTransaction(transactionalId: string): Promise<TransactionDescription | null>
  /** Of all brokers: transactional ids in one of these states (all, when empty) that begin with the prefix. */
  listTransactions(prefix: string, states: readonly TransactionState[]): Promise<readonly ListedTransaction[]>

  /** Offsets that a consumer group has committed; partitions without one are left out. */
  committedOffsets(group: string, partitions: readonly TopicPartition[]): Promise<readonly PartitionOffset[]>
  /** As information for people and tools, without being a member of the group; fails while the group has members. */
  commitOffsets(group: string, offsets: readonly PartitionOffset[]): Promise<void>

  /** A broker's setting; null where it is not known or may not be read. */
  brokerConfig(name: string): Promise<string | null>
  /** For tests, examples and tools; an existing topic is error TOPIC_ALREADY_EXISTS. Resolves when its leaders take records. */
  createTopic(
    topic: string,
    options: {
      readonly partitions: number
      /** Default: as many as brokers give topics that do not say. */
      readonly replicas?: number
      readonly config?: Readonly<Record<string, string>>
    },
  ): Promise<void>
  deleteTopic(topic: string): Promise<void>
  /** Deletes all records before these offsets. */
  deleteRecords(offsets: readonly PartitionOffset[]): Promise<void>

  /** Ends all connections; calls under way reject. */
  close(): Promise<void>
}

export type BrokerId = number

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

export interface PartitionOffset extends TopicPartition {
  readonly offset: number
}

export interface TopicMetadata {
  readonly name: string
  /** The topic's UUID: changes when a topic is deleted and made again under the same name. */
  readonly id: string
  readonly isInternal: boolean
  readonly partitions: readonly PartitionMetadata[]
}

export interface PartitionMetadata {
  readonly partition: number
  /** Null while there is no leader. */
  readonly leader: BrokerId | null
  readonly leaderEpoch: number
}

/** `committed`: up to the last stable offset, and the caller has to leave out aborted transactions. */
export type Isolation = 'committed' | 'uncommitted'

export interface OffsetRequest extends TopicPartition {
  readonly at: 'earliest' | 'latest' | { readonly timestampMs: number }
}

export interface OffsetAnswer extends TopicPartition {
  readonly offset: number
  /** Null, or why this partition has no answer: `error.isRetriable` after `topics` was asked anew. */
  readonly error: KafkaError | null
}

export interface EpochEndRequest extends TopicPartition {
  /** Of the leader that is asked, as the caller knows it. */
  readonly leaderEpoch: number
  /** The one that is asked for. */
  readonly epoch: number
}

/** The newest epoch up to the one asked for of which the leader has records, and the offset after the last of them; both -1 where it knows none. */
export interface EpochEnd extends TopicPartition {
  readonly error: KafkaError | null
  readonly epoch: number
  readonly endOffset: number
}

export interface FetchRequest {
  readonly isolation: Isolation
  /** The broker answers when it has at least one byte, or after this time. */
  readonly maxWaitMs: number
  readonly maxBytes: number
  readonly partitions: readonly FetchPartition[]
}

export interface FetchPartition extends TopicPartition {
  readonly topicId: string
  readonly leaderEpoch: number
  readonly offset: number
  readonly maxBytes: number
}

export interface FetchedPartition extends TopicPartition {
  /** Null, or why there are no records: UNKNOWN_TOPIC_ID, NOT_LEADER_OR_FOLLOWER, OFFSET_OUT_OF_RANGE, … */
  readonly error: KafkaError | null
  readonly highWatermark: number
  readonly lastStableOffset: number
  readonly logStartOffset: number
  readonly abortedTransactions: readonly AbortedTransaction[]
  /** Record batches as the broker stores them; the first may begin before the offset asked for, the last may be cut off. They stay as they are for as long as someone holds them. */
  readonly records: Uint8Array
}

/** Records of this producer from this offset on, until its next abort marker, are not to be seen. */
export interface AbortedTransaction {
  readonly producerId: bigint
  readonly firstOffset: number
}

export interface ProduceRequest {
  readonly transactionalId: string | null
  readonly timeoutMs: number
  readonly batches: readonly ProduceBatch[]
}

export interface ProduceBatch extends TopicPartition {
  /** One record batch (magic 2), complete with producer id, epoch, sequence and checksum. */
  readonly batch: Uint8Array
}

export interface ProducedPartition extends TopicPartition {
  /** Null, or why the batch was refused. DUPLICATE_SEQUENCE_NUMBER means that it is there already. */
  readonly error: KafkaError | null
  readonly baseOffset: number
}

export interface ProducerIdentity {
  readonly producerId: bigint
  readonly producerEpoch: number
}

export interface TransactionIdentity extends ProducerIdentity {
  readonly transactionalId: string
}

export type TransactionState =
  | 'Empty'
  | 'Ongoing'
  | 'PrepareCommit'
  | 'PrepareAbort'
  | 'CompleteCommit'
  | 'CompleteAbort'
  | 'Dead'
  | 'PrepareEpochFence'

export interface ListedTransaction {
  readonly transactionalId: string
  readonly producerId: bigint
  readonly state: TransactionState
}

export interface TransactionDescription extends TransactionIdentity {
  readonly state: TransactionState
  readonly timeoutMs: number
  /** Null where none is open. */
  readonly startedAtMs: number | null
  readonly partitions: readonly TopicPartition[]
}

/** What a broker answered, or what happened on the way to it. Never holds a password. */
export interface KafkaError extends Error {
  readonly name: 'KafkaError'
  /** Kafka's name of the error: `NOT_LEADER_OR_FOLLOWER`; `NETWORK` and `TIMEOUT` for those that no broker sent, `AUTHENTICATION`, `TLS` for refused logins, `CLOSED` for a client that was closed. */
  readonly code: string
  /** The same request may succeed later, after metadata or coordinator were found anew. */
  readonly isRetriable: boolean
}

/** Opens connections when they are needed; `open` itself reaches no broker. */
export type OpenKafkaClient = (settings: ClientSettings) => KafkaClient

/** `ClusterOptions` with secrets resolved and durations in milliseconds. */
export interface ClientSettings {
  readonly brokers: readonly { readonly host: string; readonly port: number }[]
  readonly clientId: string
  readonly requestTimeoutMs: number
  readonly connectTimeoutMs: number
  readonly tls: TlsSettings | null
  readonly sasl: {
    readonly mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512'
    readonly username: string
    readonly password: string
  } | null
}

export interface TlsSettings {
  /** PEM texts. `ca`: what brokers' certificates are checked against, instead of the system's authorities. */
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
  readonly passphrase?: string
  /** The name expected in the certificate, where it is not the host's. */
  readonly serverName?: string
}
