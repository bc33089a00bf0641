import {
  type Attempt,
  type CheckpointId,
  type Committable,
  type Committer,
  type Epoch,
  type OperatorId,
  type RunId,
  type Sink,
  type SinkWriter,
  type StartKind,
  type WriterContext,
} from 'tidemark/connector'
import type { MemoryFileSystem, SeededRandom } from 'tidemark/testing'
import type { KafkaClient } from '../client/contract.ts'
import type { ClusterConnection } from '../connection.ts'
import type { MemoryCluster } from './memory-cluster.ts'

/** The process was killed: whatever waits in it never hears of anything again. */
export class Killed extends Error {}
/** A writer or committer has failed the attempt. */
export class AttemptFailed extends Error {}

interface Pending {
  readonly checkpoint: number
  readonly committable: Committable
}

/** What the newest manifest holds. */
interface Manifest {
  readonly checkpoint: number
  readonly position: number
  readonly pending: readonly Pending[]
}

interface Task {
  readonly writer: SinkWriter<number>
  /** Of every checkpoint that is not known to be complete. */
  readonly prepared: Map<number, Promise<readonly Committable[]>>
  isAwake: boolean
}

export interface SinkEngineOptions {
  readonly cluster: MemoryCluster
  readonly files: MemoryFileSystem
  readonly random: SeededRandom
  readonly createSink: (connection: ClusterConnection) => Sink<number>
  readonly onWarning?: (message: string) => void
}

/**
 * A job that writes the numbers 0, 1, 2, … through a sink, as the engine does it, step by step and over any number of processes: barriers, manifests, commits, aborted checkpoints,
 * attempts, restarts with another parallelism. Time goes on while something is waited for.
 */
export class SinkEngine {
  manifest: Manifest = { checkpoint: 0, position: 0, pending: [] }
  position = 0
  parallelism = 1
  private readonly options: SinkEngineOptions
  private epoch = 0
  private attempt = 0
  private checkpoints = 0
  private clients: KafkaClient[] = []
  private committer: Committer | null = null
  private tasks: Task[] = []
  private pending: readonly Pending[] = []
  private takenUpTo = 0
  private failure: unknown = null
  private isKilled = false

  constructor(options: SinkEngineOptions) {
    this.options = options
  }

  get isRunning(): boolean {
    return this.tasks.length > 0
  }

  /** The process is gone. `arrive`: what it has sent still gets to the brokers. */
  kill(underWay: 'arrive' | 'lost'): void {
    this.isKilled = true
    for (const client of this.clients) this.options.cluster.kill(client, underWay)
    this.options.files.kill()
  }

  /** A process starts and recovers from the newest manifest. */
  async startProcess(parallelism: number): Promise<void> {
    this.isKilled = false
    this.clients = []
    this.tasks = []
    this.epoch++
    this.attempt = 0
    this.parallelism = parallelism
    const { cluster, files } = this.options
    const disk = files.attach()
    const sink = this.options.createSink(this.connection())
    this.committer =
      sink.createCommitter?.({
        ...this.identity(),
        clock: cluster.clock,
        files: disk,
        secret: (name) => name,
        checkpointIntervalMs: 1000,
        checkpointTimeoutMs: 60_000,
        warn: this.options.onWarning ?? (() => {}),
      }) ?? null
    const run = 'run' as RunId
    const start: StartKind =
      this.manifest.checkpoint === 0 ? { kind: 'fresh', isForced: false } : { kind: 'restored', from: run }
    await this.during(this.committer?.check?.(start))
    await this.during(this.committer?.start?.(start))
    await this.startAttempt()
  }

  /** Ends what runs in this process, and begins again from the newest manifest. */
  async startAttempt(): Promise<void> {
    const { clock } = this.options.cluster
    await this.endTasks()
    this.failure = null
    this.attempt++
    this.pending = this.manifest.pending
    this.takenUpTo = this.manifest.checkpoint
    this.checkpoints = Math.max(this.checkpoints, this.manifest.checkpoint)
    this.position = this.manifest.position
    await this.commitPending()
    await this.during(this.committer?.abortOthers())
    const sink = this.options.createSink(this.connection())
    for (let subtask = 0; subtask < this.parallelism; subtask++) {
      const context: WriterContext = {
        ...this.identity(),
        attempt: this.attempt as Attempt,
        subtask,
        parallelism: this.parallelism,
        clock,
        files: this.options.files.attach(),
        secret: (name) => name,
        wake: () => void (task.isAwake = true),
        fail: (error) => void (this.failure ??= error),
        warn: this.options.onWarning ?? (() => {}),
      }
      const task: Task = { writer: sink.createWriter(context), prepared: new Map(), isAwake: true }
      await this.during(task.writer.open?.())
      this.tasks.push(task)
    }
  }

  async write(count: number): Promise<void> {
    for (let end = this.position + count; this.position < end;) {
      const task = this.tasks[this.position % this.tasks.length]!
      if (!task.isAwake) await this.turn()
      else {
        const taken = task.writer.write([this.position], 0, 1, null)
        task.isAwake = taken > 0
        this.position += taken
      }
    }
  }

  /** A barrier passes all writers. What is returned completes the checkpoint, or aborts it. */
  barrier(): { readonly complete: () => Promise<void>; readonly abort: () => void } {
    const checkpoint = ++this.checkpoints
    const { position } = this
    const { tasks } = this
    for (const { writer, prepared } of tasks) {
      const promise = writer.prepareCommit(checkpoint as CheckpointId)
      promise.catch(() => {})
      prepared.set(checkpoint, promise)
    }
    const handedIn = tasks.map(({ prepared }) => [...prepared])
    return {
      abort: () => {},
      complete: async () => {
        const all = await this.during(
          Promise.all(
            handedIn
              .flat()
              .map(async ([number, promise]) =>
                (await promise).map((committable) => ({ checkpoint: number, committable })),
              ),
          ),
        )
        const prepared = all.flat().filter((pending) => pending.checkpoint > this.takenUpTo)
        // As manifests keep them.
        const text = JSON.stringify([
          ...this.pending,
          ...prepared.sort((left, right) => left.checkpoint - right.checkpoint),
        ])
        this.manifest = { checkpoint, position, pending: JSON.parse(text) as readonly Pending[] }
        this.pending = this.manifest.pending
        this.takenUpTo = checkpoint
        for (const task of tasks)
          for (const number of task.prepared.keys()) if (number <= checkpoint) task.prepared.delete(number)
        await this.turn()
      },
    }
  }

  /** Commits what the newest manifest holds, and tells the writers. */
  async commit(): Promise<void> {
    const { checkpoint } = this.manifest
    await this.commitPending()
    for (const { writer } of this.tasks) writer.notifyCommitted?.(checkpoint as CheckpointId)
  }

  /** The job ends in order. */
  async finish(): Promise<void> {
    await this.barrier().complete()
    await this.commit()
    await this.endTasks()
    await this.during(this.committer?.abortOthers())
    await this.during(this.committer?.close?.())
  }

  async endTasks(): Promise<void> {
    const { tasks } = this
    this.tasks = []
    for (const { writer } of tasks) await this.during(writer.close?.(), true)
    // Whatever was to be prepared settles, or the next attempt would never begin.
    for (const { prepared } of tasks) await this.during(Promise.allSettled(prepared.values()), true)
  }

  /** One turn of the event loop and a few milliseconds. */
  async turn(): Promise<void> {
    await new Promise<void>((resolve) => void setImmediate(resolve))
    this.options.cluster.advance(3)
    this.check(false)
  }

  private async commitPending(): Promise<void> {
    for (let rounds = 0; this.pending.length > 0; rounds++) {
      if (rounds > 500) throw new Error('the commits do not come to an end')
      const results = await this.during(this.committer!.commit(this.pending.map(({ committable }) => committable)))
      for (const result of results) if (result.kind === 'lost') throw result.error
      this.pending = this.pending.filter((_, index) => results[index]!.kind === 'retry')
    }
  }

  private async during<R>(work: R | Promise<R>, isEnding = false): Promise<R> {
    const state: { result: { readonly value: R } | null; error: { readonly cause: unknown } | null } = {
      result: null,
      error: null,
    }
    Promise.resolve(work).then(
      (value) => void (state.result = { value }),
      (cause: unknown) => void (state.error = { cause }),
    )
    await Promise.resolve()
    for (let turns = 0; ; turns++) {
      if (state.result !== null) return state.result.value
      if (state.error !== null) {
        this.check(isEnding)
        throw state.error.cause
      }
      if (turns > 200_000) throw new Error('what is waited for does not come')
      await new Promise<void>((resolve) => void setImmediate(resolve))
      this.options.cluster.advance(3)
      this.check(isEnding)
    }
  }

  private check(isEnding: boolean): void {
    if (this.isKilled) throw new Killed()
    if (this.failure !== null && !isEnding) throw new AttemptFailed('the attempt failed', { cause: this.failure })
  }

  private connection(): ClusterConnection {
    return {
      brokers: 'memory',
      open: () => {
        const client = this.options.cluster.client()
        this.clients.push(client)
        return client
      },
    }
  }

  private identity() {
    return { job: 'job', operator: 'sink' as OperatorId, run: 'run' as RunId, epoch: this.epoch as Epoch }
  }
}
