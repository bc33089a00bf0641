import type { AbortedTransaction, EpochEndRequest, FetchRequest, ProduceRequest } from '../contract.ts'
import { type Api, byTopic, readTopics } from './api.ts'

export const LATEST = -1
export const EARLIEST = -2
const NO_REPLICA = -1
const ANY_EPOCH = -1
const ALL_IN_SYNC = -1
/** The version from which on requests carry no replica id any more. */
const FETCH_WITHOUT_REPLICA = 15

export interface ListedOffset {
  readonly topic: string
  readonly partition: number
  readonly error: number
  readonly offset: number
}

export const LIST_OFFSETS: Api<
  {
    readonly isolation: number
    readonly partitions: readonly { readonly topic: string; readonly partition: number; readonly timestamp: number }[]
  },
  readonly ListedOffset[]
> = {
  name: 'ListOffsets',
  key: 2,
  minVersion: 7,
  maxVersion: 7,
  write(writer, { isolation, partitions }) {
    writer.int32(NO_REPLICA).int8(isolation)
    writer.array(byTopic(partitions), ([topic, ofTopic]) => {
      writer.string(topic)
      writer
        .array(ofTopic, ({ partition, timestamp }) => {
          writer.int32(partition).int32(ANY_EPOCH).int64(timestamp).end()
        })
        .end()
    })
    writer.end()
  },
  read(reader) {
    reader.int32()
    return readTopics(reader, (topic) => {
      const head = { topic, partition: reader.int32(), error: reader.int16() }
      reader.bigint()
      const offset = reader.int64()
      reader.int32()
      return { ...head, offset }
    })
  },
}

export interface EpochEndPartition {
  readonly topic: string
  readonly partition: number
  readonly error: number
  readonly epoch: number
  readonly endOffset: number
}

export const OFFSET_FOR_LEADER_EPOCH: Api<readonly EpochEndRequest[], readonly EpochEndPartition[]> = {
  name: 'OffsetForLeaderEpoch',
  key: 23,
  minVersion: 4,
  maxVersion: 4,
  write(writer, requests) {
    writer.int32(NO_REPLICA)
    writer.array(byTopic(requests), ([topic, ofTopic]) => {
      writer.string(topic)
      writer
        .array(ofTopic, ({ partition, leaderEpoch, epoch }) => {
          writer.int32(partition).int32(leaderEpoch).int32(epoch).end()
        })
        .end()
    })
    writer.end()
  },
  read(reader) {
    reader.int32()
    return readTopics(reader, (topic) => ({
      topic,
      error: reader.int16(),
      partition: reader.int32(),
      epoch: reader.int32(),
      endOffset: reader.int64(),
    }))
  },
}

export interface FetchResponse {
  readonly error: number
  readonly partitions: readonly {
    readonly topicId: string
    readonly partition: number
    readonly error: number
    readonly highWatermark: number
    readonly lastStableOffset: number
    readonly logStartOffset: number
    readonly abortedTransactions: readonly AbortedTransaction[]
    readonly records: Buffer
  }[]
}

/** Without a session: what is fetched changes from one request to the next. */
export const FETCH: Api<FetchRequest, FetchResponse> = {
  name: 'Fetch',
  key: 1,
  // The first batch comes whole, however large brokers let it be.
  mostBytes: 2 ** 31 - 1,
  minVersion: 13,
  maxVersion: 15,
  write(writer, { isolation, maxWaitMs, maxBytes, partitions }, version) {
    if (version < FETCH_WITHOUT_REPLICA) writer.int32(NO_REPLICA)
    writer
      .int32(maxWaitMs)
      .int32(1)
      .int32(maxBytes)
      .int8(isolation === 'committed' ? 1 : 0)
    writer.int32(0).int32(-1)
    const topics = byTopic(partitions.map((partition) => ({ ...partition, topic: partition.topicId })))
    writer.array(topics, ([topicId, ofTopic]) => {
      writer.uuid(topicId)
      writer
        .array(ofTopic, ({ partition, leaderEpoch, offset, maxBytes: most }) => {
          writer.int32(partition).int32(leaderEpoch).int64(offset).int32(ANY_EPOCH).int64(-1).int32(most).end()
        })
        .end()
    })
    writer
      .array([], () => {})
      .string('')
      .end()
  },
  read(reader) {
    reader.int32()
    const error = reader.int16()
    reader.int32()
    const partitions = reader.array(() => {
      const topicId = reader.uuid()
      const ofTopic = reader.array(() => {
        const head = {
          topicId,
          partition: reader.int32(),
          error: reader.int16(),
          highWatermark: reader.int64(),
          lastStableOffset: reader.int64(),
          logStartOffset: reader.int64(),
        }
        const abortedTransactions = reader.array(() => {
          const aborted = { producerId: reader.bigint(), firstOffset: reader.int64() }
          reader.end()
          return aborted
        })
        reader.int32()
        const records = reader.bytes()
        reader.end()
        return { ...head, abortedTransactions, records }
      })
      reader.end()
      return ofTopic
    })
    return { error, partitions: partitions.flat() }
  },
}

export interface ProduceResponsePartition {
  readonly topic: string
  readonly partition: number
  readonly error: number
  readonly errorMessage: string | null
  readonly baseOffset: number
}

/** Up to version 11 a transaction has to be told of its partitions before (transaction protocol 1). */
export const PRODUCE: Api<ProduceRequest, readonly ProduceResponsePartition[]> = {
  name: 'Produce',
  key: 0,
  minVersion: 9,
  maxVersion: 11,
  write(writer, { transactionalId, timeoutMs, batches }) {
    writer.string(transactionalId).int16(ALL_IN_SYNC).int32(timeoutMs)
    writer.array(byTopic(batches), ([topic, ofTopic]) => {
      writer.string(topic)
      writer.array(ofTopic, ({ partition, batch }) => writer.int32(partition).bytes(batch).end()).end()
    })
    writer.end()
  },
  read(reader) {
    return readTopics(reader, (topic) => {
      const head = { topic, partition: reader.int32(), error: reader.int16(), baseOffset: reader.int64() }
      reader.bigint()
      reader.bigint()
      const recordErrors = reader.array(() => {
        reader.int32()
        const message = reader.nullableString()
        reader.end()
        return message
      })
      const errorMessage = reader.nullableString() ?? recordErrors.find((message) => message !== null) ?? null
      return { ...head, errorMessage }
    })
  },
}
