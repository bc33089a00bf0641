import { TidemarkError } from '../../core/errors.ts'
import type { CheckpointId, RunId } from '../../core/ids.ts'
import type { JobRecord } from './job-record.ts'

/** A checkpoint as far as starting is concerned. */
export interface StartCheckpoint {
  readonly run: RunId
  readonly checkpoint: CheckpointId
  readonly path: string
}

/** All that decides how a job starts. */
export interface StartFacts {
  readonly previous: JobRecord | null
  /** Complete checkpoints of the previous run, oldest first; or the error met while reading them. */
  readonly checkpoints: readonly StartCheckpoint[] | TidemarkError
  /** What `--from` named, already read. */
  readonly from: StartCheckpoint | null
  /** `--fresh`. */
  readonly isFresh: boolean
  /** The user accepts that results come twice. */
  readonly allowDuplicates: boolean
  readonly hasTransactionalSinks: boolean
}

export type StartDecision =
  /** The same run goes on from its newest checkpoint. */
  | { readonly kind: 'continue'; readonly path: string }
  /** The run has finished; its process was killed before it had put everything away. That is all that is left to do. */
  | { readonly kind: 'tidy' }
  /** A new run, from nothing. */
  | { readonly kind: 'new' }
  /** A new run that starts from the checkpoint at `path`, which need not be one of the facts. */
  | { readonly kind: 'new-from'; readonly path: string }
  | { readonly kind: 'refuse'; readonly error: TidemarkError }

/**
 * How a job starts. Finished and cancelled jobs start afresh as a new run (a finished one that was killed while it put things away only does that); one that was killed, suspended or has failed goes on from the newest checkpoint of
 * its run. An older checkpoint is only ever used when the user asks for it, and not with transactional sinks unless duplicates are allowed: what
 * came after it may be committed.
 */
export function decideStart(facts: StartFacts): StartDecision {
  const { previous, from, isFresh } = facts
  if (from !== null && isFresh) {
    return refuse(
      new TidemarkError('INVALID_OPTION', 'Both --from and --fresh are given', {
        action: 'Give --from to start from a checkpoint, or --fresh to start without state.',
      }),
    )
  }
  if (isFresh) return { kind: 'new' }
  if (from !== null) return from.run === previous?.run ? fromOwnRun(facts, previous, from) : newFrom(from.path)
  if (previous?.status === 'finishing') return { kind: 'tidy' }
  if (previous === null || hasEnded(previous)) return { kind: 'new' }
  return goOn(facts, previous)
}

function goOn(facts: StartFacts, previous: JobRecord): StartDecision {
  if (isError(facts.checkpoints)) return refuse(explainDamage(facts.checkpoints))
  const newest = facts.checkpoints.at(-1)
  if (newest !== undefined) return { kind: 'continue', path: newest.path }
  // Stopped before its first checkpoint: what it was started from still holds all that it knew.
  return previous.from === null ? { kind: 'new' } : newFrom(previous.from)
}

function fromOwnRun(facts: StartFacts, previous: JobRecord, from: StartCheckpoint): StartDecision {
  const newest = isError(facts.checkpoints) ? undefined : facts.checkpoints.at(-1)
  const isNewest = newest !== undefined && from.checkpoint >= newest.checkpoint
  if (isNewest) return hasEnded(previous) ? newFrom(from.path) : { kind: 'continue', path: newest.path }
  if (!facts.hasTransactionalSinks || facts.allowDuplicates) return newFrom(from.path)
  const than = newest === undefined ? 'the newest one, which cannot be read' : `checkpoint ${newest.checkpoint}`
  return refuse(
    new TidemarkError('INVALID_OPTION', `Checkpoint ${from.checkpoint} of this run is older than ${than}`, {
      action:
        'Results since then may be committed and would come twice. Start from the newest checkpoint, or allow duplicates explicitly.',
      context: { job: previous.job, checkpoint: from.checkpoint, file: from.path },
      ...(isError(facts.checkpoints) ? { cause: facts.checkpoints } : {}),
    }),
  )
}

/** The code and the file stay; what to do depends on starting. `older`: the checkpoint before the damaged one, where there is one. */
export function explainDamage(error: TidemarkError, older: StartCheckpoint | null = null): TidemarkError {
  if (error.code !== 'CHECKPOINT_CORRUPT') return error
  const which =
    older === null ? 'an older checkpoint with --from' : `the checkpoint before it with --from ${older.path}`
  return new TidemarkError(error.code, error.message, {
    action: `Nothing was changed. Restore the file from a copy. Or name ${which} (results since then come twice: where sinks are transactional that needs --allow-duplicates), or start without state with --fresh.`,
    context: error.context,
    cause: error,
  })
}

/** Nothing is left to go on with. */
export function hasEnded(record: JobRecord): boolean {
  return record.status === 'finishing' || record.status === 'finished' || record.status === 'canceled'
}

function newFrom(path: string): StartDecision {
  return { kind: 'new-from', path }
}

function refuse(error: TidemarkError): StartDecision {
  return { kind: 'refuse', error }
}

function isError(value: readonly StartCheckpoint[] | TidemarkError): value is TidemarkError {
  return !Array.isArray(value)
}
