import { describe, expect, it } from 'vitest'
import { defaultWorkers } from './default-workers.ts'

const facts = { asked: undefined, parallelism: 4, cores: 2, hasModule: true, isInspected: false }

describe('the number of workers', () => {
  it('is what was asked for, whatever else', () => {
    expect(defaultWorkers({ ...facts, asked: 0 })).toBe(0)
    expect(defaultWorkers({ ...facts, asked: 7, isInspected: true, parallelism: 1 })).toBe(7)
  })

  it('is one per core, but not more than there are parallel tasks', () => {
    expect(defaultWorkers(facts)).toBe(2)
    expect(defaultWorkers({ ...facts, cores: 16 })).toBe(4)
  })

  it('is none for one task per operator, under an inspector, and where workers could not load the job', () => {
    expect(defaultWorkers({ ...facts, parallelism: 1 })).toBe(0)
    expect(defaultWorkers({ ...facts, isInspected: true })).toBe(0)
    expect(defaultWorkers({ ...facts, hasModule: false })).toBe(0)
  })
})
