/** Which writer a transactional id belongs to. */
export interface TransactionName {
  readonly prefix: string
  readonly run: string
  readonly epoch: number
  readonly attempt: number
  readonly subtask: number
  /** Which of the ids of this writer. */
  readonly slot: number
  /** Of a transaction that holds again what another one lost: the producer epoch of that one. */
  readonly rewriteOf: number | null
}

const TAIL = /^(.+)~([0-9A-Za-z]+)-(\d+)-(\d+)-(\d+)-(\d+)(?:~r(\d+))?$/s

/**
 * `<prefix>~<run>-<epoch>-<attempt>-<subtask>-<slot>`: run, epoch and attempt never occur twice together, so that no two writers share an id whatever the parallelism was and is.
 * What follows the prefix holds no `~` of its own but for `~r`: a prefix that begins another one is never taken for it.
 */
export function formatTransactionName(name: TransactionName): string {
  const { prefix, run, epoch, attempt, subtask, slot, rewriteOf } = name
  return `${prefix}~${run}-${epoch}-${attempt}-${subtask}-${slot}${rewriteOf === null ? '' : `~r${rewriteOf}`}`
}

/** Null for ids that this package did not give. */
export function parseTransactionName(transactionalId: string): TransactionName | null {
  const match = TAIL.exec(transactionalId)
  if (match === null) return null
  const [, prefix, run, epoch, attempt, subtask, slot, rewriteOf] = match
  return {
    prefix: prefix!,
    run: run!,
    epoch: Number(epoch),
    attempt: Number(attempt),
    subtask: Number(subtask),
    slot: Number(slot),
    rewriteOf: rewriteOf === undefined ? null : Number(rewriteOf),
  }
}

/** What ids of a sink begin with where the user says nothing. */
export function defaultPrefix(job: string, operator: string): string {
  return `${job}/${operator}`
}
