/** The promises that a simulation watches, as the documentation of the simulator lists them. */
export type PromiseName =
  | 'state exactly once'
  | 'output exactly once'
  | 'at least once'
  | 'order per key'
  | 'acknowledged only when complete'
  | 'checkpoints are complete or do not exist'
  | 'recovery commits, then aborts'
  | 'one process, one attempt'
  | 'memory is bounded'
  | 'errors are told'
  | 'progress'
  | 'nothing is left behind'
  | 'same seed, same run'

/** A promise that was broken in a simulated run. */
export class Violation extends Error {
  override readonly name = 'Violation'
  readonly promise: PromiseName

  constructor(promise: PromiseName, what: string, options?: { readonly cause?: unknown }) {
    super(`${promise}: ${what}`, options)
    this.promise = promise
  }
}
