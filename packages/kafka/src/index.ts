export { bytes, double, ignored, int32, int64, json, nullable, text } from './codecs/index.ts'
export { kafka, type KafkaCluster } from './kafka.ts'
export type { Codec, CodecContext, DecodeContext, Decoder, Decoding, Encoder, Encoding } from './codec.ts'
export type {
  BadRecord,
  ClusterOptions,
  KafkaHeader,
  KafkaRecord,
  KafkaSinkOptions,
  SaslOptions,
  StartOffsets,
  StopOffsets,
  TlsOptions,
  TopicOptions,
  TopicSelection,
} from './options.ts'
