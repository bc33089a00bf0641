import type { Random } from '../../core/clock.ts'
import type { FileSystem } from '../../core/file-system.ts'
import type { Source } from '../../core/source.ts'
import type { Disturb } from './disturbance.ts'
import { inScenario } from './in-scenario.ts'
import { SOURCE_SCENARIOS } from './source-scenarios.ts'
import { SourceScenario } from './source-scenario.ts'

export interface SourceContractOptions<T> {
  /** A bounded source over the same input every time. */
  create(): Source<T>
  readonly files: FileSystem
  readonly random: Random
  /** From how many positions to replay at most. Default: 50. */
  readonly positions?: number
  /** Records of the same group come in the order of the input: a partition, a file. Without it order is not checked. */
  readonly orderOf?: (record: T) => string
  /** Makes the outside system slow or failing: without it those scenarios are left out. */
  readonly disturb?: Disturb
  /** Names of what the source holds at this moment: connections, files. Empty once everything is closed. */
  readonly held?: () => readonly string[]
  /** How many records the outside system has handed out so far, for back pressure. */
  readonly fetched?: () => number
  /** How many of them one reader may have fetched beyond what it emitted. Default: 10,000. */
  readonly mostAhead?: number
  /** A source that finds input which appears while it runs, and how to make some appear: more records, new splits. `grow` returns the records that have to come because of it. */
  readonly discovery?: () => Promise<{
    create(): Source<T>
    grow(): readonly T[] | Promise<readonly T[]>
  }>
  /** The values of secrets. Default: their names. */
  readonly secret?: (name: string) => string
}

/**
 * Checks what every source promises, with random parallelism, poll sizes and moments; throws with the scenario, the rule that was broken and why it matters. Returns the records read
 * without interruption. Where `replay` is `exact`: from every position the rest is read again, nothing lost, nothing twice, in order, through any number of crashes and with another
 * parallelism; what it rejects, too. Where the options allow: discovery, back pressure, a stalling and failing system, and that everything is released.
 */
export async function checkSourceContract<T>(options: SourceContractOptions<T>): Promise<readonly T[]> {
  const scenario = new SourceScenario(options)
  const expected = await inScenario('uninterrupted reading', () => scenario.readUninterrupted())
  if (options.create().replay === 'none') return expected
  for (const [name, steps] of Object.entries(SOURCE_SCENARIOS)) await inScenario(name, () => steps(scenario))
  return expected
}
