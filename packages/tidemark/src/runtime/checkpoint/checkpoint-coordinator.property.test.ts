import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { attempt, type TaskId, taskId } from '../../core/ids.ts'
import type { CoordinatedTask, CoordinatorOptions } from './coordinator-contract.ts'
import { CoordinatorModel } from '../../testing/simulator/coordinator-model.ts'

/** A diamond with a tail: `a → b, c → d`, and `e` apart; one or two subtasks each. */
function diamond(parallelism: number): readonly CoordinatedTask[] {
  const inputs = { a: [], b: ['a'], c: ['a'], d: ['b', 'c'], e: [] } as const
  const subtasks = Array.from({ length: parallelism }, (_, subtask) => subtask)
  return Object.entries(inputs).flatMap(([vertex, from]) =>
    subtasks.map((subtask) => ({
      task: taskId(vertex, subtask),
      vertex,
      subtask,
      upstream: from.flatMap((upstream): TaskId[] => subtasks.map((other) => taskId(upstream, other))),
      isFinished: false,
    })),
  )
}

const options: fc.Arbitrary<Omit<CoordinatorOptions, 'firstCheckpoint'>> = fc.record({
  intervalMs: fc.option(fc.integer({ min: 1, max: 100 }), { nil: null }),
  timeoutMs: fc.integer({ min: 1, max: 300 }),
  minPauseMs: fc.constantFrom(0, 0, 30),
  maxConcurrent: fc.integer({ min: 1, max: 3 }),
  tolerableFailures: fc.constantFrom(0, 1, 1000),
  retained: fc.integer({ min: 1, max: 3 }),
})

/** What happens next and to whom: picked by the model among what can happen. */
const steps = fc.array(fc.tuple(fc.nat(99), fc.nat(1_000_000)), { maxLength: 150, size: 'max' })

it('holds its invariants whatever happens in whatever order, and never gets stuck', () => {
  fc.assert(
    fc.property(options, fc.integer({ min: 1, max: 2 }), steps, (given, parallelism, sequence) => {
      const model = new CoordinatorModel(given, diamond(parallelism), attempt(1))
      for (const [what, whom] of sequence) model.step(what, whom)
      model.finishInOrder()
      expect(model.isJobFinished).toBe(true)
    }),
    { numRuns: 400 },
  )
})
