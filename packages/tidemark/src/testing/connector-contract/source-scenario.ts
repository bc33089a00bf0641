import type { Source } from '../../core/source.ts'
import { describeDifference } from './record-bag.ts'
import { keep, type RuleName } from './rules.ts'
import type { SourceContractOptions } from './source-contract.ts'
import { type SourceCheckpoint, SourceRun } from './source-run.ts'
import { VirtualClock } from './virtual-clock.ts'

/** What came out of a source by now, over several processes. */
export interface Read<T> {
  readonly records: readonly T[]
  readonly rejected: readonly unknown[]
}

/** What every scenario of a source works with. */
export class SourceScenario<T> {
  readonly options: SourceContractOptions<T>
  private expected: Read<T> = { records: [], rejected: [] }

  constructor(options: SourceContractOptions<T>) {
    this.options = options
  }

  /** How many records there are. */
  get count(): number {
    return this.expected.records.length
  }

  /** What every other reading is compared with. */
  async readUninterrupted(): Promise<readonly T[]> {
    const run = await this.start(undefined, { parallelism: 1 })
    await run.read(Infinity, this.below(20) + 1)
    await this.close(run)
    this.expected = run
    return run.records
  }

  start(
    restored: SourceCheckpoint | undefined,
    {
      source = this.options.create(),
      parallelism = this.below(3) + 1,
    }: { source?: Source<T>; parallelism?: number } = {},
  ): Promise<SourceRun<T>> {
    const { files, secret } = this.options
    return SourceRun.start({
      source,
      parallelism,
      clock: new VirtualClock(),
      files,
      ...(restored === undefined ? {} : { restored }),
      ...(secret === undefined ? {} : { secret }),
    })
  }

  async readRest(restored: SourceCheckpoint | undefined): Promise<Read<T>> {
    const run = await this.start(restored)
    await run.read(Infinity, this.below(20) + 1)
    await this.close(run)
    return run
  }

  /** Closes, and holds it to have released everything. */
  async close(run: SourceRun<T>): Promise<void> {
    await run.close()
    const alarms = await run.alarms()
    keep('close releases', alarms === 0, `${alarms} timers are still set after everything was closed`)
    const held = this.options.held?.() ?? []
    keep('close releases', held.length === 0, `still held after everything was closed: ${held.join(', ')}`)
  }

  /** Parts read one after the other, by several processes, are the whole input. */
  expectAll(parts: readonly Read<T>[], when: string, rule: RuleName = 'positions are exact'): void {
    const records = parts.flatMap((part) => part.records)
    const difference = describeDifference(records, this.expected.records)
    keep(rule, difference === null, `${when}: ${difference}`)
    const rejected = parts.flatMap((part) => part.rejected)
    const other = describeDifference(rejected, this.expected.rejected)
    keep(rule, other === null, `${when}, of what was rejected: ${other}`)
    this.expectOrder(records, when)
  }

  below(end: number): number {
    return Math.floor(this.options.random.next() * end)
  }

  private expectOrder(records: readonly T[], when: string): void {
    const { orderOf } = this.options
    if (orderOf === undefined) return
    const [is, shall] = [byGroup(records, orderOf), byGroup(this.expected.records, orderOf)]
    for (const [group, expected] of shall) {
      const actual = is.get(group) ?? []
      const index = expected.findIndex((record, place) => describeDifference([record], [actual[place]]) !== null)
      keep('order of the input', index === -1, `${when}: record ${index} of ${group} is not the one of the input`)
    }
  }
}

function byGroup<T>(records: readonly T[], orderOf: (record: T) => string): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>()
  for (const record of records) {
    const group = orderOf(record)
    const members = groups.get(group)
    if (members === undefined) groups.set(group, [record])
    else members.push(record)
  }
  return groups
}
