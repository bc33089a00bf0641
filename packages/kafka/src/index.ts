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
