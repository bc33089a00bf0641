/** A source that hands out work by messages, a portion for each request, until all numbers are handed out. */
import { defineJob, jsonLines } from 'tidemark'
import { type EnumeratorContext, type Source, SOURCE, type Split } from '../../../packages/tidemark/src/core/source.ts'
import { anyParams } from './kit.ts'

export interface HandingOutParams {
  readonly folder: string
  readonly portions: number
  readonly perPortion: number
}

interface Portion extends Split {
  readonly next: number
  readonly end: number
}

function handedOut({ portions, perPortion }: HandingOutParams): Source<number> {
  return {
    [SOURCE]: {},
    kind: 'handed-out',
    isBounded: true,
    replay: 'exact',
    createEnumerator(context: EnumeratorContext) {
      let handed = (context.restored as number | undefined) ?? 0
      return {
        onSplitRequest(subtask) {
          if (handed === portions) return context.noMoreSplits(subtask)
          const next = handed * perPortion
          context.assign(subtask, [{ id: `${handed++}`, next, end: next + perPortion }])
        },
        snapshot: () => handed,
      }
    },
    createReader(context) {
      let mine: { id: string; next: number; end: number }[] = []
      let isComplete = false
      return {
        addSplits(splits) {
          mine.push(...(splits as readonly Portion[]))
          context.wake()
        },
        noMoreSplits() {
          isComplete = true
          context.wake()
        },
        poll(output) {
          const [first] = mine
          if (first === undefined) return isComplete ? 'end' : 'nothing-now'
          output.emit(first.next++)
          if (first.next < first.end) return 'more'
          mine = mine.slice(1)
          if (mine.length === 0 && !isComplete) context.requestSplit()
          return 'more'
        },
        snapshot: () => mine.map((portion) => ({ ...portion })),
      }
    },
  }
}

export default defineJob({
  name: 'handing-out',
  params: anyParams<HandingOutParams>(),
  build(job, params) {
    job
      .source('numbers', handedOut(params))
      .map((number) => number)
      .to('out', jsonLines(`${params.folder}/handed-out`))
  },
})
