import type { MemoryFileSystem } from '../simulator/memory-file-system.ts'

/** The lines that a reader of a file sink's directory sees: those of committed files, in the order of their names. */
export function committedLines(disk: MemoryFileSystem, directory: string): readonly string[] {
  const lines: string[] = []
  for (const name of disk.names(directory) ?? []) {
    if (name.startsWith('.')) continue
    const text = disk.text(`${directory}/${name}`)
    if (text !== null) lines.push(...text.split('\n').slice(0, -1))
  }
  return lines
}

/**
 * Checks that nothing but results (and who owns them) is in a file sink's directory: nothing pending, nothing temporary.
 *
 * @returns what is wrong, for people; null when nothing is.
 */
export function outputResidueProblem(disk: MemoryFileSystem, directory: string): string | null {
  const residue = disk
    .allPaths(directory)
    .map((path) => path.slice(directory.length + 1))
    .filter((name) => !/^(\.tidemark-output\.json|part-[\w.-]+)?$/.test(name))
  return residue.length === 0 ? null : `left behind in ${directory}: ${residue.join(', ')}`
}
