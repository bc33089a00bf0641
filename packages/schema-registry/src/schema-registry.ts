import type { Codec } from '@tidemark/kafka'
import { avroFormat, type AvroOptions } from './avro.ts'
import { jsonSchemaFormat, type JsonSchemaOptions } from './json-schema.ts'
import { checkOptions, type SchemaRegistryOptions } from './options.ts'
import { protobufFormat, type ProtobufOptions } from './protobuf.ts'
import { schemaCodec } from './schema-codec.ts'

/** Codecs for records in Confluent's wire format, whose schemas lie in a registry. */
export interface SchemaRegistry {
  avro<T = unknown>(options?: AvroOptions): Codec<T>
  jsonSchema<T = unknown>(options?: JsonSchemaOptions): Codec<T>
  protobuf<T = unknown>(options?: ProtobufOptions): Codec<T>
}

/** A registry that speaks Confluent's protocol (Confluent, Karapace, Redpanda, Apicurio). Nothing is asked of it before a job runs. */
export function schemaRegistry(options: SchemaRegistryOptions): SchemaRegistry {
  const checked = checkOptions(options)
  return Object.freeze({
    avro: <T>(given: AvroOptions = {}) => schemaCodec<T>(checked, given, avroFormat<T>(given)),
    jsonSchema: <T>(given: JsonSchemaOptions = {}) => schemaCodec<T>(checked, given, jsonSchemaFormat<T>(given)),
    protobuf: <T>(given: ProtobufOptions = {}) => schemaCodec<T>(checked, given, protobufFormat<T>(given)),
  })
}
