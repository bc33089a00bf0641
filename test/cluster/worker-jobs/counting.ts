/** A keyed count with two file sinks, a source that ends at once, and trouble where the test asks for it. */
import { defineJob, fromArray, jsonLines } from 'tidemark'
import { anyParams, isFirst, stripedNumbers } from './kit.ts'

export const KEYS = 42
/** What the short source adds. */
export const EXTRAS = [-1, -2, -3]

export type TroubleKind = 'throw' | 'throw-later' | 'reject' | 'exit' | 'memory' | 'hang'

export interface CountingParams {
  readonly folder: string
  readonly records: number
  readonly portion: number
  /** Happens once, at this number. */
  readonly trouble: { readonly kind: TroubleKind; readonly at: number } | null
}

export default defineJob({
  name: 'counting',
  params: anyParams<CountingParams>(),
  build(job, { folder, records, portion, trouble }) {
    const numbers = job.source('numbers', stripedNumbers(records, portion)).map((number) => {
      if (trouble !== null && number === trouble.at && isFirst(folder, 'trouble')) make(trouble.kind)
      return number
    })
    numbers.to('numbers-out', jsonLines(`${folder}/numbers`))
    numbers
      .union(job.source('extras', fromArray(EXTRAS)))
      .keyBy((number) => Math.abs(number) % KEYS)
      .runningCount('counts')
      .to('counts-out', jsonLines(`${folder}/counts`))
  },
})

const hoard: unknown[] = []

function make(trouble: TroubleKind): void {
  switch (trouble) {
    case 'throw':
      throw new Error('on purpose')
    case 'throw-later':
      setImmediate(() => {
        throw new RangeError('nobody catches this')
      })
      return
    case 'reject':
      void Promise.reject(new Error('nobody awaits this'))
      return
    case 'exit':
      return process.exit(7)
    case 'memory':
      for (;;) hoard.push(Array.from({ length: 10_000 }, (_, index) => ({ index })))
    case 'hang':
      for (;;);
  }
}
