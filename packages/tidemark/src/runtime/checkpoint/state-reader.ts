import { crc32c } from '../../core/crc32c.ts'
import { assert, TidemarkError } from '../../core/errors.ts'
import type { FileSystem } from '../../core/file-system.ts'
import type { CheckpointFile, StateHandle } from '../../core/manifest.ts'
import { errorCode, storageFailed } from '../storage/durable-files.ts'
import { checksumText, corrupt } from '../storage/framed-json.ts'

/** Summed in about a millisecond. */
const PIECE_BYTES = 1 << 20

/** What is expected of some bytes of a file. */
interface Expected {
  readonly offset: number
  readonly length: number
  readonly crc32c: number
}

/** The bytes of a handle, verified. `resolve` turns a handle's file into an absolute path. */
export async function readHandle(
  files: FileSystem,
  handle: StateHandle,
  resolve: (file: string) => string,
): Promise<Uint8Array> {
  if (handle.kind === 'inline') {
    return verified(decodeInline(handle.base64), { ...handle, offset: 0 }, 'state inside the manifest')
  }
  return readVerified(files, resolve(handle.file), handle)
}

/** A part of a handle with a checksum of its own, verified. */
export async function readHandleRange(
  files: FileSystem,
  handle: StateHandle,
  part: Expected,
  resolve: (file: string) => string,
): Promise<Uint8Array> {
  assert(part.offset >= 0 && part.offset + part.length <= handle.length, 'the range lies inside the handle')
  if (handle.kind === 'inline') {
    const bytes = decodeInline(handle.base64).subarray(part.offset, part.offset + part.length)
    return verified(bytes, part, 'state inside the manifest')
  }
  return readVerified(files, resolve(handle.file), { ...part, offset: handle.offset + part.offset })
}

export async function verifyLength(files: FileSystem, path: string, expected: CheckpointFile): Promise<void> {
  const found = await attempt(path, () => files.stat(path))
  if (found === null || found.kind !== 'file') throw missing(path)
  if (found.size !== expected.length) {
    throw corrupt(path, `expected a length of ${expected.length} bytes, found ${found.size}`)
  }
}

/** The checksum of a whole file, read in pieces: one is summed while the next one is being read. */
export async function verifyContent(files: FileSystem, path: string, expected: CheckpointFile): Promise<void> {
  let checksum = 0
  let next = readPiece(files, path, 0, expected.length)
  for (let offset = 0; offset < expected.length; offset += PIECE_BYTES) {
    const bytes = await next
    next = readPiece(files, path, offset + PIECE_BYTES, expected.length)
    // When this piece is not right, nobody waits for that one.
    next.catch(() => undefined)
    const length = Math.min(PIECE_BYTES, expected.length - offset)
    if (bytes.length !== length) throw corrupt(path, `expected ${length} bytes at ${offset}, found ${bytes.length}`)
    checksum = crc32c(bytes, checksum)
  }
  if (checksum !== expected.crc32c) throw corrupt(path, checksumText(expected.crc32c, checksum))
}

async function readPiece(files: FileSystem, path: string, offset: number, end: number): Promise<Uint8Array> {
  if (offset >= end) return new Uint8Array()
  return attempt(path, () => files.read(path, offset, Math.min(PIECE_BYTES, end - offset)))
}

async function readVerified(files: FileSystem, path: string, expected: Expected): Promise<Uint8Array> {
  return verified(await attempt(path, () => files.read(path, expected.offset, expected.length)), expected, path)
}

function verified(bytes: Uint8Array, expected: Expected, file: string): Uint8Array {
  if (bytes.length !== expected.length) {
    throw corrupt(file, `expected ${expected.length} bytes at ${expected.offset}, found ${bytes.length}`)
  }
  const checksum = crc32c(bytes)
  if (checksum === expected.crc32c) return bytes
  throw corrupt(file, `${checksumText(expected.crc32c, checksum)} in ${bytes.length} bytes at ${expected.offset}`)
}

function decodeInline(base64: string): Uint8Array {
  return Uint8Array.from(Buffer.from(base64, 'base64'))
}

async function attempt<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') throw missing(path)
    throw storageFailed(`Reading ${path}`, path, error)
  }
}

function missing(path: string): TidemarkError {
  return new TidemarkError('CHECKPOINT_CORRUPT', `${path} is missing`, {
    action: 'Restore the file from a copy, or choose another checkpoint with --from.',
    context: { file: path },
  })
}
