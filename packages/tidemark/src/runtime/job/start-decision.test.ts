import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { TidemarkError } from '../../core/errors.ts'
import { checkpointId, epoch, runId } from '../../core/ids.ts'
import type { JobRecord, RunStatus } from './job-record.ts'
import { decideStart, type StartCheckpoint, type StartFacts } from './start-decision.ts'

function record(status: RunStatus, from: string | null = null): JobRecord {
  return { job: 'count', run: runId('a'), epoch: epoch(3), status, from, updatedAt: 0 }
}

function checkpoint(number: number, run = 'a'): StartCheckpoint {
  return { run: runId(run), checkpoint: checkpointId(number), path: `/job/run-${run}/chk-${number}` }
}

function decide(facts: Partial<StartFacts>): ReturnType<typeof decideStart> {
  return decideStart({
    previous: null,
    checkpoints: [],
    from: null,
    isFresh: false,
    allowDuplicates: false,
    hasTransactionalSinks: true,
    ...facts,
  })
}

const damage = new TidemarkError('CHECKPOINT_CORRUPT', '/job/run-a/chk-9/manifest is damaged: …', {
  context: { file: '/job/run-a/chk-9/manifest' },
})

describe('starting a job', () => {
  it('begins a new run when there is no record', () => {
    expect(decide({})).toEqual({ kind: 'new' })
  })

  it.each(['finished', 'canceled'] as const)('begins a new run after the last one was %s', (status) => {
    expect(decide({ previous: record(status), checkpoints: [checkpoint(7)] })).toEqual({ kind: 'new' })
  })

  it.each(['running', 'suspended', 'failed'] as const)(
    'goes on from the newest checkpoint when it was %s',
    (status) => {
      const decision = decide({ previous: record(status), checkpoints: [checkpoint(7), checkpoint(12)] })
      expect(decision).toEqual({ kind: 'continue', path: '/job/run-a/chk-12' })
    },
  )

  it('begins a new run when the last one was killed before its first checkpoint', () => {
    expect(decide({ previous: record('running') })).toEqual({ kind: 'new' })
  })

  it('starts again from the checkpoint given by --from when that run was killed before its own first', () => {
    const decision = decide({ previous: record('running', '/old/run-x/chk-3') })
    expect(decision).toEqual({ kind: 'new-from', path: '/old/run-x/chk-3' })
  })

  it('refuses to go on when the newest checkpoint is damaged, and names the file', () => {
    const decision = decide({ previous: record('running'), checkpoints: damage })
    expect(decision).toMatchObject({
      kind: 'refuse',
      error: { code: 'CHECKPOINT_CORRUPT', context: { file: '/job/run-a/chk-9/manifest' } },
    })
  })

  it('starts without state when told so, whatever there is', () => {
    expect(decide({ previous: record('running'), checkpoints: damage, isFresh: true })).toEqual({ kind: 'new' })
  })

  it('refuses --from together with --fresh', () => {
    expect(decide({ from: checkpoint(1), isFresh: true })).toMatchObject({
      kind: 'refuse',
      error: { code: 'INVALID_OPTION' },
    })
  })

  it('begins a new run from a checkpoint of another run', () => {
    const decision = decide({ previous: record('running'), checkpoints: [checkpoint(9)], from: checkpoint(2, 'b') })
    expect(decision).toEqual({ kind: 'new-from', path: '/job/run-b/chk-2' })
  })

  it('goes on with the run when --from names its newest checkpoint', () => {
    const decision = decide({ previous: record('failed'), checkpoints: [checkpoint(9)], from: checkpoint(9) })
    expect(decision).toEqual({ kind: 'continue', path: '/job/run-a/chk-9' })
  })

  it('refuses an older checkpoint of the same run with transactional sinks unless duplicates are allowed', () => {
    const facts = { previous: record('running'), checkpoints: [checkpoint(8), checkpoint(9)], from: checkpoint(8) }
    expect(decide(facts)).toMatchObject({ kind: 'refuse', error: { code: 'INVALID_OPTION' } })
    expect(decide({ ...facts, checkpoints: damage })).toMatchObject({ kind: 'refuse' })
    expect(decide({ ...facts, allowDuplicates: true })).toEqual({ kind: 'new-from', path: '/job/run-a/chk-8' })
    expect(decide({ ...facts, hasTransactionalSinks: false })).toEqual({ kind: 'new-from', path: '/job/run-a/chk-8' })
  })

  it('never restores anything but the newest checkpoint of a run unless the user named another one', () => {
    const number = fc.integer({ min: 1, max: 5 })
    fc.assert(
      fc.property(
        fc.constantFrom<RunStatus>('running', 'suspended', 'failed', 'finished', 'canceled'),
        fc.uniqueArray(number),
        fc.option(number),
        fc.boolean(),
        fc.boolean(),
        (status, numbers, from, allowDuplicates, hasTransactionalSinks) => {
          const checkpoints = numbers.sort((left, right) => left - right).map((item) => checkpoint(item))
          const decision = decide({
            previous: record(status),
            checkpoints,
            from: from === null ? null : checkpoint(from),
            allowDuplicates,
            hasTransactionalSinks,
          })
          const newest = checkpoints.at(-1)
          if (decision.kind === 'continue') expect(decision.path).toBe(newest?.path)
          if (decision.kind !== 'new-from' || allowDuplicates || !hasTransactionalSinks) return
          expect(from).not.toBeNull()
          expect(from!).toBeGreaterThanOrEqual(newest?.checkpoint ?? Number.POSITIVE_INFINITY)
        },
      ),
    )
  })
})
