import type { SeededRandom } from '../../packages/tidemark/src/testing/simulator/seeded-random.ts'
import type { KillMoment, KillOrder } from './kill-order.ts'

const STATE_FILE = String.raw`/chk-\d+/(?!manifest)[^/]+$`
const PARTIAL_MANIFEST = String.raw`/manifest\.[^/]+\.partial$`
const MANIFEST = '/manifest$'
const CHECKPOINT_DIRECTORY = String.raw`/chk-\d+$`
const PENDING_FILE = String.raw`/\.pending/[^/]+$`
const PENDING_DIRECTORY = String.raw`/\.pending$`
const OUTPUT_FILE = String.raw`/out/part-[^/]+$`
const OUTPUT_DIRECTORY = '/out$'
const JOB_RECORD = String.raw`/job\.json$`

/** Every step from a barrier to a confirmed commit at which a process may die. */
export function forcedKills(parallelism: number): readonly KillOrder[] {
  const betweenLinks = order('commit: between the links of two committables', file('before', 'link', OUTPUT_FILE), 2)
  return [
    order('synchronous part: a source has handed out its positions', { kind: 'snapshot', part: 'source' }),
    order('synchronous part: before the sink closes its transaction', { kind: 'snapshot', part: 'sink-before' }),
    order('synchronous part: after the sink has closed its transaction', { kind: 'snapshot', part: 'sink-after' }),
    order('pre-commit: before the sync of the output', file('before', 'sync', PENDING_FILE)),
    order('pre-commit: before the sync of the names', file('before', 'syncDirectory', PENDING_DIRECTORY)),
    order('pre-commit: after the sync of the names', file('after', 'syncDirectory', PENDING_DIRECTORY)),
    order('upload: a state file has its name', file('after', 'create', STATE_FILE)),
    order('upload: a state file is written, not synced', file('before', 'sync', STATE_FILE)),
    order('upload: a state file is synced', file('after', 'sync', STATE_FILE)),
    withOutput('manifest: named, without content', file('after', 'create', PARTIAL_MANIFEST)),
    withOutput('manifest: written, not synced', file('before', 'sync', PARTIAL_MANIFEST)),
    withOutput('manifest: synced, not renamed', file('before', 'rename', MANIFEST)),
    withOutput('manifest: renamed, its directory not synced', file('after', 'rename', MANIFEST)),
    withOutput('commit: the manifest is durable, nothing committed', { kind: 'completed' }),
    order('commit: before the first link', file('before', 'link', OUTPUT_FILE)),
    ...(parallelism > 1 ? [betweenLinks] : []),
    order('commit: linked, the directory not synced', file('before', 'syncDirectory', OUTPUT_DIRECTORY)),
    order('commit: linked and synced, still pending too', file('before', 'remove', PENDING_FILE)),
    order('commit: no longer pending', file('after', 'remove', PENDING_FILE)),
    order('retirement: before the manifest of an old checkpoint goes', file('before', 'remove', MANIFEST)),
    order('retirement: an old checkpoint has lost its manifest', file('after', 'remove', MANIFEST)),
    order('retirement: before the files of an old checkpoint go', file('before', 'removeTree', CHECKPOINT_DIRECTORY)),
  ]
}

/** Any operation on any file, and in the midst of processing. */
export function randomKills(random: SeededRandom, count: number): readonly KillOrder[] {
  return Array.from({ length: count }, (_, index) => {
    const isWrite = index % 3 === 2
    const at: KillMoment = isWrite ? { kind: 'write' } : file(random.next() < 0.5 ? 'before' : 'after', 'any', '')
    const occurrence = 1 + Math.floor(random.next() * (isWrite ? 6 : 80))
    return order(`random moment ${index + 1}: ${JSON.stringify(at)}, number ${occurrence}`, at, occurrence)
  })
}

/** A kill that leaves something behind, and then one while the next process is putting it in order. */
export function recoveryKills(): readonly { readonly before: KillOrder; readonly during: KillOrder }[] {
  const uncommitted = withOutput('nothing committed', { kind: 'completed' })
  const halfUploaded = order('a state file without a manifest', file('after', 'sync', STATE_FILE))
  const precommitted = withOutput('pre-committed, no manifest', file('before', 'rename', MANIFEST))
  const recovery = (name: string, at: KillMoment) => order(`recovery: ${name}`, at)
  return [
    { before: uncommitted, during: recovery('a new epoch, not renamed', file('before', 'rename', JOB_RECORD)) },
    { before: uncommitted, during: recovery('a new epoch', file('after', 'rename', JOB_RECORD)) },
    { before: uncommitted, during: recovery('before the commit is repeated', file('before', 'link', OUTPUT_FILE)) },
    { before: uncommitted, during: recovery('repeated, not synced', file('after', 'link', OUTPUT_FILE)) },
    { before: precommitted, during: recovery('output is being aborted', file('before', 'remove', PENDING_FILE)) },
    { before: halfUploaded, during: recovery('before the sweep', file('before', 'removeTree', CHECKPOINT_DIRECTORY)) },
  ]
}

function file(when: 'before' | 'after', operation: Extract<KillMoment, { kind: 'file' }>['operation'], path: string) {
  return { kind: 'file', operation, path, when } as const
}

function order(name: string, at: KillMoment, occurrence = 1): KillOrder {
  return { name, at, occurrence, needsOutput: false }
}

function withOutput(name: string, at: KillMoment): KillOrder {
  return { ...order(name, at), needsOutput: true }
}
