import type { MemoryCluster } from './memory-cluster.ts'
import type { PartitionLog } from './partition-log.ts'
import { encodePlainBatch, NO_PRODUCER } from './plain-batch.ts'

/** What random logs are made from: `SeededRandom` and the like. */
export interface Choices {
  integer(low: number, high: number): number
  chance(probability: number): boolean
}

interface Producer {
  readonly producerId: bigint
  sequence: number
  isOpen: boolean
}

/**
 * Fills a log with everything that a reader may meet: batches of all sizes within and outside of transactions of several producers, interleaved; commits and aborts; gaps and empty
 * batches that compaction left. Values say where they lie. Some transactions may stay open at the end.
 */
export function fillLog(choices: Choices, log: PartitionLog, name: string, steps: number): void {
  const producers = [1n, 2n, 3n].map((producerId): Producer => ({ producerId, sequence: 0, isOpen: false }))
  for (let step = 0; step < steps; step++) {
    const producer = producers[choices.integer(0, producers.length - 1)]!
    const kind = choices.integer(0, 9)
    if (kind < 3) appendBatch(choices, log, name, null)
    else if (kind < 7 || !producer.isOpen) appendBatch(choices, log, name, producer)
    else endTransaction(log, producer, choices.chance(0.5) ? 'abort' : 'commit')
    if (choices.chance(0.05)) log.leaderEpoch++
  }
  for (const producer of producers) {
    if (producer.isOpen && choices.chance(0.8)) endTransaction(log, producer, choices.chance(0.5) ? 'abort' : 'commit')
  }
}

/** Values of all that a reader which honours commits sees, in the order of each partition. */
export function committedValues(cluster: MemoryCluster, topics: readonly string[]): readonly string[] {
  return topics.flatMap((topic) =>
    cluster.committed(topic).map(({ value }) => new TextDecoder().decode(value ?? undefined)),
  )
}

function endTransaction(log: PartitionLog, producer: Producer, outcome: 'commit' | 'abort'): void {
  log.writeMarker(producer.producerId, 0, outcome, 0)
  producer.isOpen = false
}

function appendBatch(choices: Choices, log: PartitionLog, name: string, producer: Producer | null): void {
  const count = choices.chance(0.1) ? choices.integer(20, 60) : choices.integer(1, 5)
  // Only records that were there before compaction: none, some or all.
  const kept = choices.chance(0.2) ? choices.integer(0, 3) / 4 : 1
  const base = log.highWatermark
  const offsets = Array.from({ length: count }, (_, delta) => delta).filter(() => choices.chance(kept))
  log.append(
    encodePlainBatch({
      producerId: producer?.producerId ?? NO_PRODUCER,
      producerEpoch: producer === null ? -1 : 0,
      baseSequence: producer?.sequence ?? -1,
      isTransactional: producer !== null,
      isControl: false,
      lastOffsetDelta: count - 1,
      records: offsets.map((offsetDelta) => ({
        key: null,
        value: new TextEncoder().encode(`${name}@${base + offsetDelta}`),
        headers: [],
        timestampMs: 1000 + base + offsetDelta,
        offsetDelta,
      })),
    }),
  )
  if (producer !== null) {
    producer.sequence += count
    producer.isOpen = true
  }
}
