import { assert } from 'tidemark/connector'

interface Run {
  readonly firstRecord: number
  readonly partition: string
}

/** Where the records of the last poll came from, told only when somebody asks. */
export class EmittedPositions {
  private offsets = new Float64Array(1024)
  private readonly runs: Run[] = []
  count = 0

  clear(): void {
    this.count = 0
    this.runs.length = 0
  }

  /** Records of this partition follow. */
  begin(partition: string): void {
    this.runs.push({ firstRecord: this.count, partition })
  }

  add(offset: number): void {
    if (this.count === this.offsets.length) this.grow()
    this.offsets[this.count++] = offset
  }

  describe(index: number): string {
    const run = this.runs.findLast(({ firstRecord }) => firstRecord <= index)
    assert(run !== undefined && index < this.count, `record ${index} is of the last poll`)
    return `${run.partition}@${this.offsets[index]}`
  }

  private grow(): void {
    const grown = new Float64Array(this.offsets.length * 2)
    grown.set(this.offsets)
    this.offsets = grown
  }
}
