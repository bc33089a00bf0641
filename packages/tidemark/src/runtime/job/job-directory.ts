import { assert, TidemarkError } from '../../core/errors.ts'
import type { Random } from '../../core/clock.ts'
import { makeDurableDirectory } from '../../core/durable-directory.ts'
import type { FileSystem } from '../../core/file-system.ts'
import { type Epoch, epoch, type RunId, runId } from '../../core/ids.ts'
import { absolutePath, ignoreFailure, storageFailed, writeNewFile } from '../storage/durable-files.ts'
import {
  encodeJobRecord,
  JOB_RECORD_NAME,
  type JobRecord,
  readJobRecord,
  refuseIfFenced,
  type RunStatus,
} from './job-record.ts'

export interface JobDirectoryOptions {
  readonly files: FileSystem
  /** The job's checkpoint directory; created when it is missing. */
  readonly directory: string
  readonly job: string
  readonly now: () => number
  readonly random: Random
}

/** Go on with the run of the record, or begin a new one, from a checkpoint elsewhere (its path) or from nothing (null). */
export type RunChoice =
  | { readonly kind: 'continue' }
  /** Put away what a finished run left. */
  | { readonly kind: 'tidy' }
  | { readonly kind: 'new'; readonly from: string | null }

export interface StartedRun {
  readonly run: RunId
  readonly epoch: Epoch
}

/** The durable record of one job. Only the holder of the directory's lock uses it; calls never overlap. */
export interface JobDirectory {
  /** Absolute. */
  readonly path: string
  /** What the last process left, as found when the directory was opened. */
  readonly previous: JobRecord | null
  /**
   * Makes a new epoch durable; nothing else may be written for the run before this resolves. Once per opened directory. `accept` is asked first, and
   * what it throws leaves everything as it was.
   */
  startRun(choice: RunChoice, accept?: (started: StartedRun) => Promise<void>): Promise<StartedRun>
  /**
   * Durable when it resolves; only `finished` need not be: it follows `finishing`, which is, and where it is lost the next start says it again. `FENCED` when another process has started the job
   * since.
   */
  setStatus(status: RunStatus): Promise<void>
  /** The epoch on disk now; null when there is no record. */
  currentEpoch(): Promise<Epoch | null>
}

/**
 * Opens a job's checkpoint directory and reads its record. `CHECKPOINT_CORRUPT` when the record is damaged, or missing though runs are there: without
 * it nobody knows which run to go on with. `INVALID_OPTION` when the directory belongs to another job.
 */
export async function openJobDirectory(options: JobDirectoryOptions): Promise<JobDirectory> {
  const path = absolutePath(options.directory)
  try {
    await makeDurableDirectory(options.files, path)
    await removeResidue(options.files, path)
    const previous = await readJobRecord(options.files, path)
    if (previous === null) await refuseRunsWithoutRecord(options.files, path)
    else if (previous.job !== options.job) throw belongsToAnother(path, previous.job, options.job)
    return new FileJobDirectory(options, path, previous)
  } catch (error) {
    throw storageFailed(`Opening the checkpoint directory ${path}`, path, error)
  }
}

class FileJobDirectory implements JobDirectory {
  readonly path: string
  readonly previous: JobRecord | null
  readonly #options: JobDirectoryOptions
  #current: JobRecord | null = null
  /** What a write that failed may have left. */
  #hasResidue = false

  constructor(options: JobDirectoryOptions, path: string, previous: JobRecord | null) {
    this.path = path
    this.previous = previous
    this.#options = options
  }

  async startRun(choice: RunChoice, accept?: (started: StartedRun) => Promise<void>): Promise<StartedRun> {
    const { previous } = this
    const { job, now, random } = this.#options
    assert(this.#current === null, 'a directory is opened anew for every start')
    assert(choice.kind === 'new' || previous !== null, 'only a run that is on record can be continued')
    const record: JobRecord = {
      job,
      run: choice.kind === 'new' ? runId(random.hex(12)) : previous!.run,
      epoch: epoch((previous?.epoch ?? 0) + 1),
      status: choice.kind === 'tidy' ? 'finishing' : 'running',
      from: choice.kind === 'new' ? choice.from : previous!.from,
      updatedAt: now(),
    }
    assert(choice.kind !== 'new' || record.run !== previous?.run, 'a new run has a new id')
    const started = { run: record.run, epoch: record.epoch }
    await accept?.(started)
    await this.#write(record)
    return started
  }

  async setStatus(status: RunStatus): Promise<void> {
    assert(this.#current !== null, 'the run has been started')
    await refuseIfFenced(this.#options.files, this.path, this.#current.epoch)
    await this.#write({ ...this.#current, status, updatedAt: this.#options.now() })
  }

  async currentEpoch(): Promise<Epoch | null> {
    return (await readJobRecord(this.#options.files, this.path))?.epoch ?? null
  }

  /** A new file each time, renamed into place: a crash leaves the old record or the new one. */
  async #write(record: JobRecord): Promise<void> {
    const { files, random } = this.#options
    const file = `${this.path}/${JOB_RECORD_NAME}`
    const partial = `${file}.${record.epoch}-${random.hex(12)}.partial`
    try {
      if (this.#hasResidue) await removeResidue(files, this.path)
      this.#hasResidue = false
      await writeNewFile(files, partial, encodeJobRecord(record))
      await files.rename(partial, file)
      if (record.status !== 'finished') await files.syncDirectory(this.path)
    } catch (error) {
      this.#hasResidue = true
      await ignoreFailure(files.remove(partial))
      throw storageFailed(`Writing ${file}`, file, error)
    }
    this.#current = record
  }
}

/** What a process that died while it wrote the record left behind, or a write that failed. */
async function removeResidue(files: FileSystem, path: string): Promise<void> {
  for (const name of (await files.list(path)) ?? []) {
    if (name.startsWith(`${JOB_RECORD_NAME}.`) && name.endsWith('.partial')) await files.remove(`${path}/${name}`)
  }
}

async function refuseRunsWithoutRecord(files: FileSystem, path: string): Promise<void> {
  const run = (await files.list(path))?.find((name) => name.startsWith('run-'))
  if (run === undefined) return
  const file = `${path}/${JOB_RECORD_NAME}`
  throw new TidemarkError('CHECKPOINT_CORRUPT', `${file} is missing, though ${path} holds ${run}`, {
    action: `Restore ${JOB_RECORD_NAME} from a copy, or start in another directory (--checkpoint-dir) with --from ${path}/${run}/chk-….`,
    context: { file },
  })
}

function belongsToAnother(path: string, found: string, expected: string): TidemarkError {
  return new TidemarkError(
    'INVALID_OPTION',
    `The checkpoint directory ${path} belongs to job ${JSON.stringify(found)}`,
    {
      action: `Give ${JSON.stringify(expected)} a checkpoint directory of its own (--checkpoint-dir), or give it its former name back.`,
      context: { job: expected, file: path },
    },
  )
}
