import type { Duration, Secret, Sink, StandardSchema } from 'tidemark/connector'
import type { Decoder, Encoder } from './codec.ts'

/** How a cluster is reached. Serializable apart from secrets, which are resolved where a connection is opened. */
export interface ClusterOptions {
  /** `host:port`, comma separated or a list: where the first connection is made. */
  readonly brokers: string | readonly string[]
  /** How brokers see this client in their logs and quotas. Default: `tidemark`. */
  readonly clientId?: string
  readonly tls?: boolean | TlsOptions
  readonly sasl?: SaslOptions
  /** Default: 30s. */
  readonly requestTimeout?: Duration
  /** Default: 10s. */
  readonly connectTimeout?: Duration
}

/** PEM texts; the private key and its passphrase only as secrets. */
export interface TlsOptions {
  readonly ca?: string | Secret
  readonly cert?: string | Secret
  readonly key?: Secret
  readonly passphrase?: Secret
  readonly serverName?: string
}

export interface SaslOptions {
  readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'
  readonly username: string | Secret
  readonly password: Secret
}

/** A record as Kafka holds it, its value (and key) decoded. */
export interface KafkaRecord<V, K = string | null> {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** Milliseconds: the producer's or the broker's time, as the topic is configured. */
  readonly timestamp: number
  readonly key: K
  readonly value: V
  readonly headers: readonly KafkaHeader[]
}

export interface KafkaHeader {
  readonly name: string
  readonly value: Uint8Array | null
}

/** A record that could not be decoded. */
export interface BadRecord {
  readonly source: string
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly KafkaHeader[]
  readonly error: string
}

/** Where reading begins when no checkpoint says it. `group`: offsets that this group has committed; `otherwise` for partitions without one. */
export type StartOffsets =
  | 'earliest'
  | 'latest'
  | { readonly timestamp: number | Date }
  | { readonly group: string; readonly otherwise?: 'earliest' | 'latest' | 'fail' }
  | {
      readonly offsets: readonly { readonly topic: string; readonly partition: number; readonly offset: number }[]
      readonly otherwise?: 'earliest' | 'latest' | 'fail'
    }

/** Where a bounded source ends: at what is there when it first starts, at a time, or before given offsets (partitions without one are not read). */
export type StopOffsets =
  | 'latest'
  | { readonly timestamp: number | Date }
  | { readonly offsets: readonly { readonly topic: string; readonly partition: number; readonly offset: number }[] }

/** Topics by name, or by a pattern that a topic's whole name has to match (found anew at each discovery). */
export type TopicSelection = string | readonly string[] | RegExp

export interface TopicOptions<V, K = string | null> {
  /** How values are decoded; a Standard Schema (zod, …) means JSON checked by it. Default: JSON. */
  readonly value?: Decoder<V> | StandardSchema<V>
  /** How keys are decoded for `records: true`. Default: UTF-8 text or null. */
  readonly key?: Decoder<K>
  /** Default: `earliest`. */
  readonly start?: StartOffsets
  /** Bounded: the job ends there. Default: never. */
  readonly stop?: StopOffsets
  /** Default: committed. */
  readonly isolation?: 'committed' | 'uncommitted'
  /** How often new partitions and (by pattern) topics are looked for. Default: 30s; null: never. */
  readonly discoveryInterval?: Duration | null
  /** Group under which offsets are committed after each checkpoint, as information for monitoring; nothing is ever read from it on restore. */
  readonly group?: string
  /**
   * The position is not there any more: retention has deleted it, or the log was cut off before it (an unclean leader election), also where it has grown again since. Default: fail. A log that was
   * cut off is read on from where it differs.
   */
  readonly onOutOfRange?: 'fail' | 'earliest' | 'latest'
  /** A topic that is being read was deleted. Default: fail. `end`: its partitions count as ended. */
  readonly onDeletedTopic?: 'fail' | 'end'
  /** A record that cannot be decoded. Default: fail. A sink takes `BadRecord`s: dead letters. */
  readonly onBadRecord?: 'fail' | 'skip' | Sink<BadRecord>
  /** How long partitions may be out of reach (no leader, no connection) before the source fails. Default: 5m. */
  readonly unavailableTimeout?: Duration
  /** Bytes fetched ahead per task at most. Default: 32 MiB. */
  readonly fetchAheadBytes?: number
}

export interface KafkaSinkOptions<T> {
  /** A codec for the whole record, or what of a record is written: bytes as they are, null as a tombstone, anything else by `codec`. Default: the record. */
  readonly value?: Encoder<unknown> | ((record: T) => unknown)
  /** How what the function `value` returns is encoded. Default: JSON. */
  readonly codec?: Encoder<unknown>
  readonly key?: (record: T) => string | Uint8Array | null
  readonly headers?: (record: T) => readonly KafkaHeader[] | Readonly<Record<string, string>>
  /** Milliseconds; default: the record's event time where it has one, else now. */
  readonly timestamp?: (record: T) => number
  /** Default: as Kafka's own producers: murmur2 of the key, sticky batches without one. */
  readonly partition?: (record: T, partitions: number) => number
  /** Default: exactly-once. */
  readonly delivery?: 'exactly-once' | 'at-least-once'
  /** How long a broker keeps a transaction open: has to cover the checkpoint interval and the longest expected downtime. Default: 15m, the default limit of brokers. */
  readonly transactionTimeout?: Duration
  /** Begins the transactional ids of this sink; default: job and operator. Must be unique in the cluster. */
  readonly transactionalIdPrefix?: string
  readonly compression?: 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'
  /** Default: 64 KiB. */
  readonly batchBytes?: number
  /** Default: 5ms. */
  readonly linger?: Duration
  /** Bytes of unacknowledged batches per task at most: above, the task waits. Default: 32 MiB. */
  readonly bufferBytes?: number
  /** How long a batch or a request is tried again before the sink fails: has to cover the restart of a broker. Default: 2m. */
  readonly deliveryTimeout?: Duration
  /**
   * A directory, as durable as that of the checkpoints, in which the records of every transaction are kept until its commit is confirmed. A transaction that a broker has timed out
   * meanwhile is then written again, exactly once, instead of being reported as lost. Default: none; every record is written twice with it, and synced with every checkpoint.
   */
  readonly keepUntilCommitted?: string
}
