import type { SeededRandom } from '../../../packages/tidemark/src/testing/simulator/seeded-random.ts'

/** What flows through most simulated jobs. `id` is unique; within a partition `sequence` counts up. */
export interface Item {
  readonly id: string
  readonly key: string
  readonly partition: number
  readonly sequence: number
}

export function makePartitions(
  random: SeededRandom,
  options: { readonly name?: string; readonly records?: readonly [number, number]; readonly keys?: number } = {},
): readonly (readonly Item[])[] {
  const { name = 'r', records = [5, 60], keys = random.integer(1, 8) } = options
  const partitions = Array.from({ length: random.integer(1, 4) }, (): Item[] => [])
  const count = random.integer(...records)
  for (let index = 0; index < count; index++) {
    const partition = Math.floor(random.next() * partitions.length)
    const sequence = partitions[partition]!.length
    const key = `k${random.integer(1, keys)}`
    partitions[partition]!.push({ id: `${name}${partition}.${sequence}`, key, partition, sequence })
  }
  return partitions
}

export function totalsByKey(records: Iterable<{ readonly key: string }>): ReadonlyMap<string, number> {
  const totals = new Map<string, number>()
  for (const { key } of records) totals.set(key, (totals.get(key) ?? 0) + 1)
  return totals
}
