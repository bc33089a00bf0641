import { keep } from './rules.ts'
import { RESTORED, type SinkSteps } from './sink-scenario.ts'

/** What every sink without transactions promises, in an outside world that works. */
export const AT_LEAST_ONCE: Readonly<Record<string, SinkSteps>> = {
  async 'everything written before a barrier is there when it is acknowledged'(scenario) {
    const run = await scenario.freshProcess()
    const first = await scenario.write(run)
    const { length } = await scenario.prepare(run)
    keep('commit tells the truth', length === 0, `${length} committables of a sink without transactions`)
    await scenario.expectCommitted(first, 'after the first barrier', 'durable before acknowledged')
    const second = await scenario.write(run)
    await scenario.prepare(run)
    await scenario.expectCommitted([...first, ...second], 'after the second barrier', 'durable before acknowledged')
    await scenario.finish(run)
    scenario.expectReleased()
  },

  async 'what was acknowledged survives a crash, also with another number of tasks'(scenario) {
    const run = await scenario.freshProcess(3)
    const first = await scenario.write(run)
    await scenario.prepare(run)
    const next = scenario.process(1)
    await next.start(RESTORED, [])
    await next.openWriters()
    const second = await scenario.write(next)
    await scenario.prepare(next)
    await scenario.expectCommitted([...first, ...second], 'after the restart', 'durable before acknowledged')
    await scenario.finish(next)
  },
}
