import type { MemoryCluster } from './memory-cluster.ts'

/** Waits until brokers have written the markers of whatever was decided. */
export async function settled(cluster: MemoryCluster): Promise<void> {
  const isEnding = () =>
    cluster.transactions.list('', ['PrepareCommit', 'PrepareAbort', 'PrepareEpochFence']).length > 0
  do await new Promise<void>((resolve) => void setImmediate(resolve))
  while (isEnding())
}

/** Values that a reader sees who honours commits, as text. */
export function values(cluster: MemoryCluster, topic: string): readonly string[] {
  return cluster.committed(topic).map(({ value }) => (value === null ? 'null' : Buffer.from(value).toString('utf8')))
}
