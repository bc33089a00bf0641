import type { Clock } from '../../core/clock.ts'
import { isTidemarkError, TidemarkError } from '../../core/errors.ts'
import type { CheckpointId, OperatorId } from '../../core/ids.ts'
import type { BuiltJob } from '../../core/job.ts'
import type { PendingCommittable, TaskSnapshot } from '../../core/manifest.ts'
import type { Committer, CommitterContext, StartKind } from '../../core/sink.ts'

export interface SinkCommittersContext extends Omit<CommitterContext, 'operator'> {
  /** Throws `FENCED` when another process has taken over the job: what is open is that one's. */
  readonly refuseIfReplaced: () => Promise<void>
}

const FIRST_RETRY_MS = 100
const LAST_RETRY_MS = 10_000

/**
 * Commits what sinks have prepared: all committers of a job, on the main thread. Committables stay pending, and in every manifest, until their
 * commit is confirmed. Calls to committers never overlap. What a sink wrote becomes visible in the order of its checkpoints: while a transaction has to be retried, the sink's later ones
 * wait behind it.
 */
export class SinkCommitters {
  private readonly committers: ReadonlyMap<OperatorId, Committer>
  private readonly clock: Clock
  private readonly warn: (message: string) => void
  private readonly refuseIfReplaced: () => Promise<void>
  private pending: readonly PendingCommittable[] = []
  /** The newest complete checkpoint: whatever was prepared up to it has been taken over. */
  private takenUpTo = 0
  private queue: Promise<unknown> = Promise.resolve()
  private isStopped = false

  constructor(job: BuiltJob, { refuseIfReplaced, ...context }: SinkCommittersContext) {
    const committers = new Map<OperatorId, Committer>()
    for (const [operator, behaviour] of job.behaviours) {
      const committer =
        behaviour.kind === 'sink' ? behaviour.sink.createCommitter?.({ ...context, operator }) : undefined
      if (committer !== undefined) committers.set(operator, committer)
    }
    this.committers = committers
    this.clock = context.clock
    this.warn = context.warn
    this.refuseIfReplaced = refuseIfReplaced
  }

  /** Refuses a start that the outputs do not allow; changes nothing. */
  async check(kind: StartKind, pending: readonly PendingCommittable[]): Promise<void> {
    for (const [operator, committer] of this.committers) {
      const mine = pending.filter((committable) => committable.operator === operator)
      const committables = mine.map(({ committable }) => committable)
      await told(operator, 'could not be checked', () => committer.check?.(kind, committables))
    }
  }

  async start(kind: StartKind): Promise<void> {
    for (const [operator, committer] of this.committers) {
      await told(operator, 'could not be started', () => committer.start?.(kind))
    }
  }

  /** Commits exactly what the restored checkpoint holds, then aborts every other transaction of the job. While no writer lives. `FENCED` in a process that was replaced. */
  async recover(checkpoint: CheckpointId | null, committables: readonly PendingCommittable[]): Promise<void> {
    await this.refuseIfReplaced()
    this.pending = committables
    this.takenUpTo = checkpoint ?? 0
    await this.commitPending()
    await this.abortOthers()
  }

  /** Aborts every transaction that no checkpoint holds; nothing while some of those are still to be committed. While no writer lives. */
  abortOthers(): Promise<void> {
    return this.serially(async () => {
      if (this.pending.length > 0) return
      // Commits may have taken long.
      await this.refuseIfReplaced()
      for (const [operator, committer] of this.committers) {
        await told(operator, 'could not abort unfinished transactions', () => committer.abortOthers())
      }
    })
  }

  /** What the manifest of a checkpoint with these snapshots has to hold: pending ones and those newly prepared. */
  pendingWith(snapshots: readonly TaskSnapshot[]): readonly PendingCommittable[] {
    const prepared = snapshots.flatMap(({ subtask, operators }) =>
      operators.flatMap(({ operator, committables }) =>
        committables
          .filter(({ checkpoint }) => checkpoint > this.takenUpTo)
          .map((committable) => ({ ...committable, operator, subtask })),
      ),
    )
    return [...this.pending, ...prepared.sort((left, right) => left.checkpoint - right.checkpoint)]
  }

  /** Transactions wait for their commit. */
  get hasPending(): boolean {
    return this.pending.length > 0
  }

  /** A manifest with these committables is durable: commits them; true when all are confirmed, false when retrying was given up. */
  async commit(checkpoint: CheckpointId, committables: readonly PendingCommittable[]): Promise<boolean> {
    const known = new Set(this.pending.map(identity))
    this.pending = [
      ...this.pending,
      ...committables.filter(
        (committable) => !known.has(identity(committable)) && committable.checkpoint > this.takenUpTo,
      ),
    ]
    this.takenUpTo = checkpoint
    await this.commitPending()
    return !this.hasPending
  }

  /** Gives up waiting for retries: what is pending stays in the manifest. */
  stop(): void {
    this.isStopped = true
  }

  /** Retries again for as long as it takes. */
  resume(): void {
    this.isStopped = false
  }

  /** Closes all of them, also when one fails; throws the first error. */
  async close(): Promise<void> {
    await this.serially(async () => {
      const failures: unknown[] = []
      for (const [operator, committer] of this.committers) {
        try {
          await told(operator, 'could not be closed', () => committer.close?.())
        } catch (error) {
          failures.push(error)
        }
      }
      if (failures.length > 0) throw failures[0]
    })
  }

  private commitPending(): Promise<void> {
    return this.serially(async () => {
      let delayMs = FIRST_RETRY_MS
      while (this.pending.length > 0) {
        const retry = await this.tryCommit()
        if (this.pending.length === 0 || this.isStopped) return
        // Nothing failed: what is pending has come meanwhile.
        if (retry === null) continue
        const { error } = retry
        this.warn(
          `${this.pending.length} transactions are not committed yet, retrying: ${error instanceof Error ? error.message : String(error)}`,
        )
        await new Promise<void>((resolve) => void this.clock.schedule(delayMs, resolve))
        delayMs = Math.min(2 * delayMs, LAST_RETRY_MS)
      }
    })
  }

  /** One round over all sinks; returns the last reason to retry, null when there is none. */
  private async tryCommit(): Promise<{ readonly error: unknown } | null> {
    let reason: { readonly error: unknown } | null = null
    for (const operator of this.committers.keys()) {
      for (const transactions of oldestFirst(this.pending.filter((committable) => committable.operator === operator))) {
        const retry = await this.tryCommitOf(operator, transactions)
        if (retry === null) continue
        reason = retry
        break
      }
    }
    const orphan = this.pending.find(({ operator }) => !this.committers.has(operator))
    if (orphan !== undefined) throw withoutSink(orphan)
    return reason
  }

  /** All that a sink prepared for one checkpoint; null when it is confirmed. */
  private async tryCommitOf(
    operator: OperatorId,
    transactions: readonly PendingCommittable[],
  ): Promise<{ readonly error: unknown } | null> {
    let retry: { readonly error: unknown } | null = null
    const confirmed = new Set<PendingCommittable>()
    const results = await told(operator, 'could not commit', () =>
      this.committers.get(operator)!.commit(transactions.map(({ committable }) => committable)),
    )
    for (const [index, result] of results.entries()) {
      const committable = transactions[index]!
      if (result.kind === 'lost') throw lost(committable, result.error)
      if (result.kind === 'retry') retry = { error: result.error }
      else confirmed.add(committable)
    }
    this.pending = this.pending.filter((committable) => !confirmed.has(committable))
    return retry
  }

  private serially<T>(action: () => Promise<T>): Promise<T> {
    const result = this.queue.then(action)
    this.queue = result.catch(() => {})
    return result
  }
}

const identity = ({ operator, subtask, checkpoint, index }: PendingCommittable) =>
  `${operator}#${subtask}#${checkpoint}#${index}`

function oldestFirst(pending: readonly PendingCommittable[]): readonly (readonly PendingCommittable[])[] {
  const checkpoints = new Map<CheckpointId, PendingCommittable[]>()
  for (const committable of pending) {
    const same = checkpoints.get(committable.checkpoint)
    if (same === undefined) checkpoints.set(committable.checkpoint, [committable])
    else same.push(committable)
  }
  return [...checkpoints].sort(([left], [right]) => left - right).map(([, committables]) => committables)
}

/** What the world does wrong is told with the sink it happened to. */
async function told<T>(operator: OperatorId, what: string, call: () => T | Promise<T>): Promise<T> {
  try {
    return await call()
  } catch (error) {
    if (isTidemarkError(error)) throw error
    const reason = error instanceof Error ? error.message : String(error)
    throw new TidemarkError('SINK_FAILED', `sink ${operator} ${what}: ${reason}`, {
      action:
        'Check that the place the sink writes to can be reached, then start the job again: it goes on where it was.',
      context: { operator },
      cause: error,
    })
  }
}

function lost({ operator, checkpoint, committable }: PendingCommittable, cause: unknown): TidemarkError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new TidemarkError(
    'COMMIT_LOST',
    `sink ${operator} lost a transaction of checkpoint ${checkpoint} (${JSON.stringify(committable.data)}): ${reason}`,
    {
      action:
        isTidemarkError(cause) && cause.action !== undefined
          ? cause.action
          : 'Its records are missing from the output. Restart from an older checkpoint into a new output, or repair the output by hand.',
      context: { operator, checkpoint },
      cause,
    },
  )
}

function withoutSink({ operator, checkpoint }: PendingCommittable): TidemarkError {
  return new TidemarkError(
    'STATE_INCOMPATIBLE',
    `checkpoint ${checkpoint} holds uncommitted output of sink ${operator}, which the job no longer has`,
    {
      action: 'Bring the sink back for one run, so that its output is committed, then remove it.',
      context: { operator, checkpoint },
    },
  )
}
