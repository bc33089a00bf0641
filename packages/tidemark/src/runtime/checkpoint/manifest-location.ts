import { posix } from 'node:path'
import type { CheckpointFile, Manifest, StateHandle } from '../../core/manifest.ts'
import { checkpointDirectory } from './checkpoint-paths.ts'

/**
 * The same manifest, with its files named so that storage at `root` finds them. A manifest names files relative to the checkpoint directory of the job
 * that wrote it; where that is another one, or the checkpoint's directory was moved or renamed, they become absolute. Files of the checkpoint lie beside
 * its manifest, shared ones relative to two directories above.
 */
export function relocateManifest(manifest: Manifest, directory: string, root: string): Manifest {
  const own = `${checkpointDirectory(manifest.run, manifest.checkpoint)}/`
  if (directory === `${root}/${own.slice(0, -1)}`) return manifest
  const origin = posix.dirname(posix.dirname(directory))
  const locate = (file: string): string =>
    file.startsWith(own) ? `${directory}/${file.slice(own.length)}` : `${origin}/${file}`
  const file = (file: CheckpointFile): CheckpointFile => ({ ...file, path: locate(file.path) })
  const handle = (handle: StateHandle): StateHandle =>
    handle.kind === 'inline' ? handle : { ...handle, file: locate(handle.file) }
  return {
    ...manifest,
    files: manifest.files.map(file),
    enumerators: manifest.enumerators.map((item) => ({ ...item, handle: handle(item.handle) })),
    vertices: manifest.vertices.map((vertex) => ({
      ...vertex,
      tasks: vertex.tasks.map((task) => ({
        ...task,
        files: task.files.map(file),
        operators: task.operators.map((operator) => ({
          ...operator,
          keyed: operator.keyed === null ? null : { ...operator.keyed, handle: handle(operator.keyed.handle) },
          lists: operator.lists.map((list) => ({ ...list, handle: handle(list.handle) })),
        })),
      })),
    })),
  }
}
