import { SOURCE, type Source } from 'tidemark/connector'
import type { ClusterConnection } from '../connection.ts'
import type { RecordCursor } from '../records/contract.ts'
import { KafkaEnumerator } from './kafka-enumerator.ts'
import { KafkaReader } from './kafka-reader.ts'
import type { RecordFormat } from './record-decoding.ts'
import { describeSettings, type SourceSettings } from './source-settings.ts'

export interface KafkaSourceOptions<T> {
  readonly settings: SourceSettings
  readonly connection: ClusterConnection
  readonly format: RecordFormat<T>
  readonly createCursor: () => RecordCursor
}

/** A source over partitions of topics, without a consumer group: positions lie in checkpoints. */
export function kafkaSource<T>({ settings, connection, format, createCursor }: KafkaSourceOptions<T>): Source<T> {
  const { deadLetters } = settings
  const describe = describeSettings(settings, connection.brokers)
  return {
    [SOURCE]: {},
    kind: 'kafka',
    isBounded: settings.stop !== null,
    replay: 'exact',
    describe: { ...describe, value: format.value.kind, ...(format.key === null ? {} : { key: format.key.kind }) },
    ...(deadLetters === null ? {} : { deadLetters }),
    createEnumerator: (context) => new KafkaEnumerator(context, settings, connection),
    createReader: (context) => new KafkaReader(context, settings, connection, format, createCursor),
  }
}
