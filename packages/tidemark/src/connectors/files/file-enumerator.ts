import { assert, TidemarkError } from '../../core/errors.ts'
import type { EnumeratorContext, SplitEnumerator } from '../../core/source.ts'
import { defaultSplitSize, type FileSplit, splitFiles } from './file-split.ts'
import { findFiles } from './glob.ts'

/** Small files are handed out several at a time: a round trip for each would cost more than reading it. */
const ASSIGN_BYTES = 1024 * 1024
const ASSIGN_SPLITS = 16

interface EnumeratorState {
  readonly version: 1
  /** null: taken before the files were found. */
  readonly pending: readonly FileSplit[] | null
}

/** Finds the files once, on a fresh start, and hands their splits to whoever asks: a fast reader reads more. */
export class FileEnumerator implements SplitEnumerator {
  private readonly context: EnumeratorContext
  private readonly patterns: readonly string[]
  private readonly splitSize: number | null
  private splits: readonly FileSplit[] | null = null
  private next = 0

  constructor(context: EnumeratorContext, patterns: readonly string[], splitSize: number | null) {
    this.context = context
    this.patterns = patterns
    this.splitSize = splitSize
  }

  async start(): Promise<void> {
    const restored = this.context.restored as EnumeratorState | undefined
    this.splits = restored?.pending ?? (await this.findSplits())
  }

  onSplitRequest(subtask: number): void {
    const splits = this.splits
    assert(splits !== null, 'splits are requested after start')
    const pending = splits.length - this.next
    if (pending === 0) return this.context.noMoreSplits(subtask)
    const fairShare = Math.ceil(pending / (2 * this.context.parallelism))
    const most = Math.min(ASSIGN_SPLITS, fairShare)
    const first = this.next
    let bytes = 0
    while (this.next - first < most && bytes < ASSIGN_BYTES && this.next < splits.length) {
      const split = splits[this.next++]!
      bytes += split.end - split.start
    }
    this.context.assign(subtask, splits.slice(first, this.next))
  }

  snapshot(): EnumeratorState {
    return { version: 1, pending: this.splits === null ? null : this.splits.slice(this.next) }
  }

  private async findSplits(): Promise<readonly FileSplit[]> {
    const found = await findFiles(this.context.files, this.patterns)
    if (found.length === 0) {
      const patterns = this.patterns.map((pattern) => JSON.stringify(pattern)).join(', ')
      throw new TidemarkError('INVALID_OPTION', `source ${this.context.operator}: no file matches ${patterns}`, {
        action: 'Check the pattern and the directory in which the job was started: relative paths start there.',
        context: { operator: this.context.operator },
      })
    }
    const total = found.reduce((sum, file) => sum + file.stat.size, 0)
    return splitFiles(found, this.splitSize ?? defaultSplitSize(total, this.context.parallelism))
  }
}
