import type { CheckpointId } from '../../core/ids.ts'
import type { ResolvedOptions } from '../../core/options.ts'
import type { CompletedCheckpoint } from '../checkpoint/contract.ts'
import { type JobEnd, retentionAtEnd } from '../checkpoint/retention-policy.ts'
import type { JobResult } from './contract.ts'
import type { JobProgress } from './job-progress.ts'
import type { PreparedStart } from './prepare-start.ts'

export interface SessionEndOptions {
  readonly start: PreparedStart
  readonly options: ResolvedOptions
  readonly progress: JobProgress
  /** Complete checkpoints that exist, oldest first. */
  readonly completed: Map<CheckpointId, CompletedCheckpoint>
  /** Commits what the newest checkpoint holds, aborts the rest, removes residue. */
  readonly recover: () => Promise<unknown>
}

/** How a session ends: what is made durable, in which order, and what may still go wrong then. While no task lives. */
export class SessionEnd {
  private readonly options: SessionEndOptions

  constructor(options: SessionEndOptions) {
    this.options = options
  }

  /** Makes the end durable. What fails before is a failure like any other: the last checkpoint holds everything. */
  async tryFinish(): Promise<Error | null> {
    const { committers, directory } = this.options.start
    try {
      // Nothing is pending: the last checkpoint's commits were confirmed before its tasks were released.
      await committers.abortOthers()
      await directory.setStatus('finishing')
      return null
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error))
    }
  }

  /** The end is durable: a process that is killed from here on is followed by one that only puts away what is left. `left`: nothing of the last attempt's hosts is. */
  async finished(left: Promise<void>): Promise<JobResult> {
    await this.applyRetention('finished')
    const result = await this.ended('finished')
    const { directory } = this.options.start
    const tell = () => directory.setStatus('finished')
    // A disk that fails once is asked twice: no later start looks after what this one leaves.
    await this.orWarn('the next start has nothing to do but to say so', () => tell().catch(tell))
    await this.orWarn('what the job held could not be closed', () => left)
    return result
  }

  /** What the newest checkpoint holds is committed before anything is put away; when stopping, as far as it goes at once. */
  async stopped(wish: 'stop' | 'cancel'): Promise<JobResult> {
    const { recover, start } = this.options
    if (wish === 'stop') {
      await this.orWarn('not everything is in order; the next start sees to it', recover)
      await start.directory.setStatus('suspended')
      return this.ended('suspended')
    }
    start.committers.resume()
    await recover()
    await start.directory.setStatus('canceled')
    await this.applyRetention('canceled')
    return this.ended('canceled')
  }

  /** After a failure for good: the checkpoints stay; what can still be put in order is. */
  async failed(): Promise<void> {
    const { start } = this.options
    try {
      // A job whose end is durable has not failed, whatever becomes of what it left.
      if (!start.isFinished) await start.directory.setStatus('failed')
    } catch {
      // The error that ended the job is being thrown; the record then still says that it ran, which leads to the same next start.
    }
    try {
      await start.committers.close()
    } catch {
      // As above.
    }
  }

  /** The end is durable: what goes wrong from here on changes nothing about it. */
  private async applyRetention(end: JobEnd): Promise<void> {
    const { options, start, completed } = this.options
    if (retentionAtEnd(end, options.externalizedCheckpointCleanup, 'checkpoint') === 'keep') return
    const { storage } = start
    const removeAll = async () => {
      // Read again: one that should have been retired earlier may have withstood it.
      for (const checkpoint of await storage.list()) await storage.remove(checkpoint)
      completed.clear()
      await storage.sweep()
    }
    // No later start looks after them: a disk that fails once is asked twice.
    await this.orWarn('checkpoints that are no longer needed could not be removed', () => removeAll().catch(removeAll))
  }

  private async orWarn(what: string, work: () => Promise<unknown>): Promise<void> {
    try {
      await work()
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      this.options.progress.emit({ kind: 'warning', message: `${what}: ${reason}` })
    }
  }

  private async ended(status: 'finished' | 'canceled' | 'suspended'): Promise<JobResult> {
    const { progress, start, completed } = this.options
    await this.orWarn('what the job held could not be closed', () => start.committers.close())
    progress.setStatus(status)
    const kept = [...completed.values()].at(-1)
    const last = progress.lastCheckpoint
    const checkpoint =
      kept === undefined
        ? null
        : last?.checkpoint === kept.checkpoint
          ? last
          : {
              checkpoint: kept.checkpoint,
              path: kept.path,
              durationMs: 0,
              bytes: kept.manifest.files.reduce((sum, { length }) => sum + length, 0),
            }
    return { status, run: start.run, metrics: progress.metrics(), checkpoint }
  }
}
