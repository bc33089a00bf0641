import type { Job } from '../../api/define-job.ts'
import { TidemarkError } from '../../core/errors.ts'
import { JOB } from '../../core/job.ts'
import type { TestOptions, TestRun } from './contract.ts'
import { InMemoryRun } from './in-memory-run.ts'

/**
 * Runs a job in memory, to be fed and looked at: `run.at` holds a probe for every stream that the build function returned. Sources are
 * replaced by ones to push into, sinks by collectors (no file is read or written, nothing is printed), resources by the fakes in `use`; functions, state,
 * partitioning, checkpoints and recovery are the real ones. Development mode is on: records are frozen, and what could not be stored or sent is refused.
 *
 * Deterministic: the same pushes give the same records in the same order. Resolves when the job runs; rejects with the error of a job that does
 * not start.
 *
 *     await using run = await testJob(revenue)
 *     run.at.orders.push({ shop: 'a', amount: 5 })
 *     await run.crash()
 *     await run.settle()
 *     expect(run.at.revenue.records).toEqual([['a', 5]])
 */
export function testJob<P>(job: Job<undefined, P>, options?: TestOptions): Promise<TestRun<P>>
export function testJob<Params, P>(
  job: Job<Params, P>,
  options: TestOptions & { readonly params: Params },
): Promise<TestRun<P>>
export async function testJob(
  job: Job,
  options: TestOptions & { readonly params?: unknown } = {},
): Promise<TestRun<unknown>> {
  if (typeof job !== 'object' || job === null || !(JOB in job)) {
    throw new TidemarkError('INVALID_JOB', 'testJob() was given something that is not a job', {
      action: 'Give it what defineJob() returned.',
    })
  }
  const { params, ...rest } = options
  const run = new InMemoryRun(job, params, rest)
  await run.start()
  return run
}
