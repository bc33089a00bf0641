import { isTidemarkError, TidemarkError } from '../../core/errors.ts'

/** Failures at one position after which it is named as the likely cause. */
const FAILURES = 3

/** Notices when attempt after attempt fails at the same record. Pure. */
export class PoisonDetector {
  private place: string | null = null
  private count = 0

  /** The error to report: with the suspicion added once the same position has failed three attempts. */
  onFailure(error: Error): Error {
    const { position, operator } = isTidemarkError(error) ? error.context : {}
    const place = position === undefined ? null : `${operator ?? ''}@${position}`
    this.count = place !== null && place === this.place ? this.count + 1 : 1
    this.place = place
    if (place === null || this.count < FAILURES || !isTidemarkError(error)) return error
    return new TidemarkError(
      error.code,
      `${error.message} (${position} failed ${this.count} attempts: it is the likely poison)`,
      {
        action: `Repair the record at ${position}, or pass over records like it: onError 'skip' or dead letters.`,
        context: error.context,
        cause: error.cause ?? error,
      },
    )
  }
}
