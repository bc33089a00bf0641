import type { EnumeratorContext, Split, SplitEnumerator } from '../core/source.ts'

/** The indices `ordinal`, `ordinal + stride`, …; `next` is the next one to emit. */
export interface GeneratorSplit extends Split {
  readonly ordinal: number
  readonly stride: number
  readonly next: number
}

/** Deals all splits out at once, as evenly as possible: splits without an end would otherwise never all be read. */
export class GeneratorEnumerator implements SplitEnumerator {
  private readonly context: EnumeratorContext
  private pending: readonly GeneratorSplit[]

  constructor(context: EnumeratorContext, splits: number | null) {
    this.context = context
    const restored = context.restored as { readonly pending: readonly GeneratorSplit[] } | undefined
    this.pending = restored?.pending ?? generatorSplits(splits ?? context.parallelism)
  }

  onSplitRequest(subtask: number): void {
    const { parallelism } = this.context
    const isMine = (split: GeneratorSplit): boolean => split.ordinal % parallelism === subtask
    const assigned = this.pending.filter(isMine)
    this.pending = this.pending.filter((split) => !isMine(split))
    if (assigned.length > 0) this.context.assign(subtask, assigned)
    this.context.noMoreSplits(subtask)
  }

  snapshot(): unknown {
    return { version: 1, pending: this.pending }
  }
}

function generatorSplits(count: number): readonly GeneratorSplit[] {
  return Array.from({ length: count }, (_, ordinal) => ({
    id: `${ordinal}/${count}`,
    ordinal,
    stride: count,
    next: ordinal,
  }))
}
