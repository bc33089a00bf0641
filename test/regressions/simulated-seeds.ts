/** Seeds that found a mistake in the engine. They are replayed before any others. A seed means the same only as long as the simulator draws the same. */
export const SIMULATED_SEEDS: readonly { readonly job: string; readonly seed: number; readonly found: string }[] = [
  {
    job: 'files',
    seed: 1239,
    found: 'a released task went away with its channels full: the task before it waited for ever',
  },
  {
    job: 'list-state',
    seed: 1408,
    found: 'a task ended while its pre-commit went on, into the time of the next attempt',
  },
  {
    job: 'two-sinks',
    seed: 2564,
    found:
      'at least once, a task had finished at its snapshot before the task that sends to it: records came to nobody',
  },
  { job: 'finished-source', seed: 35, found: 'a job that was stopped while commits waited counted as finished' },
]
