import { describe, expect, it } from 'vitest'
import { defineJob } from '../../api/define-job.ts'
import { output } from '../../api/output.ts'
import { value } from '../../api/state.ts'
import { fromArray } from '../../connectors/from-iterable.ts'
import { forEachSink } from '../../connectors/for-each.ts'
import { simulate } from './simulate.ts'

const words = Array.from({ length: 40 }, (_, index) => `word ${index % 7}`)

/** Counts words, in declared state or beside it. */
function counting(isDeclared: boolean) {
  const beside = new Map<string, number>()
  return defineJob('counting', (job) => {
    const source = job.source('words', fromArray<string>([]))
    const { counts } = source
      .keyBy((word) => word)
      .process('count', {
        state: { count: value(0) },
        outputs: { counts: output<readonly [string, number]>() },
        onRecord(word, { state, emit }) {
          const count = isDeclared ? state.count.update((old) => old + 1) : (beside.get(word) ?? 0) + 1
          beside.set(word, count)
          emit.counts([word, count])
        },
      })
    counts.to(
      'out',
      forEachSink(() => undefined),
    )
    return { source, counts }
  })
}

describe('simulate', () => {
  it('lets a job pass that keeps everything in declared state', async () => {
    await simulate(counting(true), { input: { source: words }, seeds: 50 })
  })

  it('finds state that a job keeps beside its declared state, and names the seed', async () => {
    const found = simulate(counting(false), { input: { source: words }, seeds: 50 })
    await expect(found).rejects.toThrow(/^job counting, seed \d+: output exactly once: /)
  })

  it('asks the check of the user about the outputs', async () => {
    const check = (outputs: ReadonlyMap<string, readonly unknown[]>): void => {
      if (outputs.get('out')!.length !== words.length - 1) throw new Error('not what was wanted')
    }
    const found = simulate(counting(true), { input: { source: words }, seeds: 1, check })
    await expect(found).rejects.toThrow('not what was wanted')
  })

  it('refuses input for what is no source', async () => {
    const input = { counts: ['word'] } as never
    await expect(simulate(counting(true), { input, seeds: 1 })).rejects.toThrow('counts, which is no source')
  })
})
