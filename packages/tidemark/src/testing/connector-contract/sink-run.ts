import { assert } from '../../core/errors.ts'
import type { FileSystem } from '../../core/file-system.ts'
import { attempt, type CheckpointId, checkpointId, epoch, operatorId, runId } from '../../core/ids.ts'
import type {
  Committable,
  CommitResult,
  Committer,
  CommitterContext,
  Sink,
  SinkWriter,
  StartKind,
} from '../../core/sink.ts'
import type { VirtualClock } from './virtual-clock.ts'

export interface SinkRunOptions<T> {
  readonly sink: Sink<T>
  readonly files: FileSystem
  readonly clock: VirtualClock
  readonly run: string
  /** Which process this is: 1, 2, … */
  readonly epoch: number
  readonly parallelism: number
}

/** Drives a sink as the engine does, without the engine: one committer per process, a writer per subtask and attempt. */
export class SinkRun<T> {
  private readonly committer: Committer | null
  private readonly options: SinkRunOptions<T>
  private writers: SinkWriter<T>[] = []
  private isAwake: boolean[] = []
  private attempts = 0
  private checkpoints = 0
  private failure: { readonly error: unknown } | null = null

  constructor(options: SinkRunOptions<T>) {
    this.options = options
    const { sink, files, clock } = options
    const context: CommitterContext = {
      ...this.identity(),
      clock,
      files,
      secret: (name) => name,
      checkpointIntervalMs: 1000,
      checkpointTimeoutMs: 600_000,
      warn: () => {},
    }
    this.committer = sink.createCommitter?.(context) ?? null
  }

  /** What the engine does before the first attempt, given the committables of the checkpoint restored from. */
  async start(start: StartKind, committables: readonly Committable[]): Promise<readonly CommitResult[]> {
    await this.claim(start)
    return this.recover(committables)
  }

  /** The first half of `start`: the sink claims its output. */
  async claim(start: StartKind): Promise<void> {
    await this.committer?.start?.(start)
  }

  /** Commits what the restored checkpoint holds, aborts everything else. While no writer lives. */
  async recover(committables: readonly Committable[]): Promise<readonly CommitResult[]> {
    assert(this.writers.length === 0, 'recovery comes while no writer lives')
    const results = await this.commit(committables)
    await this.committer?.abortOthers()
    return results
  }

  async openWriters(): Promise<void> {
    this.attempts++
    this.failure = null
    const { sink, files, clock, parallelism } = this.options
    for (let subtask = 0; subtask < parallelism; subtask++) {
      const writer = sink.createWriter({
        ...this.identity(),
        attempt: attempt(this.attempts),
        subtask,
        parallelism,
        clock,
        files,
        secret: (name) => name,
        wake: () => void (this.isAwake[subtask] = true),
        warn: () => {},
        fail: (error) => void (this.failure ??= { error }),
      })
      this.writers.push(writer)
      this.isAwake[subtask] = true
      await writer.open?.()
    }
  }

  /** Writes records on one subtask, waiting wherever the sink asks for it. */
  async write(subtask: number, records: readonly T[]): Promise<void> {
    let from = 0
    for (let turns = 0; from < records.length; turns++) {
      assert(turns < 100_000, 'the sink neither takes records nor wakes its task')
      this.throwFailure()
      if (this.isAwake[subtask]!) {
        const taken = this.writers[subtask]!.write(records, from, records.length, null)
        assert(taken >= from && taken <= records.length, 'write returns the first index not taken')
        this.isAwake[subtask] = taken > from
        from = taken
      } else await this.options.clock.turn()
    }
  }

  /** The barrier reaches every writer at once; resolves when all are pre-committed. */
  async prepare(): Promise<readonly Committable[]> {
    const checkpoint: CheckpointId = checkpointId(++this.checkpoints)
    const prepared = await Promise.all(this.writers.map((writer) => writer.prepareCommit(checkpoint)))
    this.throwFailure()
    // As the manifest keeps them.
    return JSON.parse(JSON.stringify(prepared.flat())) as readonly Committable[]
  }

  async commit(committables: readonly Committable[]): Promise<readonly CommitResult[]> {
    if (this.committer === null || committables.length === 0) return []
    const results = await this.committer.commit(committables)
    assert(results.length === committables.length, 'one result per committable')
    return results
  }

  confirmCommitted(): void {
    for (const writer of this.writers) writer.notifyCommitted?.(checkpointId(this.checkpoints))
  }

  async closeWriters(): Promise<void> {
    const writers = this.writers
    this.writers = []
    for (const writer of writers) await writer.close?.()
  }

  async close(): Promise<void> {
    await this.closeWriters()
    await this.committer?.close?.()
  }

  private throwFailure(): void {
    if (this.failure !== null) throw this.failure.error
  }

  private identity() {
    const { run, epoch: number } = this.options
    return { job: 'job', operator: operatorId('sink'), run: runId(run), epoch: epoch(number) }
  }
}
