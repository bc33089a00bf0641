import type { Disturbance } from './disturbance.ts'
import { describeDifference } from './record-bag.ts'
import { BrokenRule, keep } from './rules.ts'
import type { Read, SourceScenario } from './source-scenario.ts'
import type { SourceCheckpoint, SourceRun } from './source-run.ts'

export type SourceSteps = <T>(scenario: SourceScenario<T>) => Promise<void>

const POSITIONS = 50
const MOST_AHEAD = 10_000
const SOME_TURNS = 300

/** What every source with exact positions promises. */
export const SOURCE_SCENARIOS: Readonly<Record<string, SourceSteps>> = {
  async 'replay from each position'(scenario) {
    const most = scenario.options.positions ?? POSITIONS
    const step = Math.max(1, Math.ceil((scenario.count + 1) / most))
    for (let position = 0; position <= scenario.count; position += step) await replay(scenario, position)
  },

  async 'while nothing is polled, a bounded amount is fetched ahead'(scenario) {
    const { fetched, mostAhead = MOST_AHEAD } = scenario.options
    if (fetched === undefined) return
    const before = fetched()
    const run = await scenario.start(undefined, { parallelism: 1 })
    await run.pass(SOME_TURNS)
    const ahead = fetched() - before
    keep(
      'bounded while nothing moves',
      ahead <= mostAhead,
      `${ahead} records were fetched ahead, ${mostAhead} are allowed`,
    )
    await scenario.close(run)
  },

  async 'a system that stalls neither keeps the source from a checkpoint nor from closing'(scenario) {
    const run = await scenario.start(undefined)
    await run.read(scenario.below(scenario.count + 1), 3)
    const end = scenario.options.disturb?.('stalls')
    if (end === null || end === undefined) return scenario.close(run)
    await attempted(() => run.readFor(SOME_TURNS, 3))
    const checkpoint = await attempted(async () => run.snapshot())
    const before = { records: [...run.records], rejected: [...run.rejected] }
    await attempted(() => run.close())
    end()
    // An attempt that failed has no checkpoint: the job begins anew.
    const parts = checkpoint === FAILED ? [] : [before]
    scenario.expectAll(
      [...parts, await scenario.readRest(checkpoint === FAILED ? undefined : checkpoint)],
      'after it is over',
    )
  },

  'a system that fails costs an attempt at most, and no record': disturbed('fails'),
  'answers that are lost cost an attempt at most, and no record': disturbed('loses-answers'),

  async 'a start that fails is repeated'(scenario) {
    const end = scenario.options.disturb?.('fails')
    if (end === null || end === undefined) return
    const run = await attempted(() => scenario.start(undefined))
    if (run !== FAILED) await attempted(() => run.close())
    end()
    const held = scenario.options.held?.() ?? []
    keep('close releases', held.length === 0, `still held after a start that failed: ${held.join(', ')}`)
    scenario.expectAll([await scenario.readRest(undefined)], 'in the next start')
  },

  async 'input that appears is found, once, also through a crash'(scenario) {
    const discovery = await scenario.options.discovery?.()
    if (discovery === undefined) return
    const expected: unknown[] = []
    const seen: unknown[] = []
    let checkpoint: SourceCheckpoint | undefined
    for (let round = 0; round < 4; round++) {
      const run = await scenario.start(checkpoint, { source: discovery.create() })
      expected.push(...(await discovery.grow()))
      // Some rounds crash right after the discovery, before anything is read.
      const goal = expected.length - seen.length
      await readOr(run, round % 2 === 0 ? goal : scenario.below(goal + 1))
      if (round % 2 === 1) await run.readFor(3, 1)
      checkpoint = run.snapshot()
      seen.push(...run.records)
      // Lost in the crash: comes again.
      await run.readFor(5, 2)
      await scenario.close(run)
    }
    const last = await scenario.start(checkpoint, { source: discovery.create() })
    await readOr(last, expected.length - seen.length)
    await last.readFor(SOME_TURNS, 3)
    await scenario.close(last)
    const difference = describeDifference([...seen, ...last.records], expected)
    keep('new input is found', difference === null, `after five processes ${difference}`)
  },
}

/** Reads so many records, or says what is missing. */
async function readOr<T>(run: SourceRun<T>, goal: number): Promise<void> {
  try {
    await run.read(goal, 3)
  } catch (error) {
    if (!(error instanceof BrokenRule) || error.rule !== 'wakes when there is work') throw error
    throw new BrokenRule('new input is found', `${run.records.length} of ${goal} records came`, error)
  }
  const seen = `the source ended after ${run.records.length} of ${goal} records`
  keep('new input is found', run.records.length >= goal, seen)
}

/** Crashes after `position` records, and with luck a few times more. */
async function replay<T>(scenario: SourceScenario<T>, position: number): Promise<void> {
  const parts: Read<T>[] = []
  let checkpoint: SourceCheckpoint | undefined
  let goal = position
  do {
    const run = await scenario.start(checkpoint)
    await run.read(goal, scenario.below(5) + 1)
    parts.push({ records: [...run.records], rejected: [...run.rejected] })
    checkpoint = run.snapshot()
    const seen = `position ${position}: a second snapshot differs from the first`
    keep('snapshot changes nothing', isSame(checkpoint, run.snapshot()), seen)
    if (scenario.below(2) === 0) run.confirm()
    // What is emitted after the snapshot is lost in the crash.
    await run.read(goal + scenario.below(10), scenario.below(5) + 1)
    await scenario.close(run)
    goal = scenario.below(5)
  } while (scenario.below(3) === 0)
  parts.push(await scenario.readRest(checkpoint))
  scenario.expectAll(parts, `position ${position}, after ${parts.length} processes`)
}

function disturbed(how: Disturbance): SourceSteps {
  return async <T>(scenario: SourceScenario<T>) => {
    const run = await scenario.start(undefined)
    await run.read(scenario.below(scenario.count + 1), 3)
    const checkpoint = run.snapshot()
    const before = { records: [...run.records], rejected: [...run.rejected] }
    const end = scenario.options.disturb?.(how)
    if (end === null || end === undefined) return scenario.close(run)
    let outcome: unknown = await attempted(() => run.readFor(SOME_TURNS, 3))
    end()
    if (outcome !== FAILED) outcome = await attempted(() => run.read(Infinity, 3))
    await attempted(() => run.close())
    const parts = outcome === FAILED ? [before, await scenario.readRest(checkpoint)] : [run]
    scenario.expectAll(parts, 'after the system works again', 'no silent loss')
  }
}

const FAILED = Symbol('failed')

/** A failure is an outcome; a broken rule is none. */
async function attempted<R>(action: () => Promise<R>): Promise<R | typeof FAILED> {
  try {
    return await action()
  } catch (error) {
    if (error instanceof BrokenRule) throw error
    return FAILED
  }
}

function isSame(left: SourceCheckpoint, right: SourceCheckpoint): boolean {
  return describeDifference([left.enumerator, ...left.splits], [right.enumerator, ...right.splits]) === null
}
