import type {
  Attempt,
  CheckpointId,
  Committable,
  Committer,
  CommitterContext,
  Epoch,
  FileSystem,
  OperatorId,
  RunId,
  Sink,
  SinkWriter,
} from 'tidemark/connector'
import type { ClusterConnection } from '../connection.ts'
import type { MemoryCluster } from './memory-cluster.ts'

/** Waits until brokers have written the markers of whatever was decided. */
export async function settled(cluster: MemoryCluster): Promise<void> {
  const isEnding = () =>
    cluster.transactions.list('', ['PrepareCommit', 'PrepareAbort', 'PrepareEpochFence']).length > 0
  do await new Promise<void>((resolve) => void setImmediate(resolve))
  while (isEnding())
}

/** Values that a reader sees who honours commits, as text. */
export function values(cluster: MemoryCluster, topic: string): readonly string[] {
  return cluster.committed(topic).map(({ value }) => (value === null ? 'null' : Buffer.from(value).toString('utf8')))
}

/** A cluster connection to a memory cluster, as sinks get it. */
export function memoryConnection(cluster: MemoryCluster): ClusterConnection {
  return { brokers: 'memory', open: () => cluster.client() }
}

/** Lets turns of the event loop and time go by until something has settled. */
export async function during<R>(cluster: MemoryCluster, work: R | Promise<R>): Promise<R> {
  const state = { isSettled: false }
  const done = (): void => void (state.isSettled = true)
  Promise.resolve(work).then(done, done)
  for (let turns = 0; !state.isSettled; turns++) {
    if (turns > 200_000) throw new Error('what is waited for does not come')
    await new Promise<void>((resolve) => void setImmediate(resolve))
    cluster.advance(3)
  }
  return work
}

/** One writer of a sink, and what it told its task. */
export class WriterRun<T> {
  readonly failures: unknown[] = []
  readonly writer: SinkWriter<T>
  private readonly cluster: MemoryCluster
  private isAwake = true

  constructor(
    cluster: MemoryCluster,
    sink: Sink<T>,
    place: { readonly attempt?: number; readonly files?: FileSystem } = {},
  ) {
    this.cluster = cluster
    this.writer = sink.createWriter({
      ...SINK_IDENTITY,
      attempt: (place.attempt ?? 1) as Attempt,
      subtask: 0,
      parallelism: 1,
      clock: cluster.clock,
      files: place.files ?? (null as never),
      secret: (name) => name,
      wake: () => void (this.isAwake = true),
      fail: (error) => void this.failures.push(error),
      warn: () => {},
    })
  }

  async open(): Promise<this> {
    await during(this.cluster, this.writer.open?.())
    return this
  }

  /** Writes all, waiting wherever the writer asks for it; stops when it has failed. */
  async write(values: readonly T[], timestamps: readonly number[] | null = null): Promise<void> {
    for (let from = 0; from < values.length && this.failures.length === 0;) {
      if (this.isAwake) {
        const taken = this.writer.write(values, from, values.length, timestamps)
        this.isAwake = taken > from
        from = taken
      } else await during(this.cluster, new Promise<void>((resolve) => void setImmediate(resolve)))
    }
  }

  prepare(checkpoint: number): Promise<readonly Committable[]> {
    return during(this.cluster, this.writer.prepareCommit(checkpoint as CheckpointId))
  }
}

export const SINK_IDENTITY = { job: 'job', operator: 'sink' as OperatorId, run: 'run' as RunId, epoch: 1 as Epoch }

export function committerOf<T>(
  cluster: MemoryCluster,
  sink: Sink<T>,
  changes: Partial<CommitterContext> = {},
): { readonly committer: Committer; readonly warnings: readonly string[] } {
  const warnings: string[] = []
  const committer = sink.createCommitter!({
    ...SINK_IDENTITY,
    clock: cluster.clock,
    files: null as never,
    secret: (name) => name,
    checkpointIntervalMs: 1000,
    checkpointTimeoutMs: 60_000,
    warn: (message) => void warnings.push(message),
    ...changes,
  })
  return { committer, warnings }
}
