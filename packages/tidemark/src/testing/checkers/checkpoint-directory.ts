import { epoch, runId } from '../../core/ids.ts'
import type { FileSystem } from '../../core/file-system.ts'
import type { CompletedCheckpoint } from '../../runtime/checkpoint/contract.ts'
import { FileCheckpointStorage } from '../../runtime/checkpoint/file-checkpoint-storage.ts'

/**
 * Reads every checkpoint that exists in a job's checkpoint directory and verifies every file of it: a checkpoint is complete, or it does not
 * exist. Throws the error that names the damaged file. Changes nothing (but syncs directories); no job may be running.
 *
 * @returns the checkpoints of each run, oldest first.
 */
export async function verifyCheckpointDirectory(
  files: FileSystem,
  directory: string,
): Promise<ReadonlyMap<string, readonly CompletedCheckpoint[]>> {
  const found = new Map<string, readonly CompletedCheckpoint[]>()
  for (const name of (await files.list(directory)) ?? []) {
    if (!name.startsWith('run-')) continue
    const run = runId(name.slice('run-'.length))
    const storage = new FileCheckpointStorage({ files, directory, run, epoch: epoch(0) })
    const checkpoints = await storage.list()
    for (const checkpoint of checkpoints) {
      await storage.verify(checkpoint)
      for (const { tasks } of checkpoint.manifest.vertices) {
        for (const { operators } of tasks) {
          for (const { keyed, lists } of operators) {
            if (keyed !== null) await storage.read(keyed.handle)
            for (const { handle } of lists) await storage.read(handle)
          }
        }
      }
      for (const { handle } of checkpoint.manifest.enumerators) await storage.read(handle)
    }
    found.set(run, checkpoints)
  }
  return found
}
