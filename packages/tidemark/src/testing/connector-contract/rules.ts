/** What the engine relies on in every connector: each rule with what goes wrong where it is broken. */
export const RULES = {
  'hidden until commit': {
    rule: 'What a transactional sink writes is visible to readers only after its commit.',
    why: 'A crash before the checkpoint completes processes the same input again: what was visible already would be there twice.',
  },
  'visible by commit': {
    rule: 'After `commit` says committed, every record of the committable is visible, once.',
    why: 'The engine forgets a committable once it is confirmed: what is missing then is missing for ever, what is double stays double.',
  },
  'commit is idempotent': {
    rule: '`commit` of what is committed changes nothing and says `already-committed`, in this process and in any other.',
    why: 'A process may die between a commit and the note that it was done: the next one commits the same again.',
  },
  'commit tells the truth': {
    rule: '`commit` returns one result per committable: `retry` while the outcome is open, `lost` only for what can never be committed.',
    why: '`lost` ends the job for good; `committed` without effect loses records silently.',
  },
  'committables are plain JSON': {
    rule: 'A committable holds plain JSON only, and all that another process needs to commit it.',
    why: 'It is stored in the checkpoint and read by a process that knows nothing else.',
  },
  'names are never used twice': {
    rule: 'No two transactions have the same name: names carry run, epoch, attempt, subtask and a counter.',
    why: 'The commit of an old transaction, repeated after a crash, would commit or destroy a new one that took its name.',
  },
  'nothing for an empty transaction': {
    rule: '`prepareCommit` without records since the last barrier returns no committables.',
    why: 'A job without input would commit empty transactions for ever, and many systems refuse them.',
  },
  'the barrier divides': {
    rule: '`prepareCommit` divides synchronously: what was written before belongs to its checkpoint, what comes after to the next.',
    why: 'Records on the wrong side of a barrier are lost or doubled when the job goes back to that checkpoint.',
  },
  'durable before acknowledged': {
    rule: 'When `prepareCommit` has resolved, a crash of the process loses nothing of what was written before it.',
    why: 'The checkpoint is complete then, and the input before it is never read again.',
  },
  'others are aborted': {
    rule: '`abortOthers` aborts every transaction of the job that was not committed before, open or prepared, of any subtask and attempt.',
    why: 'Their records come again; what lingers blocks readers, fills the system, or is committed by somebody later.',
  },
  'bounded while nothing moves': {
    rule: 'While the outside system does not answer, a writer takes a bounded number of records, then none until it calls `wake`; a reader fetches a bounded amount ahead.',
    why: 'That is what back pressure is: otherwise a slow system ends in an out-of-memory crash.',
  },
  'wakes when there is work': {
    rule: 'A writer that took too few records and a reader that said `nothing-now` call `wake` when the next call is worth it.',
    why: 'The task sleeps until then: without the call the job stands still for ever.',
  },
  'no silent loss': {
    rule: 'A system that fails is retried, or the attempt fails (`fail`, a throw, a rejected `prepareCommit`): no record is dropped.',
    why: 'A job that goes on over a hole in its data looks healthy and is wrong.',
  },
  'everything settles': {
    rule: 'Every promise settles within bounded time, also while the system does not answer, and after `close`.',
    why: 'The next attempt starts only when all of the last one has ended: what never settles stops the job for good.',
  },
  'close releases': {
    rule: '`close` releases connections, files and timers, also after failures.',
    why: 'Every restart would leak some more, and a leaked timer or connection keeps the process alive.',
  },
  'order of a writer': {
    rule: 'Records of one subtask become visible in the order in which they were written.',
    why: 'The connector promises it, and users build on it (the last value per key wins).',
  },
  'at most what is asked': {
    rule: '`poll` emits and rejects at most `max` records together, and only while it runs.',
    why: 'The engine has room for so many; a record that is emitted outside of `poll` belongs to no checkpoint.',
  },
  'snapshot changes nothing': {
    rule: '`snapshot` has no effect: taken twice it is the same.',
    why: 'Checkpoints are aborted and taken again; none of that may move a position.',
  },
  'positions are exact': {
    rule: 'From a snapshot, with any number of readers, exactly the records (and rejections) after it come: nothing lost, nothing twice.',
    why: 'State was restored to the same moment: a record that comes again is counted twice, one that is left out is lost.',
  },
  'order of the input': {
    rule: 'Records that belong together come in the order of the input, also across restarts.',
    why: 'The connector promises it, and keyed state depends on it.',
  },
  'positions are told': {
    rule: '`describePosition` tells the records of one poll apart.',
    why: 'It is what people see when a record cannot be processed: they look for it there.',
  },
  'new input is found': {
    rule: 'A source with discovery finds what appears while it runs and reads it once, also when a crash comes between discovery and reading.',
    why: 'What was discovered but is in no snapshot is never read; what is in two is read twice.',
  },
} as const satisfies Readonly<Record<string, { readonly rule: string; readonly why: string }>>

export type RuleName = keyof typeof RULES

/** A connector does not keep its contract: what was seen, the rule, and why it matters. */
export class BrokenRule extends Error {
  readonly rule: RuleName

  constructor(rule: RuleName, seen: string, cause?: unknown) {
    super(`${seen}\nRule: ${RULES[rule].rule}\nWhy: ${RULES[rule].why}`, cause === undefined ? undefined : { cause })
    this.name = 'BrokenRule'
    this.rule = rule
  }
}

export function keep(rule: RuleName, holds: boolean, seen: string): asserts holds {
  if (!holds) throw new BrokenRule(rule, seen)
}
