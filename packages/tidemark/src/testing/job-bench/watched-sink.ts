import { type Collector, collect } from '../../connectors/collect.ts'
import type { CommitResult, Committer, Sink, SinkWriter } from '../../core/sink.ts'

/** What a test may do at the steps of a sink. */
export interface SinkHooks {
  /** What it returns is waited for, and what it throws thrown, before the transaction is pre-committed. */
  prepare?(checkpoint: number, subtask: number): void | Promise<void>
  /** What it returns takes the place of the results. */
  commit?(round: number): readonly CommitResult[] | null
  /** Whether the writer takes a record now; `wake` of the last writer asks again. */
  accepts?(record: unknown): boolean
}

/** A transactional collector that tells what is done to it. */
export interface WatchedSink<T> {
  readonly sink: Sink<T, 'exactly-once'>
  readonly collector: Collector<T>
  /** `open`, `prepare 1`, `committed 1`, `close` … of all writers. */
  readonly calls: string[]
  wake: () => void
}

export function watchedSink<T>(hooks: SinkHooks = {}): WatchedSink<T> {
  const collector = collect<T>()
  const calls: string[] = []
  const watched: WatchedSink<T> = {
    collector,
    calls,
    wake: () => {},
    sink: {
      ...collector,
      kind: 'collect',
      delivery: 'exactly-once',
      createWriter: (context) => {
        watched.wake = context.wake
        return watchedWriter(collector.createWriter(context), hooks, calls, context.subtask)
      },
      createCommitter: (context) => watchedCommitter(collector.createCommitter!(context), hooks),
    },
  }
  return watched
}

function watchedWriter<T>(inner: SinkWriter<T>, hooks: SinkHooks, calls: string[], subtask: number): SinkWriter<T> {
  return {
    open: () => void calls.push('open'),
    write(values, from, to, timestamps) {
      if (hooks.accepts === undefined) return inner.write(values, from, to, timestamps)
      let end = from
      while (end < to && hooks.accepts(values[end])) end++
      return inner.write(values, from, end, timestamps)
    },
    async prepareCommit(checkpoint) {
      calls.push(`prepare ${checkpoint}`)
      const prepared = inner.prepareCommit(checkpoint)
      await hooks.prepare?.(checkpoint, subtask)
      return prepared
    },
    notifyCommitted: (checkpoint) => void calls.push(`committed ${checkpoint}`),
    close: () => void calls.push('close'),
  }
}

function watchedCommitter(inner: Committer, hooks: SinkHooks): Committer {
  let round = 0
  return {
    start: (kind) => inner.start?.(kind) ?? Promise.resolve(),
    commit: async (committables) => hooks.commit?.(++round) ?? inner.commit(committables),
    abortOthers: () => inner.abortOthers(),
  }
}
