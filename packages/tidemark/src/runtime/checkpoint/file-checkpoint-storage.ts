import { isAbsolute, posix } from 'node:path'
import { assert, isTidemarkError, TidemarkError } from '../../core/errors.ts'
import type { FileSystem, FileWriter } from '../../core/file-system.ts'
import { type Attempt, attempt, type CheckpointId, type Epoch, type RunId, type TaskId } from '../../core/ids.ts'
import type { CheckpointFile, Manifest, StateHandle } from '../../core/manifest.ts'
import { refuseIfFenced } from '../job/job-record.ts'
import { absolutePath, ignoreFailure, readWholeFile, storageFailed, writeNewFile } from '../storage/durable-files.ts'
import { corrupt } from '../storage/framed-json.ts'
import {
  checkpointDirectory,
  isRunDirectory,
  MANIFEST_NAME,
  manifestPath,
  parseCheckpointDirectory,
  runDirectory,
  stateFilePath,
} from './checkpoint-paths.ts'
import type { CheckpointStorage, CompletedCheckpoint, StateFileWriter } from './contract.ts'
import { decodeManifest, encodeManifest } from './manifest-codec.ts'
import { relocateManifest } from './manifest-location.ts'
import { DurableStateFile } from './state-file.ts'
import { readHandle, readHandleRange, verifyContent, verifyLength } from './state-reader.ts'

export interface FileCheckpointStorageOptions {
  readonly files: FileSystem
  /** The job's checkpoint directory. */
  readonly directory: string
  readonly run: RunId
  readonly epoch: Epoch
  /** 0, the default: the job's own view, which outlives attempts. State files are written through `forAttempt`. */
  readonly attempt?: Attempt
}

/**
 * Checkpoints as files: `run-<run>/chk-<n>/` below the job's checkpoint directory holds the tasks' state files and `manifest`. See
 * docs/design/004-checkpoint-storage.md for the order of effects and why.
 *
 * Tasks use the view of their attempt (`forAttempt`), so that no two attempts ever write the same file.
 */
export class FileCheckpointStorage implements CheckpointStorage {
  readonly #options: FileCheckpointStorageOptions
  readonly #files: FileSystem
  readonly #root: string
  /** Checkpoint directories made (or being made) durable by this object. */
  readonly #directories = new Map<CheckpointId, Promise<void>>()
  readonly #attempt: Attempt
  #manifestsWritten = 0
  #runDirectory: Promise<void> | null = null
  /** Checkpoints of which nobody knows whether they exist. */
  readonly #unknown = new Set<CheckpointId>()

  constructor(options: FileCheckpointStorageOptions) {
    this.#options = options
    this.#files = options.files
    this.#attempt = options.attempt ?? attempt(0)
    this.#root = absolutePath(options.directory)
  }

  forAttempt(attempt: Attempt): FileCheckpointStorage {
    return new FileCheckpointStorage({ ...this.#options, attempt })
  }

  async createStateFile(checkpoint: CheckpointId, task: TaskId): Promise<StateFileWriter> {
    const { run, epoch } = this.#options
    const path = stateFilePath(run, checkpoint, task, epoch, this.#attempt)
    const file = `${this.#root}/${path}`
    const directory = posix.dirname(file)
    let writer: FileWriter
    try {
      await this.#ensureDirectory(checkpoint)
      writer = await this.#files.create(file)
    } catch (error) {
      throw storageFailed(`Creating ${file}`, file, error)
    }
    return new DurableStateFile({ files: this.#files, path, file, directory }, writer)
  }

  read(handle: StateHandle): Promise<Uint8Array> {
    return readHandle(this.#files, handle, this.#resolve)
  }

  readRange(handle: StateHandle, offset: number, length: number, crc32c: number): Promise<Uint8Array> {
    return readHandleRange(this.#files, handle, { offset, length, crc32c }, this.#resolve)
  }

  async complete(manifest: Manifest): Promise<CompletedCheckpoint> {
    const { run, epoch } = this.#options
    assert(manifest.run === run && manifest.epoch === epoch, 'the manifest is of this run and epoch')
    const { checkpoint } = manifest
    const file = `${this.#root}/${manifestPath(run, checkpoint)}`
    const writing = `${epoch}-${this.#attempt}-${++this.#manifestsWritten}`
    const partial = `${file}.${writing}.partial`
    const bytes = encodeManifest(manifest)
    // What could not be read again must not become a checkpoint.
    decodeManifest(bytes, file)
    try {
      await this.#ensureDirectory(checkpoint)
      await this.#refuseIncomplete(manifest)
      await writeNewFile(this.#files, partial, bytes)
    } catch (error) {
      throw this.#notCompleted(checkpoint, file, error)
    }
    try {
      await refuseIfFenced(this.#files, this.#root, epoch)
      if ((await this.#files.stat(file)) !== null) throw new Error(`${file} exists already`)
    } catch (error) {
      await ignoreFailure(this.#files.remove(partial))
      throw this.#notCompleted(checkpoint, file, error)
    }
    await this.#publish(checkpoint, partial, file, bytes)
    return { checkpoint, path: posix.dirname(file), manifest }
  }

  /** The moment at which the checkpoint begins to exist: the rename, and for good with the sync of the directory. */
  async #publish(checkpoint: CheckpointId, partial: string, file: string, bytes: Uint8Array): Promise<void> {
    try {
      await this.#files.rename(partial, file)
    } catch (error) {
      const found = await this.#whatIs(partial, file, bytes)
      if (found === 'unknown') throw this.#outcomeUnknown(checkpoint, file, error)
      if (found === 'not-renamed') {
        await ignoreFailure(this.#files.remove(partial))
        throw this.#notCompleted(checkpoint, file, error)
      }
    }
    try {
      await this.#files.syncDirectory(posix.dirname(file))
    } catch (error) {
      // Reading again would only show what the system remembers, not what the disk does.
      throw this.#outcomeUnknown(checkpoint, file, error)
    }
  }

  async #whatIs(partial: string, file: string, bytes: Uint8Array): Promise<'renamed' | 'not-renamed' | 'unknown'> {
    try {
      const manifest = await readWholeFile(this.#files, file)
      const rest = await this.#files.stat(partial)
      if (manifest === null && rest !== null) return 'not-renamed'
      if (manifest !== null && rest === null && Buffer.compare(manifest, bytes) === 0) return 'renamed'
    } catch {
      // Then nobody knows.
    }
    return 'unknown'
  }

  async discard(checkpoint: CheckpointId): Promise<void> {
    this.#directories.delete(checkpoint)
    if (this.#unknown.has(checkpoint)) return
    const directory = this.#directoryOf(checkpoint)
    await ignoreFailure(
      (async () => {
        if ((await this.#files.stat(`${directory}/${MANIFEST_NAME}`)) === null) await this.#files.removeTree(directory)
      })(),
    )
  }

  async discardFiles(files: readonly CheckpointFile[]): Promise<void> {
    const own = `${runDirectory(this.#options.run)}/`
    const unknown = [...this.#unknown].map((checkpoint) => `${own}chk-${checkpoint}/`)
    for (const { path, scope } of files) {
      const isOurs = path.startsWith(own) && scope === 'exclusive'
      if (!isOurs || unknown.some((directory) => path.startsWith(directory))) continue
      await ignoreFailure(this.#files.remove(`${this.#root}/${path}`))
    }
  }

  async remove(checkpoint: CompletedCheckpoint): Promise<void> {
    this.#directories.delete(checkpoint.checkpoint)
    try {
      await this.#removeDirectory(checkpoint.path, checkpoint.manifest.files.length > 0)
    } catch (error) {
      throw storageFailed(`Removing checkpoint ${checkpoint.checkpoint}`, checkpoint.path, error)
    }
  }

  async list(): Promise<readonly CompletedCheckpoint[]> {
    const directory = `${this.#root}/${runDirectory(this.#options.run)}`
    try {
      const found: CompletedCheckpoint[] = []
      for (const checkpoint of await this.#checkpointsIn(directory)) {
        const path = `${directory}/chk-${checkpoint}`
        const manifest = await this.#readManifest(`${path}/${MANIFEST_NAME}`)
        if (manifest === null) continue
        if (manifest.run !== this.#options.run || manifest.checkpoint !== checkpoint) {
          throw corrupt(`${path}/${MANIFEST_NAME}`, `it is of checkpoint ${manifest.checkpoint} of run ${manifest.run}`)
        }
        found.push({ checkpoint, path, manifest })
      }
      // Its writer may have died between the rename and the sync: nobody may build on a manifest that a power failure would take away.
      const newest = found.at(-1)
      if (newest !== undefined) await this.#files.syncDirectory(newest.path)
      return found
    } catch (error) {
      throw storageFailed(`Listing the checkpoints in ${directory}`, directory, error)
    }
  }

  async load(path: string): Promise<CompletedCheckpoint> {
    const given = absolutePath(path)
    try {
      const isManifest = (await this.#files.stat(given))?.kind === 'file'
      const directory = isManifest ? posix.dirname(given) : given
      const manifest = await this.#readManifest(isManifest ? given : `${given}/${MANIFEST_NAME}`)
      if (manifest === null) throw notFound(path, given)
      return {
        checkpoint: manifest.checkpoint,
        path: directory,
        manifest: relocateManifest(manifest, directory, this.#root),
      }
    } catch (error) {
      throw storageFailed(`Reading checkpoint ${path}`, given, error)
    }
  }

  async verify(checkpoint: CompletedCheckpoint): Promise<void> {
    const file = `${checkpoint.path}/${MANIFEST_NAME}`
    try {
      if ((await this.#readManifest(file)) === null) throw notFound(checkpoint.path, file)
      // What is missing shows at once, before much is read.
      for (const check of [verifyLength, verifyContent]) {
        for (const expected of checkpoint.manifest.files) {
          await check(this.#files, this.#resolve(expected.path), expected)
        }
      }
    } catch (error) {
      throw storageFailed(`Checking checkpoint ${checkpoint.checkpoint}`, checkpoint.path, error)
    }
  }

  async sweep(): Promise<void> {
    const own = runDirectory(this.#options.run)
    const complete = await this.list()
    const used = new Set(complete.flatMap((checkpoint) => checkpoint.manifest.files.map((file) => file.path)))
    for (const { checkpoint } of complete) used.add(manifestPath(this.#options.run, checkpoint))
    try {
      for (const name of (await this.#files.list(this.#root)) ?? []) {
        if (isRunDirectory(name)) await this.#sweepRun(name, name === own ? used : null)
      }
    } catch (error) {
      throw storageFailed(`Sweeping ${this.#root}`, this.#root, error)
    }
    this.#directories.clear()
    this.#runDirectory = null
  }

  /** `used` null: another run's directory, in which only checkpoints that never completed are removed. */
  async #sweepRun(run: string, used: ReadonlySet<string> | null): Promise<void> {
    const directory = `${this.#root}/${run}`
    for (const checkpoint of await this.#checkpointsIn(directory)) {
      const path = `${run}/chk-${checkpoint}`
      const isComplete = (await this.#files.stat(`${this.#root}/${path}/${MANIFEST_NAME}`)) !== null
      if (!isComplete) await this.#removeDirectory(`${this.#root}/${path}`)
      if (!isComplete || used === null) continue
      for (const name of (await this.#files.list(`${this.#root}/${path}`)) ?? []) {
        if (!used.has(`${path}/${name}`)) await this.#files.removeTree(`${this.#root}/${path}/${name}`)
      }
    }
    if ((await this.#files.list(directory))?.length !== 0) return
    await this.#files.removeTree(directory)
    await this.#files.syncDirectory(this.#root)
  }

  /** The manifest goes first, and for good, before anything it names: a crash leaves a checkpoint or residue, never half a checkpoint. */
  async #removeDirectory(directory: string, mayNameFiles = true): Promise<void> {
    if ((await this.#files.stat(directory)) === null) return
    await this.#files.remove(`${directory}/${MANIFEST_NAME}`)
    if (mayNameFiles) await this.#files.syncDirectory(directory)
    await this.#files.removeTree(directory)
  }

  /** Numbers of the checkpoint directories, complete or not, oldest first. */
  async #checkpointsIn(directory: string): Promise<readonly CheckpointId[]> {
    const names = (await this.#files.list(directory)) ?? []
    return names
      .map(parseCheckpointDirectory)
      .filter((checkpoint) => checkpoint !== null)
      .sort((left, right) => left - right)
  }

  async #readManifest(file: string): Promise<Manifest | null> {
    const bytes = await readWholeFile(this.#files, file)
    return bytes === null ? null : decodeManifest(bytes, file)
  }

  /** Tasks say that their files are durable; that they are there, and as long as said, is cheap to check. */
  async #refuseIncomplete(manifest: Manifest): Promise<void> {
    const own = `${checkpointDirectory(manifest.run, manifest.checkpoint)}/`
    for (const expected of manifest.files) {
      assert(expected.scope === 'shared' || expected.path.startsWith(own), `${expected.path} is in ${own}`)
      const file = `${this.#root}/${expected.path}`
      const found = await this.#files.stat(file)
      if (found?.size !== expected.length) {
        throw new Error(`${file} should have ${expected.length} bytes, found ${found?.size ?? 'no file'}`)
      }
    }
  }

  /** Names are made durable: the run's directory once, the checkpoint's once per checkpoint. */
  #ensureDirectory(checkpoint: CheckpointId): Promise<void> {
    const known = this.#directories.get(checkpoint)
    if (known !== undefined) return known
    const making = this.#makeDirectory(checkpoint)
    this.#directories.set(checkpoint, making)
    making.catch(() => {
      this.#directories.delete(checkpoint)
      this.#runDirectory = null
    })
    if (this.#directories.size > 64) this.#directories.delete(this.#directories.keys().next().value!)
    return making
  }

  async #makeDirectory(checkpoint: CheckpointId): Promise<void> {
    const run = `${this.#root}/${runDirectory(this.#options.run)}`
    await this.#files.makeDirectory(this.#directoryOf(checkpoint))
    // Also where it existed: a killed process may have created it without. What is above has been synced by who opened the job's directory.
    this.#runDirectory ??= this.#files.syncDirectory(this.#root)
    await Promise.all([this.#runDirectory, this.#files.syncDirectory(run)])
  }

  #directoryOf(checkpoint: CheckpointId): string {
    return `${this.#root}/${checkpointDirectory(this.#options.run, checkpoint)}`
  }

  /** Handles that `load` read from another directory are absolute. */
  readonly #resolve = (file: string): string => (isAbsolute(file) ? file : `${this.#root}/${file}`)

  #notCompleted(checkpoint: CheckpointId, file: string, cause: unknown): TidemarkError {
    if (isTidemarkError(cause) && cause.code === 'FENCED') return cause
    const failed = storageFailed(`Completing checkpoint ${checkpoint}`, file, cause)
    if (failed.code === 'STORAGE_FAILED') return failed
    return new TidemarkError('STORAGE_FAILED', `Completing checkpoint ${checkpoint} failed: ${failed.message}`, {
      action: failed.action ?? 'Check the checkpoint directory.',
      context: { ...failed.context, checkpoint },
      cause: failed,
    })
  }

  #outcomeUnknown(checkpoint: CheckpointId, file: string, cause: unknown): TidemarkError {
    this.#unknown.add(checkpoint)
    return new TidemarkError(
      'STORAGE_OUTCOME_UNKNOWN',
      `Whether checkpoint ${checkpoint} exists is not known: making ${file} durable failed`,
      {
        action: 'The job restarts and reads it again; check the disk of the checkpoint directory.',
        context: { file, checkpoint },
        cause,
      },
    )
  }
}

function notFound(path: string, file: string): TidemarkError {
  return new TidemarkError('CHECKPOINT_NOT_FOUND', `There is no checkpoint at ${path}: no manifest was found`, {
    action: 'Give the directory of a complete checkpoint (…/run-<id>/chk-<n>) or its manifest.',
    context: { file },
  })
}
