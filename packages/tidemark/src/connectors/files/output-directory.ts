import type { Attempt, Epoch, OperatorId, RunId } from '../../core/ids.ts'

export const OWNER_FILE = '.tidemark-output.json'
const PENDING_DIRECTORY = '.pending'

/** All paths of a file sink come from here; every one lies inside its directory. */
export interface OutputDirectory {
  readonly path: string
  readonly pending: string
  readonly owner: string
}

export function outputDirectory(path: string): OutputDirectory {
  const trimmed = path.length > 1 ? path.replace(/\/+$/u, '') : path
  return {
    path: trimmed,
    pending: `${trimmed}/${PENDING_DIRECTORY}`,
    owner: `${trimmed}/${OWNER_FILE}`,
  }
}

/** What makes file names unique for ever: no two writers share all of it. */
export interface PartOrigin {
  readonly run: RunId
  readonly epoch: Epoch
  readonly attempt: Attempt
  readonly operator: OperatorId
  readonly subtask: number
}

export function pendingName(origin: PartOrigin, part: number): string {
  const { run, epoch, attempt, operator, subtask } = origin
  return `${nameable(run)}-${epoch}-${attempt}-${nameable(operator)}-${subtask}-${part}.part`
}

/** Unique in the directory, which belongs to one sink. Not without the run: one that takes the output over may count its epochs from 1 again. */
export function finalName(origin: PartOrigin, part: number, extension: string): string {
  const { run, epoch, attempt, subtask } = origin
  return `part-${subtask}-${nameable(run)}-${epoch}-${attempt}-${part}${extension}`
}

/** A name from a committable, which may have come from a damaged or foreign checkpoint. */
export function isPlainName(name: unknown): name is string {
  return typeof name === 'string' && name !== '' && name !== '.' && name !== '..' && !/[/\\\0]/u.test(name)
}

function nameable(name: string): string {
  return name.replaceAll(/[^\w.]/gu, '_').slice(0, 64)
}
