import type {
  Attempt,
  CheckpointId,
  Committable,
  CommitResult,
  Committer,
  Epoch,
  OperatorId,
  RunId,
  Sink,
  SinkWriter,
} from 'tidemark/connector'
import { systemClock } from '../../packages/tidemark/src/runtime/job/system-clock.ts'
import { NodeFileSystem } from '../../packages/tidemark/src/runtime/storage/node-file-system.ts'

export interface SinkProcessOptions {
  readonly job: string
  readonly epoch: number
  readonly parallelism: number
}

/** A sink in a process of a job, without the engine: a committer and a writer per subtask, over real brokers. */
export class SinkProcess<T> {
  readonly warnings: string[] = []
  readonly failures: unknown[] = []
  readonly committer: Committer
  private readonly sink: Sink<T>
  private readonly options: SinkProcessOptions
  private writers: SinkWriter<T>[] = []
  private wake: () => void = () => {}
  private checkpoints = 0

  constructor(sink: Sink<T>, options: SinkProcessOptions) {
    this.sink = sink
    this.options = options
    this.committer = sink.createCommitter!({
      ...this.common(),
      checkpointIntervalMs: 1000,
      checkpointTimeoutMs: 60_000,
      warn: (message) => void this.warnings.push(message),
    })
  }

  /** Recovers as the engine does: commits what the checkpoint holds, aborts the rest, opens writers. */
  async start(committables: readonly Committable[]): Promise<readonly CommitResult[]> {
    const from = 'run' as RunId
    const start =
      this.options.epoch === 1 ? ({ kind: 'fresh', isForced: false } as const) : ({ kind: 'restored', from } as const)
    await this.committer.check?.(start)
    await this.committer.start?.(start)
    const results = await commitAll(this.committer, committables)
    await this.committer.abortOthers()
    for (let subtask = 0; subtask < this.options.parallelism; subtask++) {
      const writer = this.sink.createWriter({
        ...this.common(),
        attempt: 1 as Attempt,
        subtask,
        parallelism: this.options.parallelism,
        wake: () => this.wake(),
        fail: (error) => {
          this.failures.push(error)
          this.wake()
        },
        warn: (message) => void this.warnings.push(message),
      })
      await writer.open?.()
      this.writers.push(writer)
    }
    return results
  }

  /** Deals the records out to the writers, each of which takes its share in order. */
  async write(records: readonly T[]): Promise<void> {
    const { length } = this.writers
    for (const [subtask, writer] of this.writers.entries()) {
      const share = records.filter((_, index) => index % length === subtask)
      for (let from = 0; from < share.length;) {
        if (this.failures.length > 0) throw this.failures[0]
        const woken = new Promise<void>((resolve) => void (this.wake = resolve))
        from = writer.write(share, from, share.length, null)
        if (from < share.length) await woken
      }
    }
  }

  async prepare(): Promise<readonly Committable[]> {
    const checkpoint = ++this.checkpoints as CheckpointId
    return (await Promise.all(this.writers.map((writer) => writer.prepareCommit(checkpoint)))).flat()
  }

  notifyCommitted(): void {
    for (const writer of this.writers) writer.notifyCommitted?.(this.checkpoints as CheckpointId)
  }

  /** Nothing is aborted: as a process that is gone. Its connections stay open until the test ends. */
  abandon(): void {
    this.writers = []
  }

  async close(): Promise<void> {
    for (const writer of this.writers) await writer.close?.()
    await this.committer.close?.()
  }

  private common() {
    const { job, epoch } = this.options
    return {
      job,
      operator: 'out' as OperatorId,
      run: 'run' as RunId,
      epoch: epoch as Epoch,
      clock: systemClock,
      files: new NodeFileSystem(),
      secret: (name: string) => name,
    }
  }
}

/** As the engine does it: again for as long as it takes. */
export async function commitAll(
  committer: Committer,
  committables: readonly Committable[],
): Promise<readonly CommitResult[]> {
  for (;;) {
    const results = committables.length === 0 ? [] : await committer.commit(committables)
    if (results.every(({ kind }) => kind !== 'retry')) return results
  }
}
