import { type Attempt, type CheckpointId, checkpointId, type Epoch, type RunId, type TaskId } from '../../core/ids.ts'
import { nodeCrypto } from '../node-crypto.ts'

/** Every path of checkpoint storage is built here. All are relative to the job's checkpoint directory. */

export const MANIFEST_NAME = 'manifest'
const LONGEST_TASK_NAME = 120

export function runDirectory(run: RunId): string {
  return `run-${escapeName(run)}`
}

export function checkpointDirectory(run: RunId, checkpoint: CheckpointId): string {
  return `${runDirectory(run)}/chk-${checkpoint}`
}

export function manifestPath(run: RunId, checkpoint: CheckpointId): string {
  return `${checkpointDirectory(run, checkpoint)}/${MANIFEST_NAME}`
}

/** `<run>-<epoch>-<attempt>` never occurs twice, so this name is never used again, whatever was left behind. */
export function stateFilePath(
  run: RunId,
  checkpoint: CheckpointId,
  task: TaskId,
  epoch: Epoch,
  attempt: Attempt,
): string {
  return `${checkpointDirectory(run, checkpoint)}/${taskFileName(task)}-${epoch}-${attempt}`
}

/** The checkpoint that a directory in a run's directory belongs to; null for anything else. */
export function parseCheckpointDirectory(name: string): CheckpointId | null {
  const match = /^chk-([1-9]\d{0,15})$/.exec(name)
  return match === null ? null : checkpointId(Number(match[1]))
}

export function isRunDirectory(name: string): boolean {
  return /^run-[a-z0-9_~%-]+$/.test(name)
}

/** Injective; long names are cut and told apart by a hash. */
function taskFileName(task: TaskId): string {
  const escaped = escapeName(task)
  if (escaped.length <= LONGEST_TASK_NAME) return escaped
  const utf16 = Uint8Array.from(Buffer.from(task, 'utf16le'))
  return `${escaped.slice(0, 80)}%~${nodeCrypto().createHash('sha256').update(utf16).digest('hex').slice(0, 32)}`
}

/**
 * A name that every file system takes and tells apart, also one that ignores case: lower-case letters, digits, `_` and `-` stand for themselves, `~` for
 * `#`, any other UTF-16 unit is `%xx` or `%uxxxx`.
 */
export function escapeName(name: string): string {
  return name.replaceAll(/[^a-z0-9_-]/g, (unit) => {
    if (unit === '#') return '~'
    const code = unit.charCodeAt(0)
    return code <= 0xff ? `%${code.toString(16).padStart(2, '0')}` : `%u${code.toString(16).padStart(4, '0')}`
  })
}
