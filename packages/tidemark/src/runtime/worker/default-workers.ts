/** How many worker threads a run uses: as asked for, else one per core that has a task, but none where there is nothing to gain or breakpoints are to be followed. */
export function defaultWorkers(facts: {
  readonly asked: number | undefined
  readonly parallelism: number
  readonly cores: number
  /** Workers can load the job. */
  readonly hasModule: boolean
  readonly isInspected: boolean
}): number {
  const { asked, parallelism, cores, hasModule, isInspected } = facts
  if (asked !== undefined) return asked
  if (!hasModule || isInspected || parallelism === 1) return 0
  return Math.min(parallelism, cores)
}
