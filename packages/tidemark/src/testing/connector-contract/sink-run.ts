import type { FileSystem } from '../../core/file-system.ts'
import { assert } from '../../core/errors.ts'
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
import { describeDifference } from './record-bag.ts'
import { keep } from './rules.ts'
import type { VirtualClock } from './virtual-clock.ts'

/** Turns after which a writer that takes nothing is believed to wait for the outside. */
const PATIENCE_TURNS = 50

export interface SinkRunOptions<T> {
  readonly sink: Sink<T>
  readonly files: FileSystem
  readonly clock: VirtualClock
  readonly run: string
  /** Which process this is: 1, 2, … */
  readonly epoch: number
  readonly parallelism: number
  readonly secret?: (name: string) => string
}

/** Drives a sink as the engine does, without the engine: one committer per process, a writer per subtask and attempt. */
export class SinkRun<T> {
  readonly parallelism: number
  private readonly committer: Committer | null
  private readonly options: SinkRunOptions<T>
  private readonly clock: VirtualClock
  private writers: SinkWriter<T>[] = []
  private isAwake: boolean[] = []
  private attempts = 0
  private checkpoints = 0
  private failure: { readonly error: unknown } | null = null

  constructor(options: SinkRunOptions<T>) {
    this.options = options
    this.parallelism = options.parallelism
    const { sink, files, clock } = options
    this.clock = clock
    const context: CommitterContext = {
      ...this.identity(),
      clock,
      files,
      secret: this.secret,
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
    await this.settled(this.committer?.check?.(start), 'check')
    await this.settled(this.committer?.start?.(start), 'start')
  }

  /** Commits what the restored checkpoint holds, aborts everything else. While no writer lives. */
  async recover(committables: readonly Committable[]): Promise<readonly CommitResult[]> {
    assert(this.writers.length === 0, 'recovery comes while no writer lives')
    const results = await this.commit(committables)
    await this.settled(this.committer?.abortOthers(), 'abortOthers')
    return results
  }

  async openWriters(): Promise<void> {
    this.attempts++
    this.failure = null
    const { sink, files, clock, parallelism } = this.options
    const present = this.attempts
    for (let subtask = 0; subtask < parallelism; subtask++) {
      const writer = sink.createWriter({
        ...this.identity(),
        attempt: attempt(this.attempts),
        subtask,
        parallelism,
        clock,
        files,
        secret: this.secret,
        wake: () => void (this.isAwake[subtask] = true),
        warn: () => {},
        // As in the engine, nobody listens to an attempt that is over.
        fail: (error) => {
          if (present === this.attempts) this.failure ??= { error }
        },
      })
      this.writers.push(writer)
      this.isAwake[subtask] = true
      await this.settled(writer.open?.(), 'open')
    }
  }

  /** Writes records on one subtask, waiting wherever the sink asks for it. */
  async write(subtask: number, records: readonly T[]): Promise<void> {
    const taken = await this.offer(subtask, records, 100_000)
    keep('wakes when there is work', taken === records.length, 'the sink neither takes records nor wakes its task')
  }

  /** Offers records until all are taken or the sink has taken none for so many turns; returns how many it took. */
  async offer(subtask: number, records: readonly T[], patience = PATIENCE_TURNS): Promise<number> {
    let from = 0
    for (let idle = 0; from < records.length && idle < patience;) {
      this.throwFailure()
      if (this.isAwake[subtask]!) {
        const taken = this.writers[subtask]!.write(records, from, records.length, null)
        assert(taken >= from && taken <= records.length, 'write returns the first index not taken')
        this.isAwake[subtask] = taken > from
        if (taken > from) idle = 0
        from = taken
      } else {
        idle++
        await this.clock.turn()
      }
    }
    return from
  }

  /** The barrier reaches every writer at once, synchronously; resolves when all are pre-committed. */
  prepare(): Promise<readonly Committable[]> {
    const checkpoint: CheckpointId = checkpointId(++this.checkpoints)
    const prepared = this.writers.map((writer) => writer.prepareCommit(checkpoint))
    return this.clock.settle(this.collect(prepared), 'prepareCommit')
  }

  async commit(committables: readonly Committable[]): Promise<readonly CommitResult[]> {
    if (this.committer === null || committables.length === 0) return []
    const results = await this.settled(this.committer.commit(committables), 'commit')
    const seen = `${results.length} results for ${committables.length} committables`
    keep('commit tells the truth', results.length === committables.length, seen)
    return results
  }

  confirmCommitted(): void {
    for (const writer of this.writers) writer.notifyCommitted?.(checkpointId(this.checkpoints))
  }

  async closeWriters(): Promise<void> {
    const writers = this.writers
    this.writers = []
    const failures: unknown[] = []
    for (const writer of writers) {
      try {
        await this.settled(writer.close?.(), 'close of a writer')
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) throw failures[0]
  }

  /** Lets time pass until the promise settles. */
  settle<R>(promise: Promise<R>, what: string): Promise<R> {
    return this.clock.settle(promise, what)
  }

  /** Lets some time pass. */
  async pass(turns: number): Promise<void> {
    for (let turn = 0; turn < turns; turn++) await this.clock.turn()
  }

  isSettledWithin(promise: Promise<unknown>, turns: number): Promise<boolean> {
    return this.clock.isSettledWithin(promise, turns)
  }

  async close(): Promise<void> {
    await this.closeWriters()
    await this.settled(this.committer?.close?.(), 'close of the committer')
  }

  /** As the manifest keeps them. */
  private async collect(prepared: readonly Promise<readonly Committable[]>[]): Promise<readonly Committable[]> {
    await Promise.allSettled(prepared)
    const committables = (await Promise.all(prepared)).flat()
    this.throwFailure()
    const stored = JSON.parse(JSON.stringify(committables)) as readonly Committable[]
    let difference: string | null
    try {
      difference = describeDifference(stored, committables)
    } catch (error) {
      difference = String(error)
    }
    keep('committables are plain JSON', difference === null, `JSON changes a committable: ${difference}`)
    return stored
  }

  private settled<R>(result: R | Promise<R>, what: string): R | Promise<R> {
    return result instanceof Promise ? this.clock.settle(result, what) : result
  }

  private throwFailure(): void {
    if (this.failure !== null) throw this.failure.error
  }

  private readonly secret = (name: string): string => this.options.secret?.(name) ?? name

  private identity() {
    const { run, epoch: number } = this.options
    return { job: 'job', operator: operatorId('sink'), run: runId(run), epoch: epoch(number) }
  }
}
