import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type Collector,
  collect,
  defineJob,
  type JobEvent,
  type JobHandle,
  run,
  type RunOptions,
  type Source,
} from 'tidemark'

const ENDED: ReadonlySet<string> = new Set(['failed', 'finished', 'canceled', 'suspended'])

/** A job in this process that reads a source into memory. */
export interface ReadingJob<T> {
  readonly handle: JobHandle
  readonly collector: Collector<T>
  readonly events: readonly JobEvent[]
  /** Waits until so many records are committed. */
  readonly committed: (count: number) => Promise<void>
}

export class SourceJobs {
  private readonly folders: string[] = []
  private readonly running = new Set<JobHandle>()

  async folder(): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), 'tidemark-kafka-source-'))
    this.folders.push(folder)
    return folder
  }

  start<T>(source: Source<T>, folder: string, options: RunOptions = {}): ReadingJob<T> {
    const collector = collect<T>()
    const events: JobEvent[] = []
    const listeners: (() => void)[] = []
    const handle = run(
      defineJob('reading', (job) => job.source('topic', source).to('out', collector)),
      {
        checkpointDir: folder,
        checkpointInterval: '100ms',
        parallelism: 2,
        restartStrategy: 'none',
        ...options,
      },
    )
    this.running.add(handle)
    handle.on((event) => {
      events.push(event)
      for (const listener of listeners.splice(0)) listener()
    })
    const committed = async (count: number): Promise<void> => {
      // Not every end is told by an event.
      const ended = reasonOf(handle)
      while (collector.records.length < count) {
        if (ENDED.has(handle.status)) throw new Error(`ended with ${collector.records.length} records: ${await ended}`)
        await Promise.race([ended, new Promise<void>((resolve) => void listeners.push(resolve))])
      }
    }
    return { handle, collector, events, committed }
  }

  /** Reads a bounded source to its end. */
  async read<T>(source: Source<T>, options: RunOptions = {}): Promise<readonly T[]> {
    const { handle, collector } = this.start(source, await this.folder(), options)
    await handle.result
    return collector.records
  }

  /** Ends what a test has left running, too. */
  async remove(): Promise<void> {
    for (const handle of this.running) if (!ENDED.has(handle.status)) await handle.cancel().catch(() => undefined)
    this.running.clear()
    for (const folder of this.folders.splice(0)) await rm(folder, { recursive: true, force: true })
  }
}

async function reasonOf(handle: JobHandle): Promise<string> {
  return handle.result.then(
    ({ status }) => status,
    (error: unknown) => String(error),
  )
}
