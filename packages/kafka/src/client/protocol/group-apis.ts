import type { PartitionOffset, TopicPartition } from '../contract.ts'
import { type Api, byTopic, readTopics } from './api.ts'

export interface FetchedOffsets {
  readonly error: number
  readonly offsets: readonly (PartitionOffset & { readonly error: number })[]
}

export const OFFSET_FETCH: Api<
  { readonly group: string; readonly partitions: readonly TopicPartition[] },
  readonly FetchedOffsets[]
> = {
  name: 'OffsetFetch',
  key: 9,
  minVersion: 8,
  maxVersion: 8,
  write(writer, { group, partitions }) {
    writer.array([group], (each) => {
      writer.string(each)
      writer
        .array(byTopic(partitions), ([topic, ofTopic]) => {
          writer
            .string(topic)
            .array(ofTopic, ({ partition }) => writer.int32(partition))
            .end()
        })
        .end()
    })
    // Not while a transaction that commits offsets is open.
    writer.boolean(true).end()
  },
  read(reader) {
    reader.int32()
    return reader.array(() => {
      reader.string()
      const offsets = readTopics(reader, (topic) => {
        const head = { topic, partition: reader.int32(), offset: reader.int64() }
        reader.int32()
        reader.nullableString()
        return { ...head, error: reader.int16() }
      })
      const error = reader.int16()
      reader.end()
      return { error, offsets }
    })
  },
}

const NO_GENERATION = -1

/** As somebody who is no member of the group. */
export const OFFSET_COMMIT: Api<
  { readonly group: string; readonly offsets: readonly PartitionOffset[] },
  readonly (TopicPartition & { readonly error: number })[]
> = {
  name: 'OffsetCommit',
  key: 8,
  minVersion: 8,
  maxVersion: 8,
  write(writer, { group, offsets }) {
    writer.string(group).int32(NO_GENERATION).string('').string(null)
    writer.array(byTopic(offsets), ([topic, ofTopic]) => {
      writer.string(topic)
      writer
        .array(ofTopic, ({ partition, offset }) => writer.int32(partition).int64(offset).int32(-1).string(null).end())
        .end()
    })
    writer.end()
  },
  read(reader) {
    reader.int32()
    return readTopics(reader, (topic) => ({ topic, partition: reader.int32(), error: reader.int16() }))
  },
}
