import { resolve, sep } from 'node:path'
import { isTidemarkError, TidemarkError } from '../../core/errors.ts'
import type { FileSystem } from '../../core/file-system.ts'

/** Absolute, with `/` whatever the platform. */
export function absolutePath(path: string): string {
  const absolute = resolve(path)
  return sep === '/' ? absolute : absolute.replaceAll(sep, '/')
}

/**
 * Writes a new file whole and syncs its content (not yet its name). When anything fails the file is removed where possible and never written to
 * again: after a failed sync nobody knows its content.
 */
export async function writeNewFile(files: FileSystem, path: string, bytes: Uint8Array): Promise<void> {
  const writer = await files.create(path).catch(async (error: unknown) => {
    // It may have been created nevertheless; what is there already is not ours.
    if (errorCode(error) !== 'EEXIST') await ignoreFailure(files.remove(path))
    throw error
  })
  try {
    await writer.write(bytes)
    await writer.sync()
    await writer.close()
  } catch (error) {
    await ignoreFailure(writer.close())
    await ignoreFailure(files.remove(path))
    throw error
  }
}

/** The whole content of a file that is read in one piece: manifests, records. */
export async function readWholeFile(files: FileSystem, path: string): Promise<Uint8Array | null> {
  const found = await files.stat(path)
  if (found === null || found.kind !== 'file') return null
  try {
    return await files.read(path, 0, found.size)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null
    throw error
  }
}

/** For cleaning up after a failure that is already being reported; what stays behind is swept later. */
export async function ignoreFailure(work: Promise<unknown>): Promise<void> {
  try {
    await work
  } catch {
    // Reported is the first failure.
  }
}

export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

/** The world's failure as `STORAGE_FAILED` naming the file; errors that already say what happened pass through. */
export function storageFailed(what: string, file: string, cause: unknown): TidemarkError {
  if (isTidemarkError(cause)) return cause
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new TidemarkError('STORAGE_FAILED', `${what} failed: ${reason}`, {
    action: storageAdvice(errorCode(cause)),
    context: { file },
    cause,
  })
}

function storageAdvice(code: string | undefined): string {
  if (code === 'ENOSPC' || code === 'EDQUOT') return 'Free space on the disk of the checkpoint directory.'
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') return 'Make the checkpoint directory writable.'
  return 'Check the disk of the checkpoint directory (--checkpoint-dir).'
}
