import type { Sink, Source } from 'tidemark/connector'
import type { OpenKafkaClient } from './client/contract.ts'
import { openKafkaClient } from './client/kafka-client.ts'
import { clusterSettings } from './cluster-settings.ts'
import { json } from './codecs/json.ts'
import { nullable } from './codecs/nullable.ts'
import { text } from './codecs/text.ts'
import type { Decoder } from './codec.ts'
import type { ClusterConnection } from './connection.ts'
import type { ClusterOptions, KafkaRecord, KafkaSinkOptions, TopicOptions, TopicSelection } from './options.ts'
import { createRecordCursor } from './records/record-cursor.ts'
import { kafkaSink } from './sink/kafka-sink.ts'
import { kafkaSource } from './source/kafka-source.ts'
import { checkedDecoder, isDecoder, schemaOf, sourceSettings } from './source/source-settings.ts'

/** A Kafka cluster as sources and sinks of a job see it. Making one, and sources and sinks of it, reaches no broker. */
export interface KafkaCluster {
  /** Values of the records of topics. Timestamps of records are event times. */
  topic<V = unknown>(topics: TopicSelection, options?: Omit<TopicOptions<V>, 'key'>): Source<V>
  /** The same with key, headers, timestamp, partition and offset. */
  records<V = unknown, K = string | null>(
    topics: TopicSelection,
    options?: TopicOptions<V, K>,
  ): Source<KafkaRecord<V, K>>
  /** Writes to a topic, or to the topic that a function chooses for each record. */
  sink<T, D extends 'exactly-once' | 'at-least-once' = 'exactly-once'>(
    topic: string | ((record: T) => string),
    options?: KafkaSinkOptions<T> & { readonly delivery?: D },
  ): Sink<T, D>
}

/** A cluster reached at the given brokers; `INVALID_OPTION` when an option cannot be. */
export function kafka(options: ClusterOptions): KafkaCluster {
  return kafkaThrough(options, openKafkaClient)
}

/** `kafka` with clients of one's own, for tests. */
export function kafkaThrough(options: ClusterOptions, openClient: OpenKafkaClient): KafkaCluster {
  const settings = clusterSettings(options)
  const connection: ClusterConnection = {
    brokers: settings.brokers,
    open: (secret) => openClient(settings.resolve(secret)),
  }
  return {
    topic<V>(topics: TopicSelection, options: Omit<TopicOptions<V>, 'key'> = {}): Source<V> {
      const value = valueDecoder<V>(options.value)
      return kafkaSource<V>({
        settings: sourceSettings(topics, options, 'topic'),
        connection,
        format: { value, key: null },
        createCursor: createRecordCursor,
      })
    },
    records<V, K>(topics: TopicSelection, options: TopicOptions<V, K> = {}): Source<KafkaRecord<V, K>> {
      const value = valueDecoder<V>(options.value)
      const key = options.key === undefined ? nullable(text()) : checkedDecoder('key', options.key)
      return kafkaSource<KafkaRecord<V, K>>({
        settings: sourceSettings(topics, options, 'records'),
        connection,
        format: { value, key },
        createCursor: createRecordCursor,
      })
    },
    sink: (topic, options) => kafkaSink(connection, topic, options),
  }
}

function valueDecoder<V>(option: TopicOptions<V>['value']): Decoder<V> {
  if (option === undefined) return json() as Decoder<V>
  return isDecoder<V>(option) ? option : json<V>(schemaOf<V>('value', option))
}
