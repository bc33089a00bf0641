export type { AvroOptions } from './avro.ts'
export type { JsonSchemaOptions } from './json-schema.ts'
export type {
  BasicAuth,
  BearerAuth,
  RegistryTls,
  SchemaChoice,
  SchemaReference,
  SchemaRegistryOptions,
  SubjectNaming,
  WriteOptions,
} from './options.ts'
export type { ProtobufOptions } from './protobuf.ts'
export { type SchemaRegistry, schemaRegistry } from './schema-registry.ts'
