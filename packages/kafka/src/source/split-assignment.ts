import type { PartitionSplit } from './partition-split.ts'

/** Deals partitions out to readers: each new one to the reader that has the fewest, so that the same partitions are always dealt out in the same way. */
export class SplitAssignment {
  private readonly loads: number[]
  private readonly isReady: boolean[]
  private readonly waiting: PartitionSplit[][]
  private readonly assign: (subtask: number, splits: readonly PartitionSplit[]) => void

  /** `restored`: how many partitions the readers have from the checkpoint, dealt out evenly by the engine. */
  constructor(
    parallelism: number,
    restored: number,
    assign: (subtask: number, splits: readonly PartitionSplit[]) => void,
  ) {
    const readers = Array.from({ length: parallelism }, (_, subtask) => subtask)
    this.loads = readers.map((subtask) => Math.floor((restored + parallelism - 1 - subtask) / parallelism))
    this.isReady = readers.map(() => false)
    this.waiting = readers.map(() => [])
    this.assign = assign
  }

  /** Splits whose reader has not asked yet: they belong into the enumerator's snapshot. */
  get pending(): readonly PartitionSplit[] {
    return this.waiting.flat()
  }

  add(splits: readonly PartitionSplit[]): void {
    const touched = new Set<number>()
    for (const split of splits) {
      const subtask = this.loads.indexOf(Math.min(...this.loads))
      this.loads[subtask]!++
      this.waiting[subtask]!.push(split)
      touched.add(subtask)
    }
    for (const subtask of touched) if (this.isReady[subtask]!) this.flush(subtask)
  }

  onReady(subtask: number): void {
    this.isReady[subtask] = true
    this.flush(subtask)
  }

  private flush(subtask: number): void {
    const splits = this.waiting[subtask]!.splice(0)
    if (splits.length > 0) this.assign(subtask, splits)
  }
}
