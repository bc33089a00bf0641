/** Seeds that found a mistake in the engine. They are replayed before any others. A seed means the same only as long as the simulator draws the same. */
export const SIMULATED_SEEDS: readonly {
  readonly job: string
  readonly seed: number
  /** Those that the seed had then. */
  readonly localHosts: number
  readonly found: string
}[] = [
  {
    job: 'files',
    seed: 1239,
    localHosts: 1,
    found: 'a released task went away with its channels full: the task before it waited for ever',
  },
  {
    job: 'list-state',
    seed: 1408,
    localHosts: 1,
    found: 'a task ended while its pre-commit went on, into the time of the next attempt',
  },
  {
    job: 'two-sinks',
    seed: 2564,
    localHosts: 1,
    found:
      'at least once, a task had finished at its snapshot before the task that sends to it: records came to nobody',
  },
  {
    job: 'finished-source',
    seed: 35,
    localHosts: 1,
    found: 'a job that was stopped while commits waited counted as finished',
  },
  {
    job: 'two-sinks',
    seed: 614,
    localHosts: 2,
    found:
      'a pre-commit failed, and the task ended while that of another sink went on into the time of the next attempt',
  },
  {
    job: 'list-state',
    seed: 519_858,
    localHosts: 2,
    found: 'the last record of a finished job failed twice to be put in order: its partial file stayed for ever',
  },
]
