import { runId } from '../../core/ids.ts'
import { assert, isTidemarkError } from '../../core/errors.ts'
import type { FileSystem } from '../../core/file-system.ts'
import type { CommitResult, Sink, StartKind } from '../../core/sink.ts'
import { describeDifference } from './record-bag.ts'
import { SinkRun } from './sink-run.ts'
import { VirtualClock } from './virtual-clock.ts'

/** An outside system, empty, and a way to look into it. */
export interface SinkEnvironment<T> {
  /** Sinks that write to this system. */
  create(): Sink<T>
  readonly files: FileSystem
  /** What a reader sees that honours commits. */
  committed(): Promise<readonly T[]>
  /** Names of whatever is neither committed nor allowed to stay when a run has ended in order. */
  leftovers(): Promise<readonly string[]>
}

export interface SinkContractOptions<T> {
  /** A new one for every scenario. */
  environment(): Promise<SinkEnvironment<T>>
  /** A record that differs from all others. */
  record(index: number): T
}

const FRESH: StartKind = { kind: 'fresh', isForced: false }
const RESTORED: StartKind = { kind: 'restored', from: runId('run') }
const PARALLELISM = 2

/** What every scenario works with: a sink's life over several processes. */
class Scenario<T> {
  readonly environment: SinkEnvironment<T>
  private readonly options: SinkContractOptions<T>
  private records = 0
  private epochs = 0

  constructor(environment: SinkEnvironment<T>, options: SinkContractOptions<T>) {
    this.environment = environment
    this.options = options
  }

  process(): SinkRun<T> {
    const { environment } = this
    return new SinkRun({
      sink: environment.create(),
      files: environment.files,
      clock: new VirtualClock(),
      run: 'run',
      epoch: ++this.epochs,
      parallelism: PARALLELISM,
    })
  }

  /** Writes a few new records on every subtask. */
  async write(run: SinkRun<T>): Promise<readonly T[]> {
    const written: T[] = []
    for (let subtask = 0; subtask < PARALLELISM; subtask++) {
      const records = Array.from({ length: 5 }, () => this.options.record(this.records++))
      await run.write(subtask, records)
      written.push(...records)
    }
    return written
  }

  async expectCommitted(expected: readonly T[], when: string): Promise<void> {
    const difference = describeDifference(await this.environment.committed(), expected)
    assert(difference === null, `${when}: ${difference}`)
  }
}

type Steps = <T>(scenario: Scenario<T>) => Promise<void>

const TRANSACTIONAL: Readonly<Record<string, Steps>> = {
  async 'records become visible by commit, not before, and once'(scenario) {
    const run = scenario.process()
    await run.start(FRESH, [])
    await run.openWriters()
    const first = await scenario.write(run)
    const prepared = await run.prepare()
    const second = await scenario.write(run)
    await scenario.expectCommitted([], 'before the commit')
    expectDone(await run.commit(prepared))
    run.confirmCommitted()
    await scenario.expectCommitted(first, 'after the first commit')
    expectDone(await run.commit(await run.prepare()))
    await scenario.expectCommitted([...first, ...second], 'after the second commit')
    assert((await run.prepare()).length === 0, 'an empty transaction has no committables')
    await finish(scenario, run)
  },

  async 'a second commit changes nothing, in this process or another'(scenario) {
    const run = scenario.process()
    await run.start(FRESH, [])
    await run.openWriters()
    const records = await scenario.write(run)
    const prepared = await run.prepare()
    expectDone(await run.commit(prepared))
    expectKind(await run.commit(prepared), 'already-committed')
    await run.close()
    const next = scenario.process()
    expectKind(await next.start(RESTORED, prepared), 'already-committed')
    await scenario.expectCommitted(records, 'after three commits')
    await finish(scenario, next)
  },

  async 'a crash before pre-commit leaves nothing'(scenario) {
    const run = scenario.process()
    await run.start(FRESH, [])
    await run.openWriters()
    await scenario.write(run)
    // No close: the process is gone.
    const next = scenario.process()
    await next.start(FRESH, [])
    await scenario.expectCommitted([], 'after the restart')
    await next.openWriters()
    const records = await scenario.write(next)
    expectDone(await next.commit(await next.prepare()))
    await scenario.expectCommitted(records, 'after writing again')
    await finish(scenario, next)
  },

  async 'a transaction whose checkpoint never completed is aborted'(scenario) {
    const run = scenario.process()
    await run.start(FRESH, [])
    await run.openWriters()
    const kept = await scenario.write(run)
    const checkpoint = await run.prepare()
    await scenario.write(run)
    await run.prepare()
    const next = scenario.process()
    expectDone(await next.start(RESTORED, checkpoint))
    await scenario.expectCommitted(kept, 'after the restart')
    await finish(scenario, next)
  },

  async 'a complete checkpoint is committed by the process after the crash, which then goes on'(scenario) {
    const run = scenario.process()
    await run.start(FRESH, [])
    await run.openWriters()
    const before = await scenario.write(run)
    const prepared = await run.prepare()
    const next = scenario.process()
    expectDone(await next.start(RESTORED, prepared))
    await next.openWriters()
    const after = await scenario.write(next)
    expectDone(await next.commit(await next.prepare()))
    await scenario.expectCommitted([...before, ...after], 'after both')
    await finish(scenario, next)
  },

  async 'a new attempt in the same process starts clean and keeps what is committed'(scenario) {
    const run = scenario.process()
    await run.start(FRESH, [])
    await run.openWriters()
    const committed = await scenario.write(run)
    expectDone(await run.commit(await run.prepare()))
    await scenario.write(run)
    await run.prepare()
    await scenario.write(run)
    await run.closeWriters()
    await run.recover([])
    await run.openWriters()
    const again = await scenario.write(run)
    expectDone(await run.commit(await run.prepare()))
    await scenario.expectCommitted([...committed, ...again], 'after the second attempt')
    await finish(scenario, run)
  },
}

const AT_LEAST_ONCE: Readonly<Record<string, Steps>> = {
  async 'everything written before a barrier is there when it is acknowledged'(scenario) {
    const run = scenario.process()
    await run.start(FRESH, [])
    await run.openWriters()
    const first = await scenario.write(run)
    assert((await run.prepare()).length === 0, 'nothing has to be committed')
    await scenario.expectCommitted(first, 'after the first barrier')
    const second = await scenario.write(run)
    await run.prepare()
    await scenario.expectCommitted([...first, ...second], 'after the second barrier')
    await finish(scenario, run)
  },
}

/** Checks what every sink of its delivery promises; throws with the scenario that failed. Returns the names of the scenarios. */
export async function checkSinkContract<T>(options: SinkContractOptions<T>): Promise<readonly string[]> {
  const { delivery } = (await options.environment()).create()
  const scenarios = Object.entries(delivery === 'exactly-once' ? TRANSACTIONAL : AT_LEAST_ONCE)
  for (const [name, steps] of scenarios) {
    try {
      await steps(new Scenario(await options.environment(), options))
    } catch (cause) {
      throw new Error(`${name}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
    }
  }
  return scenarios.map(([name]) => name)
}

async function finish<T>(scenario: Scenario<T>, run: SinkRun<T>): Promise<void> {
  await run.close()
  const leftovers = await scenario.environment.leftovers()
  assert(leftovers.length === 0, `at the end something is left: ${leftovers.join(', ')}`)
}

function expectDone(results: readonly CommitResult[]): void {
  assert(results.length > 0, 'there is something to commit')
  for (const result of results) {
    const problem = result.kind === 'retry' || result.kind === 'lost' ? reasonOf(result.error) : null
    assert(problem === null, `a commit succeeds, but: ${result.kind} ${problem}`)
  }
}

function expectKind(results: readonly CommitResult[], kind: CommitResult['kind']): void {
  assert(results.length > 0, 'there is something to commit')
  for (const result of results) assert(result.kind === kind, `a repeated commit says ${kind}, not ${result.kind}`)
}

function reasonOf(error: unknown): string {
  return isTidemarkError(error) ? `${error.code} ${error.message}` : String(error)
}
