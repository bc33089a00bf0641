import { describe, expect, it } from 'vitest'
import { defineJob } from '../../api/define-job.ts'
import { collect } from '../../connectors/collect.ts'
import { fromArray } from '../../connectors/from-iterable.ts'
import type { JobPlan } from '../../core/plan.ts'
import { planDifference } from './plan-difference.ts'

const plan = (name: string, isLonger = false): JobPlan =>
  defineJob('a-job', (job) => {
    const words = job.source('words', fromArray(['a']))
    const kept = isLonger ? words.map((word) => word).rebalance() : words
    kept
      .keyBy((word) => word)
      .runningCount(name)
      .to('out', collect())
  }).build(undefined).plan

describe('the difference between two plans', () => {
  it('is none between two builds of one job, wherever its steps were defined', () => {
    expect(planDifference(plan('counts'), plan('counts'))).toBeNull()
  })

  it('is the first place where they differ, with both values', () => {
    expect(planDifference(plan('counts'), plan('counts-2'))).toEqual({
      path: 'operators[1].id',
      left: 'counts',
      right: 'counts-2',
    })
  })

  it('names what only one of them has', () => {
    const one = plan('counts')
    expect(planDifference(one, { ...one, edges: one.edges.slice(1) })).toMatchObject({ path: 'edges[0].from.operator' })
    expect(planDifference(plan('counts'), plan('counts', true))).not.toBeNull()
    expect(planDifference({ ...one, edges: [] }, one)).toMatchObject({ path: 'edges[0]', left: undefined })
  })
})
