import type { Clock } from 'tidemark/connector'
import { retryDelayMs } from '../source/backoff.ts'
import { codeOf, isRetriable } from './sink-errors.ts'

/** Tries again what may succeed later; whatever waits ends with `stop`, and leaves no timer. */
export class Retries {
  private readonly clock: Clock
  private readonly waiting = new Set<() => void>()
  private isStopped = false

  constructor(clock: Clock) {
    this.clock = clock
  }

  /** Asks again for as long as the error says that it may help and patience lasts; then throws the last error. */
  async run<R>(patienceMs: number, ask: () => Promise<R>): Promise<R> {
    const deadline = this.clock.monotonic() + patienceMs
    for (let failures = 1; ; failures++) {
      try {
        return await ask()
      } catch (error) {
        const delayMs = retryDelayMs(failures, codeOf(error))
        const isHopeless = !isRetriable(error) || this.clock.monotonic() + delayMs > deadline
        if (isHopeless || !(await this.wait(delayMs))) throw error
      }
    }
  }

  /** False when it was stopped meanwhile. */
  async wait(delayMs: number): Promise<boolean> {
    if (this.isStopped) return false
    await new Promise<void>((resolve) => {
      const done = (): void => {
        this.waiting.delete(done)
        cancel()
        resolve()
      }
      const cancel = this.clock.schedule(delayMs, done)
      this.waiting.add(done)
    })
    return !this.isStopped
  }

  stop(): void {
    this.isStopped = true
    for (const done of this.waiting) done()
  }
}
