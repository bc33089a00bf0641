/**
 * Resolves when every promise that can settle without the outside world has settled: Node runs the queue of ticks only when that of promises is
 * empty. Far cheaper than a turn of the event loop, and as deterministic.
 */
export function settled(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve))
}
