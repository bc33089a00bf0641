import { keep } from './rules.ts'
import { expectDone, expectKind, FRESH, RESTORED, type SinkScenario, type SinkSteps } from './sink-scenario.ts'

/** What every transactional sink promises, in an outside world that works. */
export const TRANSACTIONAL: Readonly<Record<string, SinkSteps>> = {
  async 'records become visible by commit, not before, and once'(scenario) {
    const run = await scenario.freshProcess()
    const first = await scenario.write(run)
    const prepared = await scenario.prepare(run)
    const second = await scenario.write(run)
    await scenario.expectCommitted([], 'before the commit', 'hidden until commit')
    await scenario.commit(run, prepared)
    await scenario.expectCommitted(first, 'after the first commit')
    await scenario.commit(run, await scenario.prepare(run))
    await scenario.expectCommitted([...first, ...second], 'after the second commit')
    await scenario.finish(run)
    scenario.expectReleased()
  },

  async 'a transaction without records has nothing to commit'(scenario) {
    const run = await scenario.freshProcess()
    for (const when of ['before the first record', 'right after']) {
      const { length } = await scenario.prepare(run)
      keep('nothing for an empty transaction', length === 0, `${when}, ${length} committables`)
    }
    const records = await scenario.write(run)
    await scenario.commit(run, await scenario.prepare(run))
    const { length } = await scenario.prepare(run)
    keep('nothing for an empty transaction', length === 0, `after a commit, ${length} committables`)
    await scenario.expectCommitted(records, 'in the end')
    await scenario.finish(run)
    scenario.expectReleased()
  },

  async 'a barrier divides at the moment of the call'(scenario) {
    const run = await scenario.freshProcess()
    const first = await scenario.write(run)
    const prepared = scenario.prepare(run)
    // In the same turn, while the transaction before is still being prepared.
    const writing = scenario.write(run)
    const [before, second] = [await prepared, await writing]
    await scenario.commit(run, before)
    await scenario.expectCommitted(first, 'after the commit of what was before the barrier', 'the barrier divides')
    await scenario.commit(run, await scenario.prepare(run))
    await scenario.expectCommitted([...first, ...second], 'after both commits', 'the barrier divides')
    await scenario.finish(run)
  },

  async 'transactions of several checkpoints wait for one commit'(scenario) {
    const run = await scenario.freshProcess()
    const records = [await scenario.write(run)]
    // Two checkpoints at once; neither is known to be complete when the third begins.
    const first = scenario.prepare(run)
    records.push(await scenario.write(run))
    const second = scenario.prepare(run)
    const prepared = [...(await first), ...(await second)]
    records.push(await scenario.write(run))
    prepared.push(...(await scenario.prepare(run)))
    await scenario.expectCommitted([], 'before the commit', 'hidden until commit')
    await scenario.commit(run, prepared)
    await scenario.expectCommitted(records.flat(), 'after the commit of three checkpoints')
    await scenario.finish(run)
  },

  async 'a second commit changes nothing, in this process or another'(scenario) {
    const run = await scenario.freshProcess()
    const records = await scenario.write(run)
    const prepared = await scenario.prepare(run)
    expectDone(await run.commit(prepared))
    expectKind(await run.commit(prepared), 'already-committed')
    await run.close()
    const next = scenario.process()
    expectKind(await next.start(RESTORED, prepared), 'already-committed')
    await scenario.expectCommitted(records, 'after three commits', 'commit is idempotent')
    await scenario.finish(next)
    scenario.expectReleased()
  },

  async 'a crash half-way through the commits is made good by the next process'(scenario) {
    const run = await scenario.freshProcess()
    const records = await scenario.write(run)
    const prepared = await scenario.prepare(run)
    expectDone(await run.commit(prepared.slice(0, 1)))
    const next = scenario.process()
    const results = await next.start(RESTORED, prepared)
    expectDone(results)
    expectKind(results.slice(0, 1), 'already-committed')
    await scenario.expectCommitted(records, 'after the restart', 'commit is idempotent')
    await scenario.finish(next)
  },

  async 'a crash before pre-commit leaves nothing'(scenario) {
    const run = await scenario.freshProcess()
    await scenario.write(run)
    // No close: the process is gone.
    const next = scenario.process()
    await next.start(FRESH, [])
    await scenario.expectCommitted([], 'after the restart', 'hidden until commit')
    await next.openWriters()
    const records = await scenario.write(next)
    await scenario.commit(next, await scenario.prepare(next))
    await scenario.expectCommitted(records, 'after writing again', 'others are aborted')
    await scenario.finish(next)
  },

  async 'a transaction whose checkpoint never completed is aborted'(scenario) {
    const run = await scenario.freshProcess()
    const kept = await scenario.write(run)
    const checkpoint = await scenario.prepare(run)
    await scenario.write(run)
    await scenario.prepare(run)
    const next = scenario.process()
    expectDone(await next.start(RESTORED, checkpoint))
    await scenario.expectCommitted(kept, 'after the restart', 'others are aborted', 'durable before acknowledged')
    await scenario.finish(next)
  },

  async 'a recovery that was itself cut short is repeated'(scenario) {
    const run = await scenario.freshProcess()
    const kept = await scenario.write(run)
    const checkpoint = await scenario.prepare(run)
    await scenario.write(run)
    await scenario.prepare(run)
    const second = scenario.process()
    await second.start(RESTORED, checkpoint)
    const third = scenario.process()
    expectKind(await third.start(RESTORED, checkpoint), 'already-committed')
    await scenario.expectCommitted(kept, 'after two recoveries', 'commit is idempotent')
    await scenario.finish(third)
  },

  async 'a complete checkpoint is committed by the process after the crash, which then goes on'(scenario) {
    const run = await scenario.freshProcess()
    const before = await scenario.write(run)
    const prepared = await scenario.prepare(run)
    const next = scenario.process()
    expectDone(await next.start(RESTORED, prepared))
    await scenario.expectCommitted(before, 'after the restart', 'durable before acknowledged')
    await next.openWriters()
    const after = await scenario.write(next)
    await scenario.commit(next, await scenario.prepare(next))
    await scenario.expectCommitted([...before, ...after], 'after both')
    await scenario.finish(next)
  },

  async 'a new attempt in the same process starts clean and keeps what is committed'(scenario) {
    const run = await scenario.freshProcess()
    const committed = await scenario.write(run)
    await scenario.commit(run, await scenario.prepare(run))
    await scenario.write(run)
    await scenario.prepare(run)
    await scenario.write(run)
    await run.closeWriters()
    await run.recover([])
    await run.openWriters()
    const again = await scenario.write(run)
    await scenario.commit(run, await scenario.prepare(run))
    await scenario.expectCommitted([...committed, ...again], 'after the second attempt', 'others are aborted')
    await scenario.finish(run)
    scenario.expectReleased()
  },

  'a job goes on with fewer tasks: pending transactions of all are committed, open ones of all aborted': rescaling(
    3,
    1,
  ),
  'a job goes on with more tasks': rescaling(1, 3),
  'a job goes on with a few tasks more': rescaling(2, 3),
}

/** From parallelism `from` to `to`, with a complete checkpoint, one that never completes, and records behind both. */
function rescaling(from: number, to: number): SinkSteps {
  return async <T>(scenario: SinkScenario<T>) => {
    const run = await scenario.freshProcess(from)
    const kept = await scenario.write(run)
    const checkpoint = await scenario.prepare(run)
    await scenario.write(run)
    await scenario.prepare(run)
    await scenario.write(run)
    const next = scenario.process(to)
    expectDone(await next.start(RESTORED, checkpoint))
    await scenario.expectCommitted(kept, 'after the restart', 'others are aborted', 'durable before acknowledged')
    await next.openWriters()
    const after = await scenario.write(next)
    await scenario.commit(next, await scenario.prepare(next))
    await scenario.expectCommitted([...kept, ...after], 'after going on')
    await scenario.finish(next)
  }
}
