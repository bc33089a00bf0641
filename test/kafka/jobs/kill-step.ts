/** Where a process dies. The environment says which, and at its how many-th time after the start of the process: `half-committed:2`. */
export type KillStep =
  /** The transaction is pre-committed, the task has not acknowledged. */
  | 'pre-committed'
  /** All have acknowledged and the manifest is durable; nothing is committed. */
  | 'before-commit'
  /** Some transactions of a checkpoint are committed, others are not. */
  | 'half-committed'
  /** All are committed, nobody has been told. */
  | 'committed'
  /** The next process has committed what the last one left, and is about to abort the rest. */
  | 'aborting'

export const KILL_VARIABLE = 'COUNTING_KILL_AT'
