import type { Clock } from 'tidemark/connector'
import { retryDelayMs } from './backoff.ts'
import { isKafkaError } from './source-errors.ts'

/** Asks again for as long as the error says that it may help and patience lasts; then throws the last error. */
export async function retrying<R>(
  clock: Clock,
  patienceMs: number,
  isWanted: () => boolean,
  ask: () => Promise<R>,
): Promise<R> {
  const deadline = clock.monotonic() + patienceMs
  for (let failures = 1; ; failures++) {
    try {
      return await ask()
    } catch (error) {
      if (!isKafkaError(error) || !error.isRetriable || !isWanted()) throw error
      const delayMs = retryDelayMs(failures, error.code)
      if (clock.monotonic() + delayMs > deadline) throw error
      await new Promise<void>((resolve) => void clock.schedule(delayMs, resolve))
    }
  }
}
