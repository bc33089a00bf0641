import type { Codec, CodecContext, DecodeContext, Decoding, Encoding } from '@tidemark/kafka'
import { assert, TidemarkError } from 'tidemark/connector'
import { type CheckedOptions, invalid, type WriteOptions } from './options.ts'
import { type NewSchema, RegistryClient, type RegisteredSchema, type SchemaType } from './registry-client.ts'
import { corrupt, HEADER_BYTES, schemaIdOf, writeHeader } from './wire-format.ts'

/** Reads the payload that begins at `offset`. */
export type Read<T> = (bytes: Uint8Array, offset: number) => T
/** Writes a payload, for Protobuf with the message indexes in front. */
export type Write<T> = (value: T) => Uint8Array

/** One kind of schema: how its schemas become functions. */
export interface SchemaFormat<T> {
  readonly type: SchemaType
  readonly kind: string
  /** The user's schema, for writing and (Avro) as the one to read into. */
  readonly own: NewSchema | null
  /** The full name that `record` subjects have; null where schemas have none. */
  nameOf(schema: RegisteredSchema): string | null
  compileRead(written: RegisteredSchema): Read<T>
  compileWrite(schema: RegisteredSchema): Write<T>
}

export function schemaCodec<T>(options: CheckedOptions, write: WriteOptions, format: SchemaFormat<T>): Codec<T> {
  const choice = write.use ?? (format.own === null ? 'latest' : 'automatic')
  if (typeof choice === 'object' && !(Number.isSafeInteger(choice.id) && choice.id >= 0 && choice.id < 2 ** 32))
    throw invalid(`use: { id } is ${JSON.stringify(choice.id)}`, 'Give the id of a schema: a whole number from 0.')
  if (format.own === null && (choice === 'automatic' || choice === 'lookup'))
    throw invalid(`use: '${choice}' needs a schema`, `Give the codec a schema, or use: 'latest'.`)
  return {
    kind: format.kind,
    describe: { registry: options.urls.join(', ') },
    createDecoding: (context) => new SchemaDecoding(options, context, format),
    createEncoding: (context) => new SchemaEncoding(options, context, format, { ...write, use: choice }),
  }
}

/** Ids of which it is remembered why they cannot be read: whoever may write records may make up as many as he likes. */
const MOST_PROBLEMS = 1_000

class SchemaDecoding<T> implements Decoding<T> {
  private readonly format: SchemaFormat<T>
  private readonly client: RegistryClient
  private readonly known = new Map<number, Read<T>>()
  /** Why schemas cannot be read. */
  private readonly problems = new Map<number, string>()
  private readonly fetching = new Map<number, Promise<void>>()

  constructor(options: CheckedOptions, context: CodecContext, format: SchemaFormat<T>) {
    this.format = format
    this.client = new RegistryClient(options, context.secret, 'SOURCE_FAILED')
  }

  prepare(bytes: Uint8Array | null): Promise<void> | undefined {
    const id = bytes === null ? null : schemaIdOf(bytes)
    if (id === null || this.known.has(id) || this.problems.has(id)) return undefined
    let fetching = this.fetching.get(id)
    if (fetching === undefined) {
      fetching = this.fetch(id).finally(() => void this.fetching.delete(id))
      this.fetching.set(id, fetching)
    }
    return fetching
  }

  decode(bytes: Uint8Array | null): T {
    if (bytes === null) {
      throw new TidemarkError(
        'CORRUPT_DATA',
        `the value is null (a tombstone), which ${this.format.kind} does not read`,
        {
          action: 'Wrap the codec: nullable(…) gives null for tombstones.',
        },
      )
    }
    const id = schemaIdOf(bytes)
    if (id === null)
      throw corrupt('is not in the wire format of the schema registry: it begins with no zero byte and id', bytes)
    const read = this.known.get(id)
    if (read !== undefined) return read(bytes, HEADER_BYTES)
    const problem = this.problems.get(id)
    assert(problem !== undefined || this.problems.size >= MOST_PROBLEMS, `schema ${id} was prepared`)
    throw corrupt(problem ?? `schema ${id} cannot be read`, bytes)
  }

  private async fetch(id: number): Promise<void> {
    const schema = await this.client.schemaById(id)
    const problem = schema === null ? `schema ${id} is not known to the registry` : this.compile(id, schema)
    if (problem === null) return
    const [oldest] = this.problems.keys()
    if (this.problems.size >= MOST_PROBLEMS && oldest !== undefined) this.problems.delete(oldest)
    this.problems.set(id, problem)
  }

  /** A schema that cannot be read makes its records bad, not the source. Null: it can. */
  private compile(id: number, schema: RegisteredSchema): string | null {
    const { format } = this
    if (schema.type !== format.type) return `schema ${id} is ${schema.type}, not ${format.type}`
    try {
      this.known.set(id, format.compileRead(schema))
      return null
    } catch (error) {
      return `schema ${id} cannot be read: ${error instanceof Error ? error.message : String(error)}`
    }
  }
}

interface Ready<T> {
  readonly id: number
  readonly write: Write<T>
}

class SchemaEncoding<T> implements Encoding<T> {
  private readonly format: SchemaFormat<T>
  private readonly client: RegistryClient
  private readonly options: WriteOptions
  /** By topic and part. */
  private readonly ready = new Map<string, Ready<T>>()
  private readonly preparing = new Map<string, Promise<void>>()
  private last: (DecodeContext & { readonly ready: Ready<T> }) | null = null

  constructor(options: CheckedOptions, context: CodecContext, format: SchemaFormat<T>, write: WriteOptions) {
    this.format = format
    this.options = write
    this.client = new RegistryClient(options, context.secret, 'SINK_FAILED')
  }

  prepare(_value: T, context: DecodeContext): Promise<void> | undefined {
    if (this.last?.topic === context.topic && this.last.part === context.part) return undefined
    const place = placeOf(context)
    if (this.ready.has(place)) return undefined
    let preparing = this.preparing.get(place)
    if (preparing === undefined) {
      preparing = this.find(context)
        .then((ready) => void this.ready.set(place, ready))
        .finally(() => void this.preparing.delete(place))
      this.preparing.set(place, preparing)
    }
    return preparing
  }

  encode(value: T, context: DecodeContext): Uint8Array {
    // Most records follow one of the same topic.
    if (this.last?.topic !== context.topic || this.last.part !== context.part) {
      const found = this.ready.get(placeOf(context))
      assert(found !== undefined, 'encoding was prepared')
      this.last = { topic: context.topic, part: context.part, ready: found }
    }
    const { ready } = this.last
    const payload = ready.write(value)
    const bytes = new Uint8Array(HEADER_BYTES + payload.length)
    writeHeader(bytes, ready.id)
    bytes.set(payload, HEADER_BYTES)
    return bytes
  }

  private async find(context: DecodeContext): Promise<Ready<T>> {
    const { use } = this.options
    if (typeof use === 'object') {
      const schema = await this.client.schemaById(use.id)
      if (schema === null)
        throw invalid(`schema ${use.id} is not known to the registry`, 'Correct the id in use: { id }.')
      return { id: use.id, write: this.compile(schema) }
    }
    if (use === 'latest') {
      const subject = this.subject(context, null)
      const { id, schema } = await this.client.latest(subject)
      return { id, write: this.compile(schema) }
    }
    const own = this.format.own!
    const schema = { type: own.type, schema: own.schema, references: await this.client.resolve(own.references) }
    // First: a schema that cannot be used is not registered.
    const write = this.compile(schema)
    const id = await this.client.idOf(this.subject(context, schema), own, use === 'automatic')
    return { id, write }
  }

  private compile(schema: RegisteredSchema): Write<T> {
    const { type, kind } = this.format
    if (schema.type !== type)
      throw invalid(
        `the schema to write with is ${schema.type}, but the codec is ${kind}`,
        'Use the codec of that kind.',
      )
    try {
      return this.format.compileWrite(schema)
    } catch (error) {
      throw invalid(
        `the schema to write with cannot be used: ${error instanceof Error ? error.message : String(error)}`,
        'Correct the schema.',
        error,
      )
    }
  }

  private subject(context: DecodeContext, schema: RegisteredSchema | null): string {
    const { subject = 'topic' } = this.options
    if (typeof subject === 'function') return subject({ topic: context.topic, part: context.part })
    if (subject === 'topic') return `${context.topic}-${context.part}`
    const own = this.format.own
    const name =
      own === null ? null : this.format.nameOf(schema ?? { type: own.type, schema: own.schema, references: [] })
    if (name === null) {
      throw invalid(
        `subject: '${subject}' needs a schema with a name`,
        `Give the codec the schema (for JSON Schema with a title), or a function as subject.`,
      )
    }
    return subject === 'record' ? name : `${context.topic}-${name}`
  }
}

function placeOf({ topic, part }: DecodeContext): string {
  return `${part} ${topic}`
}
