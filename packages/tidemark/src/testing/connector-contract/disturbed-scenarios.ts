import type { Committable, CommitResult } from '../../core/sink.ts'
import type { Disturbance } from './disturbance.ts'
import { describeDifference, recordBag } from './record-bag.ts'
import { BrokenRule, keep } from './rules.ts'
import { expectDone, LeftOut, type SinkScenario, type SinkSteps } from './sink-scenario.ts'
import type { SinkRun } from './sink-run.ts'

const MANY_TURNS = 2_000
const FEW_TURNS = 20

/** What sinks promise while the outside system is slow or fails. Left out where the environment cannot `disturb`. */
export const DISTURBED: Readonly<Record<string, SinkSteps>> = {
  async 'while the system stalls, a bounded number of records is taken; then all of them arrive'(scenario) {
    const run = await scenario.freshProcess(1)
    const end = scenario.disturb('stalls')
    const records = scenario.newRecords(scenario.mostWaiting + 1)
    const taken = await attempted(() => run.offer(0, records))
    if (taken.value !== null) {
      const seen = `${taken.value} records were taken while the system did not answer`
      keep('bounded while nothing moves', taken.value <= scenario.mostWaiting, seen)
    }
    end()
    const rest = await attempted(async () => {
      if (taken.value === null) throw taken.error
      await run.write(0, records.slice(taken.value))
    })
    await arrive(scenario, run, [], rest.value === null ? null : [], [records])
  },

  async 'close settles while the system stalls, and so does the pre-commit under way'(scenario) {
    const run = await scenario.freshProcess()
    const before = await scenario.write(run)
    await commitAll(scenario, run)
    const end = scenario.disturb('stalls')
    const lost: unknown[] = []
    for (let subtask = 0; subtask < run.parallelism; subtask++) {
      const records = scenario.newRecords(3)
      lost.push(...records)
      await attempted(() => run.offer(subtask, records))
    }
    const preparing = run.prepare()
    preparing.catch(() => undefined)
    await attempted(() => run.closeWriters())
    await attempted(() => preparing)
    end()
    await run.recover([])
    await run.openWriters()
    const after = await scenario.write(run)
    await commitAll(scenario, run)
    await expectAll(scenario, [...before, ...after], lost, 'after the next attempt')
    await scenario.finish(run)
    scenario.expectReleased()
  },

  'a system that fails while records are written costs an attempt at most, and no record': disturbedWriting(
    'fails',
    'meanwhile',
  ),
  'a system that fails between two barriers costs an attempt at most, and no record': disturbedWriting(
    'fails',
    'afterwards',
  ),
  'answers that are lost while records are written cost an attempt at most, and no record': disturbedWriting(
    'loses-answers',
    'meanwhile',
  ),
  'a commit that fails is tried again': disturbedCommit('fails'),
  'a commit whose answer is lost is tried again, and counts once': disturbedCommit('loses-answers'),

  async 'a recovery that fails is tried again'(scenario) {
    const run = await scenario.freshProcess()
    const kept = await scenario.write(run)
    const prepared = await scenario.prepare(run)
    if (!scenario.isTransactional) throw new LeftOut()
    const uncertain = await scenario.write(run)
    await scenario.prepare(run)
    await run.closeWriters()
    const end = scenario.disturb('fails')
    await attempted(() => run.recover(prepared))
    end()
    expectDone(await run.recover(prepared))
    await expectAll(scenario, kept, uncertain, 'after the second recovery')
    await scenario.finish(run)
    scenario.expectReleased()
  },
}

/** `barrier`: whether the barrier comes while it lasts, or only when all is well again. */
function disturbedWriting(how: Disturbance, barrier: 'meanwhile' | 'afterwards'): SinkSteps {
  return async <T>(scenario: SinkScenario<T>) => {
    const run = await scenario.freshProcess()
    const before = await scenario.write(run)
    await commitAll(scenario, run)
    const end = scenario.disturb(how)
    const records = Array.from({ length: run.parallelism }, () => scenario.newRecords(20))
    const writing = attempted(async () => {
      await scenario.writeAll(run, records)
      return barrier === 'meanwhile' ? scenario.prepare(run) : []
    })
    // Retries may go on for as long as it takes: then they succeed when the system works again.
    await run.isSettledWithin(writing, MANY_TURNS)
    if (barrier === 'afterwards') await run.pass(FEW_TURNS)
    end()
    let outcome = await run.settle(writing, 'writing')
    if (barrier === 'afterwards' && outcome.value !== null) outcome = await attempted(() => scenario.prepare(run))
    await arrive(scenario, run, before, outcome.value, records)
  }
}

function disturbedCommit(how: Disturbance): SinkSteps {
  return async <T>(scenario: SinkScenario<T>) => {
    const run = await scenario.freshProcess()
    const records = await scenario.write(run)
    const prepared = await scenario.prepare(run)
    if (!scenario.isTransactional) throw new LeftOut()
    const end = scenario.disturb(how)
    const committing = attempted(() => run.commit(prepared))
    await run.isSettledWithin(committing, MANY_TURNS)
    end()
    const results = (await run.settle(committing, 'commit')).value ?? []
    refuseLost(results)
    if (results.length > 0 && results.every(({ kind }) => kind !== 'retry')) {
      await scenario.expectCommitted(records, 'after a commit that says committed', 'commit tells the truth')
    }
    expectDone(await run.commit(prepared))
    await scenario.expectCommitted(records, 'after the second try')
    await scenario.finish(run)
    scenario.expectReleased()
  }
}

/** Whatever became of the attempt: its records are there in the end, and once where the sink is transactional. */
async function arrive<T>(
  scenario: SinkScenario<T>,
  run: SinkRun<T>,
  before: readonly T[],
  prepared: readonly Committable[] | null,
  records: readonly (readonly T[])[],
): Promise<void> {
  if (prepared === null) {
    // The attempt failed: the next one begins after the newest checkpoint, and the same records come again.
    await attempted(() => run.closeWriters())
    await run.recover([])
    await run.openWriters()
    await scenario.writeAll(run, records)
    await commitAll(scenario, run)
  } else {
    if (prepared.length > 0) await scenario.commit(run, prepared)
    await commitAll(scenario, run)
  }
  await expectAll(scenario, [...before, ...records.flat()], records.flat(), 'after the system works again')
  await scenario.finish(run)
  scenario.expectReleased()
}

/** Everything since the last barrier. */
async function commitAll<T>(scenario: SinkScenario<T>, run: SinkRun<T>): Promise<void> {
  const prepared = await scenario.prepare(run)
  if (prepared.length > 0) await scenario.commit(run, prepared)
}

/** Exactly these records; without transactions those of a failed attempt may be there more often. */
async function expectAll<T>(
  scenario: SinkScenario<T>,
  expected: readonly T[],
  uncertain: readonly unknown[],
  when: string,
): Promise<void> {
  if (scenario.isTransactional) return scenario.expectCommitted(expected, when, 'no silent loss')
  const mayBeMore = recordBag(uncertain)
  const seen = recordBag(await scenario.environment.committed())
  const lost = [...recordBag(expected).keys()].filter((key) => !seen.has(key))
  keep('no silent loss', lost.length === 0, `${when}: ${lost.length} records are lost`)
  const others = [...seen.keys()].filter((key) => !mayBeMore.has(key))
  const known = expected.filter((record) => ![...recordBag([record]).keys()].some((key) => mayBeMore.has(key)))
  keep('no silent loss', others.length === recordBag(known).size, `${when}: ${describeDifference(known, expected)}`)
}

function refuseLost(results: readonly CommitResult[]): void {
  const lost = results.find(({ kind }) => kind === 'lost')
  if (lost === undefined) return
  throw new BrokenRule('commit tells the truth', 'a commit that failed says lost, but the transaction is still there')
}

interface Outcome<R> {
  /** Null: it failed. */
  readonly value: R | null
  readonly error: unknown
}

/** A failure is an outcome; a broken rule is none. */
async function attempted<R>(action: () => Promise<R>): Promise<Outcome<R>> {
  try {
    return { value: await action(), error: null }
  } catch (error) {
    if (error instanceof BrokenRule) throw error
    return { value: null, error }
  }
}
