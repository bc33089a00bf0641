import protobuf, { type Type } from 'protobufjs'
import { invalid, type WriteOptions } from './options.ts'
import { ExactReader } from './protobuf-reader.ts'
import { MessageReader, type ProtobufLongs, toMessage } from './protobuf-values.ts'
import type { RegisteredSchema, ResolvedReference } from './registry-client.ts'
import type { Read, SchemaFormat, Write } from './schema-codec.ts'
import { corrupt, decodeMessageIndexes, encodeMessageIndexes, notEncodable } from './wire-format.ts'

export interface ProtobufOptions extends WriteOptions {
  /** The text of a `.proto` file to write with. Records are read as they were written. */
  readonly schema?: string
  /** The full name of the message to write (`shop.Order`). Default: the file's first. */
  readonly message?: string
  /** How 64-bit integers are read. Default: bigint. */
  readonly longs?: ProtobufLongs
}

export function protobufFormat<T>({
  schema,
  message,
  longs = 'bigint',
  references = [],
}: ProtobufOptions): SchemaFormat<T> {
  if (longs !== 'bigint' && longs !== 'string')
    throw invalid(`longs is ${JSON.stringify(longs)}`, `Give 'bigint' or 'string'.`)
  if (schema !== undefined && references.length === 0) {
    try {
      messageOf(load({ schema, references: [] }), message)
    } catch (error) {
      throw invalid(
        `the Protobuf schema cannot be used: ${error instanceof Error ? error.message : String(error)}`,
        'Correct it.',
        error,
      )
    }
  }
  return {
    type: 'PROTOBUF',
    kind: 'protobuf',
    own: schema === undefined ? null : { type: 'PROTOBUF', schema, references },
    nameOf: (given) => messageOf(load(given), message).type.fullName.slice(1),
    compileRead: (written) => compileRead(written, longs),
    compileWrite: (registered) => compileWrite(registered, message),
  }
}

/** A file: what it defines, and its own messages in their order. */
interface ProtoFile {
  readonly root: protobuf.Root
  readonly messages: readonly Type[]
}

function load({ schema, references }: Pick<RegisteredSchema, 'schema' | 'references'>): ProtoFile {
  const root = new protobuf.Root()
  for (const reference of references) addFile(root, reference)
  const { messages } = addFile(root, { name: '', schema })
  root.resolveAll()
  return { root, messages }
}

function addFile(root: protobuf.Root, { schema }: ResolvedReference): ProtoFile {
  const { package: name, imports = [] } = protobuf.parse(schema, root, { keepCase: true })
  for (const imported of imports) {
    const known = protobuf.common.get(imported)
    if (known?.nested !== undefined) root.addJSON(known.nested)
  }
  // The file's own messages, in the file's order: those that another one of the same package defines are not among them.
  const alone = protobuf.parse(schema, new protobuf.Root(), { keepCase: true }).root
  const names = messagesIn(name === undefined ? alone : alone.lookup(name)!).map((type) => type.fullName)
  return { root, messages: names.map((full) => root.lookupType(full)) }
}

function messagesIn(parent: protobuf.ReflectionObject): readonly Type[] {
  return (parent as protobuf.NamespaceBase).nestedArray.filter(
    (nested): nested is Type => nested instanceof protobuf.Type,
  )
}

function messageAt(messages: readonly Type[], indexes: readonly number[]): Type | null {
  let [among, found] = [messages, null as Type | null]
  for (const index of indexes) {
    found = among[index] ?? null
    if (found === null) return null
    among = messagesIn(found)
  }
  return found
}

function messageOf(
  { root, messages }: ProtoFile,
  name: string | undefined,
): { readonly type: Type; readonly indexes: readonly number[] } {
  if (name === undefined) {
    if (messages[0] === undefined) throw new Error('the file has no message')
    return { type: messages[0], indexes: [0] }
  }
  const type = root.lookupType(name)
  const indexes: number[] = []
  let inner: Type = type
  for (; inner.parent instanceof protobuf.Type; inner = inner.parent)
    indexes.unshift(messagesIn(inner.parent).indexOf(inner))
  const outer = messages.indexOf(inner)
  if (outer === -1) throw new Error(`message ${name} is not in the file itself`)
  return { type, indexes: [outer, ...indexes] }
}

function compileRead<T>(written: RegisteredSchema, longs: ProtobufLongs): Read<T> {
  const file = load(written)
  const messages = new MessageReader(longs)
  const byPath = new Map<string, Type>()
  return (bytes, offset) => {
    const { indexes, end } = decodeMessageIndexes(bytes, offset)
    const path = indexes.join('.')
    const type = byPath.get(path) ?? messageAt(file.messages, indexes)
    if (type === null) throw corrupt(`names message ${path}, which its schema does not have`, bytes)
    byPath.set(path, type)
    try {
      const message = type.decode(new ExactReader(bytes.subarray(end)))
      return messages.read(type, message) as T
    } catch (error) {
      throw corrupt(
        `is not Protobuf of its schema: ${error instanceof Error ? error.message : String(error)}`,
        bytes,
        error,
      )
    }
  }
}

function compileWrite<T>(schema: RegisteredSchema, name: string | undefined): Write<T> {
  const { type, indexes } = messageOf(load(schema), name)
  const prefix = encodeMessageIndexes(indexes)
  return (value) => {
    let payload: Uint8Array
    try {
      payload = type.encode(toMessage(type, value)).finish()
    } catch (error) {
      throw notEncodable(
        `does not fit message ${type.fullName.slice(1)}: ${error instanceof Error ? error.message : String(error)}`,
        error,
      )
    }
    const bytes = new Uint8Array(prefix.length + payload.length)
    bytes.set(prefix)
    bytes.set(payload, prefix.length)
    return bytes
  }
}
