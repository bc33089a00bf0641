/** What is known about the bytes that are to be decoded. */
export interface DecodeContext {
  readonly topic: string
  readonly part: 'key' | 'value'
}

export interface CodecContext {
  readonly secret: (name: string) => string
}

/** Turns bytes of Kafka records into values. One per task. */
export interface Decoder<T> {
  readonly kind: string
  /** Never a secret. */
  readonly describe?: Readonly<Record<string, string | number | boolean>>
  createDecoding(context: CodecContext): Decoding<T>
}

export interface Decoding<T> {
  open?(): void | Promise<void>
  /**
   * Called for every value of a batch before any of it is decoded. A promise delays the batch until what decoding needs (a schema by its id) is there;
   * its failure fails the source, and is not a bad record.
   */
  prepare?(bytes: Uint8Array | null, context: DecodeContext): Promise<void> | undefined
  /**
   * Synchronous. The bytes are valid during the call only. What it throws makes the record a bad one; a TidemarkError `INVALID_OPTION` or `UNSUPPORTED` says that the codec
   * itself cannot work, and fails the source whatever the policy for bad records is.
   */
  decode(bytes: Uint8Array | null, context: DecodeContext): T
  /** The same for the bytes from `start` to before `end`, for codecs that can do without a view of them, which takes longer to make than many a value to read. Called in the place of `decode`, but for nulls. */
  decodeRange?(bytes: Uint8Array, start: number, end: number, context: DecodeContext): T
  close?(): void | Promise<void>
}

/** Turns values into bytes of Kafka records. One per task. */
export interface Encoder<T> {
  readonly kind: string
  readonly describe?: Readonly<Record<string, string | number | boolean>>
  createEncoding(context: CodecContext): Encoding<T>
}

export interface Encoding<T> {
  open?(): void | Promise<void>
  /** A promise delays the record (and those behind it) until what encoding needs (a registered schema) is there. */
  prepare?(value: T, context: DecodeContext): Promise<void> | undefined
  /** Synchronous. Null is a tombstone. What it throws is the record's error. */
  encode(value: T, context: DecodeContext): Uint8Array | null
  /** The same into `target`, from `at` on, for codecs that can do without bytes of their own; tells where it ends. -1: ask `encode`, since there is not enough room, or for any other reason. */
  encodeInto?(value: T, target: Uint8Array, at: number, context: DecodeContext): number
  close?(): void | Promise<void>
}

export type Codec<T> = Decoder<T> & Encoder<T>
