import { AT_LEAST_ONCE } from './at-least-once-scenarios.ts'
import { DISTURBED } from './disturbed-scenarios.ts'
import { inScenario } from './in-scenario.ts'
import { LeftOut, type SinkContractOptions, SinkScenario } from './sink-scenario.ts'
import { TRANSACTIONAL } from './transactional-scenarios.ts'

/**
 * Checks what every sink of its delivery promises: crashes before and after pre-commit and half-way through the commits, repeated commits and recoveries, checkpoints that overlap or are
 * aborted, other parallelisms, and (where the environment can `disturb`) a slow and failing system. Throws with the scenario that failed, the rule that was broken and why it
 * matters. Returns the names of the scenarios that were played.
 */
export async function checkSinkContract<T>(options: SinkContractOptions<T>): Promise<readonly string[]> {
  const { delivery } = (await options.environment()).create()
  const isTransactional = delivery === 'exactly-once'
  const scenarios = { ...(isTransactional ? TRANSACTIONAL : AT_LEAST_ONCE), ...DISTURBED }
  const played: string[] = []
  for (const [name, steps] of Object.entries(scenarios)) {
    const scenario = new SinkScenario(await options.environment(), options, isTransactional)
    if (await inScenario(name, () => isPlayed(steps(scenario)))) played.push(name)
  }
  return played
}

async function isPlayed(play: Promise<void>): Promise<boolean> {
  try {
    await play
    return true
  } catch (error) {
    if (error instanceof LeftOut) return false
    throw error
  }
}
