import { TidemarkError } from '../../core/errors.ts'
import type { FileSystem } from '../../core/file-system.ts'
import type { SinkIdentity, StartKind } from '../../core/sink.ts'
import { OWNER_FILE, type OutputDirectory } from './output-directory.ts'

/** Of an owner file being written: when the process dies before it is there, nothing else is pending. */
const OWNER_PREFIX = 'owner-'

/** Who writes to an output directory: the content of its owner file. */
export interface OutputOwner {
  readonly format: 'tidemark-output'
  readonly version: 1
  readonly job: string
  readonly operator: string
  readonly run: string
}

/** What was found in an output directory. */
export interface OutputFacts {
  readonly owner: OutputOwner | 'unreadable' | null
  /** Names of everything but hidden files: what a reader of the directory sees. */
  readonly results: readonly string[]
  readonly hasPendingDirectory: boolean
  readonly hasPendingFiles: boolean
}

export type ClaimDecision =
  | { readonly kind: 'claim' | 'keep' }
  | { readonly kind: 'refuse'; readonly error: TidemarkError }

/** Whether this run may write here. Pure. `claim`: the owner file has to be written; `keep`: it is this run's already. */
export function decideClaim(
  directory: string,
  facts: OutputFacts,
  identity: SinkIdentity,
  start: StartKind,
): ClaimDecision {
  const { owner, results } = facts
  const refuse = (problem: string): ClaimDecision => ({
    kind: 'refuse',
    error: outputExists(directory, problem, identity),
  })
  if (owner === 'unreadable') return refuse('holds an owner file that cannot be read')
  if (owner === null) {
    if (results.length > 0) return refuse(`is not empty (${listed(results)}) and was not written by this job`)
    return facts.hasPendingFiles ? refuse('holds pending files without an owner') : { kind: 'claim' }
  }
  if (owner.job !== identity.job || owner.operator !== identity.operator) {
    return refuse(`belongs to sink ${owner.operator} of job ${owner.job}`)
  }
  const isOwnRun = owner.run === identity.run
  if (start.kind === 'restored') {
    if (isOwnRun) return { kind: 'keep' }
    // What that run had not committed yet is in the restored checkpoint: the output goes on.
    if (owner.run === start.from) return { kind: 'claim' }
    return results.length > 0 ? refuse(`holds results of run ${owner.run} of this job`) : { kind: 'claim' }
  }
  if (results.length === 0) return { kind: isOwnRun ? 'keep' : 'claim' }
  // The pending directory goes when a run ends in order: here one did not, and its checkpoints were not found.
  if (!start.isForced && (isOwnRun || facts.hasPendingDirectory)) {
    return { kind: 'refuse', error: withoutCheckpoint(directory, owner, identity) }
  }
  return refuse(`holds results of ${isOwnRun ? 'this run' : `run ${owner.run} of this job`}`)
}

export async function readFacts(files: FileSystem, directory: OutputDirectory): Promise<OutputFacts> {
  const names = (await files.list(directory.path)) ?? []
  const pending = await files.list(directory.pending)
  return {
    owner: names.includes(OWNER_FILE) ? await readOwner(files, directory) : null,
    results: names.filter((name) => !name.startsWith('.')),
    hasPendingDirectory: pending !== null,
    hasPendingFiles: pending?.some((name) => !name.startsWith(OWNER_PREFIX)) ?? false,
  }
}

/** Writes the owner file so that it is there whole and durable, or not at all. */
export async function writeOwner(files: FileSystem, directory: OutputDirectory, identity: SinkIdentity): Promise<void> {
  const { job, operator, run, epoch } = identity
  const owner: OutputOwner = { format: 'tidemark-output', version: 1, job, operator, run }
  const temporary = `${directory.pending}/${OWNER_PREFIX}${epoch}.part`
  await files.remove(temporary)
  const file = await files.create(temporary)
  try {
    await file.write(Buffer.from(`${JSON.stringify(owner)}\n`))
    await file.sync()
  } finally {
    await file.close()
  }
  await files.rename(temporary, directory.owner)
  await files.syncDirectory(directory.path)
}

async function readOwner(files: FileSystem, directory: OutputDirectory): Promise<OutputOwner | 'unreadable'> {
  const bytes = await files.read(directory.owner, 0, 64 * 1024)
  try {
    const owner = JSON.parse(Buffer.from(bytes).toString('utf8')) as OutputOwner
    return owner.format === 'tidemark-output' && owner.version === 1 ? owner : 'unreadable'
  } catch {
    return 'unreadable'
  }
}

function outputExists(directory: string, problem: string, { job, operator }: SinkIdentity): TidemarkError {
  return new TidemarkError('OUTPUT_EXISTS', `the output directory ${directory} of sink ${operator} ${problem}`, {
    action: 'Choose another directory, or remove this one yourself if its content is no longer needed.',
    context: { job, operator, file: directory },
  })
}

function withoutCheckpoint(directory: string, owner: OutputOwner, { job, operator }: SinkIdentity): TidemarkError {
  return new TidemarkError(
    'OUTPUT_WITHOUT_CHECKPOINT',
    `the output directory ${directory} of sink ${operator} holds results of run ${owner.run} of this job, which did not finish, but no checkpoint of it was found`,
    {
      action:
        'Check that checkpointDir is the one that run used. To start again from the beginning choose another output directory, or remove this one yourself.',
      context: { job, operator, file: directory },
    },
  )
}

function listed(names: readonly string[]): string {
  return names.length > 3 ? `${names.slice(0, 3).join(', ')} and ${names.length - 3} more` : names.join(', ')
}
