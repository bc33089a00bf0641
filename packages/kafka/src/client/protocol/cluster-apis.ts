import type { PartitionOffset } from '../contract.ts'
import { type Api, byTopic, readTopics } from './api.ts'

export interface VersionRange {
  readonly key: number
  readonly minVersion: number
  readonly maxVersion: number
}

/** Its answer's header has no tagged fields, in any version: a broker that does not know the version answers in one that every client reads. */
export const API_VERSIONS: Api<null, { readonly error: number; readonly ranges: readonly VersionRange[] }> = {
  name: 'ApiVersions',
  key: 18,
  minVersion: 3,
  maxVersion: 3,
  headers: { request: 2, response: 0 },
  write(writer) {
    writer.string('tidemark').string('0.1.0').end()
  },
  read(reader) {
    const error = reader.int16()
    // In another layout.
    if (error !== 0) return { error, ranges: [] }
    const ranges = reader.array(() => {
      const range = { key: reader.int16(), minVersion: reader.int16(), maxVersion: reader.int16() }
      reader.end()
      return range
    })
    return { error, ranges }
  },
}

export interface BrokerNode {
  readonly id: number
  readonly host: string
  readonly port: number
}

export interface MetadataResponse {
  readonly brokers: readonly BrokerNode[]
  readonly topics: readonly {
    readonly error: number
    readonly name: string | null
    readonly id: string
    readonly isInternal: boolean
    readonly partitions: readonly {
      readonly partition: number
      readonly leader: number
      readonly leaderEpoch: number
      /** The first is the one that leads when it can. */
      readonly replicas: readonly number[]
      readonly inSync: readonly number[]
    }[]
  }[]
}

export const METADATA: Api<readonly string[] | null, MetadataResponse> = {
  name: 'Metadata',
  key: 3,
  minVersion: 12,
  maxVersion: 12,
  write(writer, names) {
    writer.array(names, (name) => writer.uuid(null).string(name).end())
    // Neither topics made by asking for them, nor lists of what is allowed.
    writer.boolean(false).boolean(false).end()
  },
  read(reader) {
    reader.int32()
    const brokers = reader.array(() => {
      const broker = { id: reader.int32(), host: reader.string(), port: reader.int32() }
      reader.nullableString()
      reader.end()
      return broker
    })
    reader.nullableString()
    reader.int32()
    const topics = reader.array(() => {
      const head = {
        error: reader.int16(),
        name: reader.nullableString(),
        id: reader.uuid(),
        isInternal: reader.boolean(),
      }
      const partitions = reader.array(() => {
        reader.int16()
        const partition = {
          partition: reader.int32(),
          leader: reader.int32(),
          leaderEpoch: reader.int32(),
          replicas: reader.array(() => reader.int32()),
          inSync: reader.array(() => reader.int32()),
        }
        // Those that are offline.
        reader.array(() => reader.int32())
        reader.end()
        return partition
      })
      reader.int32()
      reader.end()
      return { ...head, partitions }
    })
    return { brokers, topics }
  },
}

export const COORDINATOR_OF_GROUP = 0
export const COORDINATOR_OF_TRANSACTION = 1

export interface CoordinatorResponse {
  readonly broker: BrokerNode
  readonly error: number
  readonly errorMessage: string | null
}

export const FIND_COORDINATOR: Api<{ readonly kind: number; readonly key: string }, readonly CoordinatorResponse[]> = {
  name: 'FindCoordinator',
  key: 10,
  minVersion: 4,
  maxVersion: 4,
  write(writer, { kind, key }) {
    writer.int8(kind).array([key], (each) => writer.string(each))
    writer.end()
  },
  read(reader) {
    reader.int32()
    return reader.array(() => {
      reader.string()
      const broker = { id: reader.int32(), host: reader.string(), port: reader.int32() }
      const coordinator = { broker, error: reader.int16(), errorMessage: reader.nullableString() }
      reader.end()
      return coordinator
    })
  },
}

interface Failure {
  readonly error: number
  readonly errorMessage: string | null
}

const BROKER_RESOURCE = 4

export const DESCRIBE_CONFIGS: Api<
  { readonly broker: number; readonly name: string },
  readonly (Failure & { readonly values: readonly (readonly [name: string, value: string | null])[] })[]
> = {
  name: 'DescribeConfigs',
  key: 32,
  minVersion: 4,
  maxVersion: 4,
  write(writer, { broker, name }) {
    writer.array([name], (each) => {
      writer.int8(BROKER_RESOURCE).string(String(broker))
      writer.array([each], (key) => writer.string(key)).end()
    })
    writer.boolean(false).boolean(false).end()
  },
  read(reader) {
    reader.int32()
    return reader.array(() => {
      const failure = { error: reader.int16(), errorMessage: reader.nullableString() }
      reader.int8()
      reader.string()
      const values = reader.array(() => {
        const entry = [reader.string(), reader.nullableString()] as const
        reader.boolean()
        reader.int8()
        reader.boolean()
        reader.array(() => {
          reader.string()
          reader.nullableString()
          reader.int8()
          reader.end()
        })
        reader.int8()
        reader.nullableString()
        reader.end()
        return entry
      })
      reader.end()
      return { ...failure, values }
    })
  },
}

export const DEFAULT_REPLICAS = -1

export interface NewTopic {
  readonly name: string
  readonly partitions: number
  /** `DEFAULT_REPLICAS`: as many as the brokers make of topics that do not say. */
  readonly replicas: number
  readonly config: Readonly<Record<string, string>>
  readonly timeoutMs: number
}

export const CREATE_TOPICS: Api<NewTopic, readonly Failure[]> = {
  name: 'CreateTopics',
  key: 19,
  minVersion: 7,
  maxVersion: 7,
  write(writer, topic) {
    writer.array([topic], ({ name, partitions, replicas, config }) => {
      writer.string(name).int32(partitions).int16(replicas)
      writer.array([], () => {})
      writer.array(Object.entries(config), ([key, value]) => writer.string(key).string(value).end()).end()
    })
    writer.int32(topic.timeoutMs).boolean(false).end()
  },
  read(reader) {
    reader.int32()
    return reader.array(() => {
      reader.string()
      reader.uuid()
      const failure = { error: reader.int16(), errorMessage: reader.nullableString() }
      reader.int32()
      reader.int16()
      reader.array(() => {
        reader.string()
        reader.nullableString()
        reader.boolean()
        reader.int8()
        reader.boolean()
        reader.end()
      })
      reader.end()
      return failure
    })
  },
}

export const DELETE_TOPICS: Api<{ readonly topic: string; readonly timeoutMs: number }, readonly Failure[]> = {
  name: 'DeleteTopics',
  key: 20,
  minVersion: 6,
  maxVersion: 6,
  write(writer, { topic, timeoutMs }) {
    writer.array([topic], (name) => writer.string(name).uuid(null).end())
    writer.int32(timeoutMs).end()
  },
  read(reader) {
    reader.int32()
    return reader.array(() => {
      reader.nullableString()
      reader.uuid()
      const failure = { error: reader.int16(), errorMessage: reader.nullableString() }
      reader.end()
      return failure
    })
  },
}

export const DELETE_RECORDS: Api<
  { readonly offsets: readonly PartitionOffset[]; readonly timeoutMs: number },
  readonly { readonly topic: string; readonly partition: number; readonly error: number }[]
> = {
  name: 'DeleteRecords',
  key: 21,
  minVersion: 2,
  maxVersion: 2,
  write(writer, { offsets, timeoutMs }) {
    writer.array(byTopic(offsets), ([topic, partitions]) => {
      writer.string(topic)
      writer.array(partitions, ({ partition, offset }) => writer.int32(partition).int64(offset).end()).end()
    })
    writer.int32(timeoutMs).end()
  },
  read(reader) {
    reader.int32()
    return readTopics(reader, (topic) => {
      const partition = reader.int32()
      reader.bigint()
      return { topic, partition, error: reader.int16() }
    })
  },
}
