import { runId } from '../../core/ids.ts'
import { isTidemarkError } from '../../core/errors.ts'
import type { FileSystem } from '../../core/file-system.ts'
import type { Committable, CommitResult, Sink, StartKind } from '../../core/sink.ts'
import type { Disturb, Disturbance } from './disturbance.ts'
import { describeDifference, difference, encoded } from './record-bag.ts'
import { BrokenRule, keep, type RuleName } from './rules.ts'
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
  /** Makes the system slow or failing: without it those scenarios are left out. */
  readonly disturb?: Disturb
  /** Names of what the sink holds at this moment: connections, files. Empty once everything is closed. */
  held?(): readonly string[]
  /** The values of secrets. Default: their names. */
  secret?(name: string): string
}

export interface SinkContractOptions<T> {
  /** A new one for every scenario. */
  environment(): Promise<SinkEnvironment<T>>
  /** A record that differs from all others. */
  record(index: number): T
  /** `committed` shows the records of each writer in the order in which they were written. Default: false. */
  readonly keepsOrder?: boolean
  /** How many records a writer may take at most while the system stalls. Default: 10,000. */
  readonly mostWaiting?: number
}

export const FRESH: StartKind = { kind: 'fresh', isForced: false }
export const RESTORED: StartKind = { kind: 'restored', from: runId('run') }

/** Thrown by a scenario that does not apply: the system cannot misbehave in this way, or the sink has no transactions. */
export class LeftOut extends Error {}

export type SinkSteps = <T>(scenario: SinkScenario<T>) => Promise<void>

const RECORDS_PER_WRITE = 5
const MOST_WAITING = 10_000

/** What every scenario works with: a sink's life over several processes. */
export class SinkScenario<T> {
  readonly environment: SinkEnvironment<T>
  readonly mostWaiting: number
  readonly isTransactional: boolean
  private readonly options: SinkContractOptions<T>
  private readonly clocks: VirtualClock[] = []
  private readonly names = new Set<string>()
  private readonly written: (readonly T[])[] = []
  private records = 0
  private epochs = 0

  constructor(environment: SinkEnvironment<T>, options: SinkContractOptions<T>, isTransactional: boolean) {
    this.environment = environment
    this.isTransactional = isTransactional
    this.options = options
    this.mostWaiting = options.mostWaiting ?? MOST_WAITING
  }

  process(parallelism = 2): SinkRun<T> {
    const { environment } = this
    const clock = new VirtualClock()
    this.clocks.push(clock)
    return new SinkRun({
      sink: environment.create(),
      files: environment.files,
      clock,
      run: 'run',
      epoch: ++this.epochs,
      parallelism,
      ...(environment.secret === undefined ? {} : { secret: (name) => environment.secret!(name) }),
    })
  }

  /** A process that begins the job. */
  async freshProcess(parallelism = 2): Promise<SinkRun<T>> {
    const run = this.process(parallelism)
    await run.start(FRESH, [])
    await run.openWriters()
    return run
  }

  newRecords(count: number): readonly T[] {
    return Array.from({ length: count }, () => this.options.record(this.records++))
  }

  /** Writes a few new records on every subtask; begins to synchronously. */
  async write(run: SinkRun<T>): Promise<readonly T[]> {
    const perSubtask = Array.from({ length: run.parallelism }, () => this.newRecords(RECORDS_PER_WRITE))
    await this.writeAll(run, perSubtask)
    return perSubtask.flat()
  }

  /** Writes given records, of each subtask. */
  async writeAll(run: SinkRun<T>, perSubtask: readonly (readonly T[])[]): Promise<void> {
    this.written.push(...perSubtask)
    await Promise.all(perSubtask.map((records, subtask) => run.write(subtask, records)))
  }

  /** Prepares, and holds the names of transactions to be new. */
  async prepare(run: SinkRun<T>): Promise<readonly Committable[]> {
    const prepared = await run.prepare()
    for (const committable of prepared) {
      const name = encoded(committable)
      keep('names are never used twice', !this.names.has(name), `${JSON.stringify(committable)} comes twice`)
      this.names.add(name)
    }
    return prepared
  }

  async commit(run: SinkRun<T>, prepared: readonly Committable[]): Promise<void> {
    expectDone(await run.commit(prepared))
    run.confirmCommitted()
  }

  /** `surplus`: the rule that records break that are there too often; `lost`: those that are missing. */
  async expectCommitted(
    expected: readonly T[],
    when: string,
    surplus: RuleName = 'visible by commit',
    lost: RuleName = surplus,
  ): Promise<void> {
    const committed = await this.environment.committed()
    const found = difference(committed, expected)
    const seen = `${when}: ${describeDifference(committed, expected)}`
    keep(lost, found.lost.length === 0, seen)
    keep(surplus, found.surplus.length === 0, seen)
    if (this.options.keepsOrder === true) this.expectOrder(committed, when)
  }

  /** Returns how to end it. Leaves the scenario out where the system cannot misbehave in this way. */
  disturb(how: Disturbance): () => void {
    const end = this.environment.disturb?.(how) ?? null
    if (end === null) throw new LeftOut()
    return end
  }

  /** Ends the last process in order: nothing is left over, nothing is held. */
  async finish(run: SinkRun<T>): Promise<void> {
    await run.close()
    const leftovers = await this.environment.leftovers()
    keep('others are aborted', leftovers.length === 0, `at the end something is left: ${leftovers.join(', ')}`)
    const clock = this.clocks.at(-1)!
    await clock.arrive()
    const alarms = clock.waiting
    keep('close releases', alarms === 0, `${alarms} timers are still set after everything was closed`)
  }

  /** Nothing is held any more. Only where no process was killed in between. */
  expectReleased(): void {
    const held = this.environment.held?.() ?? []
    keep('close releases', held.length === 0, `still held after everything was closed: ${held.join(', ')}`)
  }

  private expectOrder(committed: readonly T[], when: string): void {
    const places = new Map(committed.map((record, place) => [encoded(record), place]))
    for (const records of this.written) {
      const found = records.map((record) => places.get(encoded(record))).filter((place) => place !== undefined)
      const isOrdered = found.every((place, index) => index === 0 || found[index - 1]! < place)
      keep('order of a writer', isOrdered, `${when}: records of one writer are in another order`)
    }
  }
}

export function expectDone(results: readonly CommitResult[]): void {
  keep('commit tells the truth', results.length > 0, 'records were written, but there is nothing to commit')
  for (const result of results) {
    if (result.kind === 'retry')
      throw new BrokenRule('commit tells the truth', `a commit does not succeed: ${reasonOf(result.error)}`)
    if (result.kind === 'lost')
      throw new BrokenRule(
        'durable before acknowledged',
        `what was prepared cannot be committed: ${reasonOf(result.error)}`,
      )
  }
}

export function expectKind(results: readonly CommitResult[], kind: CommitResult['kind']): void {
  keep('commit tells the truth', results.length > 0, 'there is nothing to commit')
  for (const result of results)
    keep('commit is idempotent', result.kind === kind, `a repeated commit says ${result.kind}, not ${kind}`)
}

function reasonOf(error: unknown): string {
  return isTidemarkError(error) ? `${error.code} ${error.message}` : String(error)
}
