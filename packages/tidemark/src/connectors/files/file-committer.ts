import { makeDurableDirectory } from '../../core/durable-directory.ts'
import { TidemarkError } from '../../core/errors.ts'
import type { FileStat } from '../../core/file-system.ts'
import type { Committable, CommitResult, Committer, CommitterContext, StartKind } from '../../core/sink.ts'
import { decideClaim, readFacts, writeOwner } from './output-claim.ts'
import { isPlainName, type OutputDirectory } from './output-directory.ts'

/** What a committable of a file sink names: files by their names inside the sink's directory, so that the directory may be moved. */
export interface PendingFile {
  readonly pending: string
  readonly final: string
  readonly length: number
}

/**
 * Makes pending files visible: a second name without replacing, the directory synced, only then the pending name removed. So a crash at
 * any point leaves one of three states, each of which says what is left to do.
 */
export class FileCommitter implements Committer {
  private readonly context: CommitterContext
  private readonly directory: OutputDirectory

  constructor(context: CommitterContext, directory: OutputDirectory) {
    this.context = context
    this.directory = directory
  }

  /** Also that what is still to be committed is here: with another directory than that of the checkpoint the start would only end later. */
  async check(start: StartKind, pending: readonly Committable[] = []): Promise<void> {
    await this.claim(start)
    for (const committable of pending) {
      const found = await this.find(committable)
      if (found?.kind === 'lost') throw found.error
    }
  }

  async start(start: StartKind): Promise<void> {
    const { files } = this.context
    const { directory } = this
    const decision = await this.claim(start)
    await makeDurableDirectory(files, directory.path)
    await files.makeDirectory(directory.pending)
    await files.syncDirectory(directory.path)
    if (decision === 'claim') await writeOwner(files, directory, this.context)
    // Nothing is restored: what an earlier start of this job left here was never committed and never will be.
    if (start.kind === 'fresh') await this.abortOthers()
  }

  async commit(committables: readonly Committable[]): Promise<readonly CommitResult[]> {
    const results: CommitResult[] = []
    for (const committable of committables) results.push(await this.link(committable))
    const isNamed = results.map(({ kind }) => kind === 'committed' || kind === 'already-committed')
    if (!isNamed.includes(true)) return results
    try {
      await this.context.files.syncDirectory(this.directory.path)
    } catch (error) {
      return results.map((result, index) => (isNamed[index]! ? this.retry(error) : result))
    }
    for (const [index, committable] of committables.entries()) {
      if (!isNamed[index]!) continue
      try {
        await this.context.files.remove(this.pendingPath(pendingFile(committable)!.pending))
      } catch (error) {
        results[index] = this.retry(error)
      }
    }
    return results
  }

  async abortOthers(): Promise<void> {
    const { files } = this.context
    const { pending } = this.directory
    const names = await files.list(pending)
    if (names === null || names.length === 0) return
    for (const name of names) await files.remove(`${pending}/${name}`)
    await files.syncDirectory(pending)
  }

  /** A run that ended in order leaves nothing pending, and then no directory for it either. */
  async close(): Promise<void> {
    const { files } = this.context
    const names = await files.list(this.directory.pending)
    if (names === null || names.length > 0) return
    await files.removeTree(this.directory.pending)
    await files.syncDirectory(this.directory.path)
  }

  private async claim(start: StartKind): Promise<'claim' | 'keep'> {
    const { context, directory } = this
    const decision = decideClaim(directory.path, await readFacts(context.files, directory), context, start)
    if (decision.kind === 'refuse') throw decision.error
    return decision.kind
  }

  private async link(committable: Committable): Promise<CommitResult> {
    try {
      const found = await this.find(committable)
      if (found !== null) return found
      const file = pendingFile(committable)!
      await this.context.files.link(this.pendingPath(file.pending), `${this.directory.path}/${file.final}`)
      return { kind: 'committed' }
    } catch (error) {
      return this.retry(error)
    }
  }

  /** What is left of it: null when it waits for its final name. */
  private async find(committable: Committable): Promise<CommitResult | null> {
    const file = pendingFile(committable)
    if (file === null) {
      const what = JSON.stringify(committable)
      return this.lost(`the checkpoint names an output file in a form that is not known: ${what}`)
    }
    const { files } = this.context
    const from = this.pendingPath(file.pending)
    const to = `${this.directory.path}/${file.final}`
    const [pending, final] = [await files.stat(from), await files.stat(to)]
    if (final !== null) return this.checkFinal(file, pending, final)
    if (pending === null) return this.lost(`neither ${from} nor ${to} exists: ${file.length} bytes of results are gone`)
    if (pending.size === file.length) return null
    return this.lost(`${from} has ${pending.size} bytes, not the ${file.length} that were synced`)
  }

  /** The final name is taken: by this transaction, committed before, or else by something foreign. */
  private checkFinal(file: PendingFile, pending: FileStat | null, final: FileStat): CommitResult {
    const path = `${this.directory.path}/${file.final}`
    if (pending !== null && pending.identity !== final.identity) {
      return this.lost(`${path} exists already and is another file than the one to be committed`)
    }
    if (final.size !== file.length) {
      return this.lost(`${path} has ${final.size} bytes, not the ${file.length} that were committed`)
    }
    return { kind: 'already-committed' }
  }

  private pendingPath(name: string): string {
    return `${this.directory.pending}/${name}`
  }

  private lost(problem: string): CommitResult {
    const { job, operator } = this.context
    const error = new TidemarkError('COMMIT_LOST', `sink ${operator}: ${problem}`, {
      action:
        'Somebody else changed the output directory, or it is not the one the checkpoint was taken with. Put the file back, or start afresh with --fresh and another directory.',
      context: { job, operator, file: this.directory.path },
    })
    return { kind: 'lost', error }
  }

  private retry(cause: unknown): CommitResult {
    const { job, operator } = this.context
    const reason = cause instanceof Error ? cause.message : String(cause)
    const error = new TidemarkError('COMMIT_FAILED', `sink ${operator} cannot commit yet: ${reason}`, {
      action: `Check that ${this.directory.path} can be written and has room.`,
      context: { job, operator, file: this.directory.path },
      cause,
    })
    return { kind: 'retry', error }
  }
}

function pendingFile({ version, data }: Committable): PendingFile | null {
  const { pending, final, length } = data
  if (version !== 1 || !isPlainName(pending) || !isPlainName(final) || typeof length !== 'number') return null
  return { pending, final, length }
}
