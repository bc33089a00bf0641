import type { CheckpointId, TaskId } from '../../core/ids.ts'
import type { CheckpointFile, Manifest, StateHandle } from '../../core/manifest.ts'

/** A file of state being written by one task for one checkpoint. */
export interface StateFileWriter {
  /** Relative to the job's checkpoint directory: what handles name. */
  readonly path: string
  /** Appends; resolves when the bytes were taken. One call at a time. The checksum is that of the bytes, where the caller knows it. */
  write(bytes: Uint8Array, checksum?: number): Promise<void>
  /** Syncs the file and its name. Only then may the checkpoint be acknowledged. */
  finish(): Promise<CheckpointFile>
  /** Closes and removes. Idempotent, never throws. */
  abandon(): Promise<void>
}

/** The part of checkpoint storage that tasks use, in whatever thread they are. */
export interface TaskCheckpointStorage {
  /** Creates `<directory of the checkpoint>/<task>-<attempt>` exclusively, and the directory when it is missing. */
  createStateFile(checkpoint: CheckpointId, task: TaskId): Promise<StateFileWriter>
  /** The verified bytes of a handle; `CHECKPOINT_CORRUPT` naming the file. */
  read(handle: StateHandle): Promise<Uint8Array>
  /** A part of a handle that carries its own checksum. */
  readRange(handle: StateHandle, offset: number, length: number, crc32c: number): Promise<Uint8Array>
}

/** A complete checkpoint that exists. */
export interface CompletedCheckpoint {
  readonly checkpoint: CheckpointId
  /** Absolute path of the checkpoint's directory: what `--from` takes. */
  readonly path: string
  readonly manifest: Manifest
}

/**
 * Where checkpoints live. A checkpoint exists if and only if its manifest does; the manifest is written, synced and renamed into place after every file that
 * it names is durable. Only the holder of the job's lock calls anything here.
 */
export interface CheckpointStorage extends TaskCheckpointStorage {
  /**
   * Makes the checkpoint exist. `STORAGE_FAILED`: it does not. `STORAGE_OUTCOME_UNKNOWN`: nobody knows; the job must restart and read again, nothing may be deleted.
   */
  complete(manifest: Manifest): Promise<CompletedCheckpoint>
  /** Removes a checkpoint that never completed. Never throws: residue is swept later. */
  discard(checkpoint: CheckpointId): Promise<void>
  /** Removes files that a late or foreign acknowledgement named. Never throws. */
  discardFiles(files: readonly CheckpointFile[]): Promise<void>
  /** Removes a complete checkpoint, its manifest first. */
  remove(checkpoint: CompletedCheckpoint): Promise<void>
  /** Complete checkpoints of this run, oldest first. A damaged manifest is an error, not skipped. */
  list(): Promise<readonly CompletedCheckpoint[]>
  /** Reads one by its path (the directory or its manifest), wherever it is. `CHECKPOINT_NOT_FOUND`, `CHECKPOINT_CORRUPT`. */
  load(path: string): Promise<CompletedCheckpoint>
  /** Checks that every file of a checkpoint is there, then length and checksum of each: reads all of it. `CHECKPOINT_CORRUPT` naming the file. */
  verify(checkpoint: CompletedCheckpoint): Promise<void>
  /** Removes whatever no complete checkpoint of this run uses. While no task lives. */
  sweep(): Promise<void>
}
