import type { BrokerId, FetchRequest, Isolation } from '../client/contract.ts'
import type { AssignedPartition } from './assigned-partition.ts'

const MIB = 1024 * 1024
const KIB = 1024
const MOST_PER_FETCH = 8 * MIB
const MOST_PER_PARTITION = 4 * MIB
const LEAST_PER_PARTITION = 64 * KIB

/** Bytes of one fetch: so few that every leader can be asked while one full answer waits to be worked off. */
export function fetchBytes(fetchAheadBytes: number, leaders: number): number {
  return Math.max(1, Math.min(MOST_PER_FETCH, Math.floor(fetchAheadBytes / (2 * Math.max(1, leaders)))))
}

/** One request for all partitions that a broker leads, those first that have waited longest. */
export function fetchRequest(
  partitions: readonly AssignedPartition[],
  isolation: Isolation,
  maxBytes: number,
  maxWaitMs: number,
): FetchRequest {
  const share = Math.max(LEAST_PER_PARTITION, Math.floor(maxBytes / partitions.length))
  const partitionBytes = Math.min(maxBytes, MOST_PER_PARTITION, share)
  return {
    isolation,
    maxWaitMs,
    maxBytes,
    partitions: partitions.map(({ topic, topicId, partition, leaderEpoch, fetchOffset }) => ({
      topic,
      topicId,
      partition,
      leaderEpoch,
      offset: fetchOffset,
      maxBytes: partitionBytes,
    })),
  }
}

/** Partitions that can be asked for now, by their leaders. */
export function byLeader(
  partitions: readonly AssignedPartition[],
): ReadonlyMap<BrokerId, readonly AssignedPartition[]> {
  const leaders = new Map<BrokerId, AssignedPartition[]>()
  for (const partition of partitions) {
    const { leader } = partition
    if (leader === null || partition.isBusy || !partition.hasMoreToFetch) continue
    const led = leaders.get(leader)
    if (led === undefined) leaders.set(leader, [partition])
    else led.push(partition)
  }
  return leaders
}
