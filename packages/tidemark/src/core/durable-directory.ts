import type { FileSystem } from './file-system.ts'

/**
 * Creates the directory and its parents so that they are durable. What exists already may not be: whoever made it may have died before it was synced. So every directory above is synced,
 * but those that are closed to this process, which it cannot have made.
 */
export async function makeDurableDirectory(files: FileSystem, path: string): Promise<void> {
  await files.makeDirectory(path)
  const above: string[] = []
  for (let at = path; at !== '' && at !== '/' && at !== '.'; at = parentOf(at)) above.push(parentOf(at) || '.')
  // At the same time: most of them have nothing to write, and a disk is waited for once.
  await Promise.all(above.map((directory) => syncIfOpen(files, directory)))
}

async function syncIfOpen(files: FileSystem, directory: string): Promise<void> {
  try {
    await files.syncDirectory(directory)
  } catch (error) {
    const code = (error as { code?: unknown }).code
    if (code !== 'EACCES' && code !== 'EPERM') throw error
  }
}

function parentOf(path: string): string {
  const slash = path.lastIndexOf('/')
  return slash === 0 ? '/' : path.slice(0, Math.max(0, slash))
}
