import type { EnumeratorContext, Split, SplitEnumerator } from '../core/source.ts'

/** For sources that only one task can read: the first that asks gets everything. */
export class SingleSplitEnumerator implements SplitEnumerator {
  private readonly context: EnumeratorContext
  private readonly split: Split
  private isAssigned: boolean

  constructor(context: EnumeratorContext, split: Split) {
    this.context = context
    this.split = split
    this.isAssigned = (context.restored as { readonly isAssigned: boolean } | undefined)?.isAssigned ?? false
  }

  onSplitRequest(subtask: number): void {
    if (!this.isAssigned) {
      this.isAssigned = true
      this.context.assign(subtask, [this.split])
    }
    this.context.noMoreSplits(subtask)
  }

  snapshot(): unknown {
    return { version: 1, isAssigned: this.isAssigned }
  }
}
