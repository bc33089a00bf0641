import type { WireReader, WireWriter } from './wire.ts'

/** One request of Kafka's protocol, in the versions whose layout is known here. `read` makes no errors of error codes: that is the caller's. */
export interface Api<Request, Response> {
  readonly name: string
  readonly key: number
  readonly minVersion: number
  readonly maxVersion: number
  /** How long an answer may be; where nothing is said as long as the requests that brokers take. */
  readonly mostBytes?: number
  /** Versions of the headers; 2 and 1, those with tagged fields, where nothing is said. */
  readonly headers?: { readonly request: 1 | 2; readonly response: 0 | 1 }
  write(writer: WireWriter, request: Request, version: number): void
  read(reader: WireReader, version: number): Response
}

/** Items of the same topic side by side, as requests hold them. */
export function byTopic<T extends { readonly topic: string }>(
  items: readonly T[],
): readonly (readonly [topic: string, items: readonly T[]])[] {
  const topics = new Map<string, T[]>()
  for (const item of items) {
    const known = topics.get(item.topic)
    if (known === undefined) topics.set(item.topic, [item])
    else known.push(item)
  }
  return [...topics]
}

/** An answer of the form: topics by name, each with partitions. */
export function readTopics<T>(reader: WireReader, readPartition: (topic: string) => T): readonly T[] {
  return reader
    .array(() => {
      const topic = reader.string()
      const partitions = reader.array(() => {
        const partition = readPartition(topic)
        reader.end()
        return partition
      })
      reader.end()
      return partitions
    })
    .flat()
}
