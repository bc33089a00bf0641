import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { defineJob } from '../../api/define-job.ts'
import { fromArray } from '../../connectors/from-iterable.ts'
import { TidemarkError } from '../../core/errors.ts'
import { checkpointId, epoch, operatorId, runId } from '../../core/ids.ts'
import type { PendingCommittable } from '../../core/manifest.ts'
import { type Committable, type CommitResult, SINK, type Sink } from '../../core/sink.ts'
import { ManualClock } from '../../testing/test-job/manual-clock.ts'
import { MemoryFileSystem } from '../../testing/simulator/memory-file-system.ts'
import { SinkCommitters } from './sink-committers.ts'

/** Commits what `isUp` lets through, and remembers in which order. */
function recordingSink(isUp: () => boolean, visible: number[], onAbort = () => {}): Sink<string, 'exactly-once'> {
  return {
    [SINK]: {},
    kind: 'recording',
    delivery: 'exactly-once',
    createWriter: () => ({ write: (_values, _from, to) => to, prepareCommit: async () => [] }),
    createCommitter: () => ({
      commit: async (committables) =>
        committables.map(({ data }): CommitResult => {
          if (!isUp()) return { kind: 'retry', error: new Error('not now') }
          visible.push(Number(data['checkpoint']))
          return { kind: 'committed' }
        }),
      abortOthers: async () => onAbort(),
    }),
  }
}

function prepared(checkpoint: number, subtask: number): PendingCommittable {
  const committable: Committable = { version: 1, data: { checkpoint } }
  return { operator: operatorId('out'), subtask, checkpoint: checkpointId(checkpoint), index: 0, committable }
}

function committersOf(
  sink: Sink<string, 'exactly-once'>,
  clock: ManualClock,
  refuseIfReplaced = async (): Promise<void> => {},
): SinkCommitters {
  const job = defineJob('committing', (builder) => {
    builder.source('in', fromArray(['a'])).to('out', sink)
  }).build(undefined)
  return new SinkCommitters(job, {
    job: 'committing',
    run: runId('run'),
    epoch: epoch(1),
    clock,
    files: new MemoryFileSystem(),
    secret: (name) => name,
    checkpointIntervalMs: 10,
    checkpointTimeoutMs: 1000,
    warn: () => {},
    refuseIfReplaced,
  })
}

describe('transactions of a sink', () => {
  it('become visible in the order of their checkpoints, however often they have to be retried', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 1, max: 4 }),
        fc.array(fc.boolean(), { maxLength: 40 }),
        async (checkpoints, subtasks, ups) => {
          const clock = new ManualClock()
          const visible: number[] = []
          let asked = 0
          const committers = committersOf(
            recordingSink(() => ups[asked++] ?? true, visible),
            clock,
          )
          const all = Array.from({ length: checkpoints }, (_, index) =>
            Array.from({ length: subtasks }, (_unused, subtask) => prepared(index + 1, subtask)),
          )
          // All at once, as after a recovery: what one checkpoint holds of all that came before it.
          const done = committers.recover(checkpointId(checkpoints), all.flat())
          const state = { isDone: false }
          void done.then(() => (state.isDone = true))
          while (!state.isDone) {
            await clock.turn()
            if (!clock.isBusy) clock.jump()
          }
          expect(visible).toEqual(all.flat().map(({ checkpoint }) => checkpoint))
        },
      ),
      { numRuns: 100 },
    )
  })

  it('are left alone by a process that was replaced: it neither commits nor aborts any more', async () => {
    const replaced = new TidemarkError('FENCED', 'another process has taken over')
    for (const looks of [0, 1]) {
      const visible: number[] = []
      let aborts = 0
      let looked = 0
      const committers = committersOf(
        recordingSink(
          () => true,
          visible,
          () => void aborts++,
        ),
        new ManualClock(),
        async () => {
          if (looked++ === looks) throw replaced
        },
      )
      await expect(committers.recover(checkpointId(1), [prepared(1, 0)])).rejects.toBe(replaced)
      expect([visible.length, aborts]).toEqual([looks, 0])
    }
  })
})
