import type { TidemarkError } from '../../core/errors.ts'
import type { CheckpointSummary } from './contract.ts'

/** Who asked for a checkpoint and waits for it. */
export class CheckpointRequests {
  private readonly waiting = new Map<
    number,
    { resolve: (summary: CheckpointSummary) => void; reject: (error: TidemarkError) => void }
  >()
  private nextToken = 1

  /** `ask` is given the token under which the request is answered. */
  add(ask: (token: number) => void): Promise<CheckpointSummary> {
    const token = this.nextToken++
    return new Promise((resolve, reject) => {
      this.waiting.set(token, { resolve, reject })
      ask(token)
    })
  }

  done(token: number, summary: CheckpointSummary): void {
    this.waiting.get(token)?.resolve(summary)
    this.waiting.delete(token)
  }

  failed(token: number, error: TidemarkError): void {
    this.waiting.get(token)?.reject(error)
    this.waiting.delete(token)
  }

  failAll(error: TidemarkError): void {
    for (const token of this.waiting.keys()) this.failed(token, error)
  }
}
