import { BrokenRule } from './rules.ts'

/** Errors name the scenario that they come from. */
export async function inScenario<R>(name: string, play: () => Promise<R>): Promise<R> {
  try {
    return await play()
  } catch (cause) {
    if (cause instanceof BrokenRule) {
      cause.message = `${name}: ${cause.message}`
      throw cause
    }
    throw new Error(`${name}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}
