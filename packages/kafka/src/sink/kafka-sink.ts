import { type Delivery, SINK, type Sink } from 'tidemark/connector'
import type { ClusterConnection } from '../connection.ts'
import type { KafkaSinkOptions } from '../options.ts'
import { KafkaCommitter } from './kafka-committer.ts'
import { KafkaWriter } from './kafka-writer.ts'
import { encoderOf, RecordEncoder } from './record-encoder.ts'
import { checkTopicName, sinkSettings } from './sink-settings.ts'

/** A sink that writes to a topic, or to the topic that a function chooses for each record. */
export function kafkaSink<T, D extends Delivery = 'exactly-once'>(
  connection: ClusterConnection,
  topic: string | ((record: T) => string),
  options: KafkaSinkOptions<T> & { readonly delivery?: D } = {},
): Sink<T, D> {
  const settings = sinkSettings(options)
  const codec = encoderOf(options)
  const name = typeof topic === 'function' ? null : checkTopicName(topic)
  const sink = {
    [SINK]: {},
    kind: 'kafka',
    delivery: settings.delivery as D,
    describe: {
      brokers: connection.brokers,
      topic: name ?? '(chosen by a function)',
      ...(codec === undefined ? {} : { value: codec.kind }),
    },
    createWriter: (context) =>
      new KafkaWriter<T>(context, { settings, connection, topic, encoder: new RecordEncoder(options, context.secret) }),
  } satisfies Sink<T, D>
  if (settings.delivery === 'at-least-once') return sink
  return { ...sink, createCommitter: (context) => new KafkaCommitter(context, { settings, connection, topic: name }) }
}
