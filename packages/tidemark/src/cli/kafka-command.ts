import { createRequire } from 'node:module'
import { posix } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Clock } from '../core/clock.ts'
import { TidemarkError } from '../core/errors.ts'
import type { FileSystem } from '../core/file-system.ts'
import type { Committable } from '../core/sink.ts'
import { isRunDirectory, MANIFEST_NAME, parseCheckpointDirectory } from '../runtime/checkpoint/checkpoint-paths.ts'
import { decodeManifest } from '../runtime/checkpoint/manifest-codec.ts'
import { absolutePath, readWholeFile } from '../runtime/storage/durable-files.ts'
import type { Host } from './host.ts'

interface HeldCommittable {
  readonly checkpoint: number
  readonly committable: Committable
}

/** What `@tidemark/kafka/tools` exports, as far as it is used here. */
export interface KafkaTools {
  readonly runKafkaTool: (host: {
    readonly argv: readonly string[]
    readonly environment: Host['environment']
    readonly clock: Clock
    readonly write: (text: string) => void
    readonly writeError: (text: string) => void
    readonly readHeld: (directory: string) => Promise<readonly HeldCommittable[] | null>
  }) => Promise<number>
}

/** `tidemark kafka …`: done by the connector, which the project of the user has installed. */
export async function kafkaCommand(
  argv: readonly string[],
  host: Host,
  clock: Clock,
  files: FileSystem,
  load: (directory: string) => Promise<KafkaTools> = loadTools,
): Promise<number> {
  const { runKafkaTool } = await load(host.directory)
  return runKafkaTool({
    argv,
    environment: host.environment,
    clock,
    write: (text) => host.stdout.write(text),
    writeError: (text) => host.stderr.write(text),
    readHeld: (directory) => readHeld(files, absolutePath(posix.resolve(host.directory, directory))),
  })
}

async function loadTools(directory: string): Promise<KafkaTools> {
  let file: string
  try {
    file = createRequire(`${directory}/package.json`).resolve('@tidemark/kafka/tools')
  } catch (cause) {
    throw new TidemarkError('INVALID_OPTION', `@tidemark/kafka is not installed in ${directory}`, {
      action: 'Call this in the project of the job, or install it: npm install @tidemark/kafka.',
      cause,
    })
  }
  return (await import(pathToFileURL(file).href)) as KafkaTools
}

/** The transactions in all checkpoints of a job's directory; null where it has no checkpoints. One that cannot be read is an error: it may hold some. */
async function readHeld(files: FileSystem, directory: string): Promise<readonly HeldCommittable[] | null> {
  const held: HeldCommittable[] = []
  let count = 0
  for (const run of ((await files.list(directory)) ?? []).filter(isRunDirectory)) {
    for (const name of (await files.list(`${directory}/${run}`)) ?? []) {
      const file = `${directory}/${run}/${name}/${MANIFEST_NAME}`
      const bytes = parseCheckpointDirectory(name) === null ? null : await readWholeFile(files, file)
      if (bytes === null) continue
      count++
      const { checkpoint, committables } = decodeManifest(bytes, file)
      held.push(...committables.map(({ committable }) => ({ checkpoint, committable })))
    }
  }
  return count === 0 ? null : held
}
