import { expect, it } from 'vitest'
import { retentionAtEnd } from './retention-policy.ts'

it.each([
  ['no-externalized-checkpoints', 'checkpoint', ['delete', 'delete', 'keep', 'keep']],
  ['delete-on-cancellation', 'checkpoint', ['delete', 'delete', 'keep', 'keep']],
  ['retain-on-cancellation', 'checkpoint', ['delete', 'keep', 'keep', 'keep']],
  ['no-externalized-checkpoints', 'savepoint', ['keep', 'keep', 'keep', 'keep']],
] as const)(
  'scenario 13: with %s a %s of a job that finished, was cancelled, failed, was suspended: %j',
  (cleanup, purpose, fates) => {
    const ends = ['finished', 'canceled', 'failed', 'suspended'] as const
    expect(ends.map((end) => retentionAtEnd(end, cleanup, purpose))).toEqual(fates)
  },
)
