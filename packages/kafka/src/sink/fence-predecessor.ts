import { retrying } from '../source/retrying.ts'
import type { KafkaClient, TransactionState } from '../client/contract.ts'
import { type AbortOptions, fence, listOwn } from './abort-open.ts'
import { parseTransactionName } from './transaction-name.ts'

/** States of ids that wait to be used (again). */
const IDLE_STATES: readonly TransactionState[] = ['Empty', 'CompleteCommit', 'CompleteAbort']
const CONCURRENT_FENCES = 32

/**
 * Shuts the process before this one out of its transactional ids, also out of those with nothing open: it may not be dead but paused, and would begin transactions that nobody ends, for which
 * readers would wait. `held`: ids of transactions that the restored checkpoint holds; initialized anew the coordinator could no longer tell what became of them, and nobody uses them before a later
 * checkpoint is complete.
 *
 * Ids of the newest earlier epoch suffice: before that process had one of its own it had shut out those before it.
 */
export async function fencePredecessor(options: AbortOptions, held: ReadonlySet<string>): Promise<void> {
  const { client, clock, patienceMs, transactionTimeoutMs } = options
  const patiently = <R>(ask: () => Promise<R>) => retrying(clock, patienceMs, () => true, ask)
  const ids = await patiently(() => idsOfPredecessor(client, options, held))
  for (let from = 0; from < ids.length; from += CONCURRENT_FENCES) {
    const some = ids.slice(from, from + CONCURRENT_FENCES)
    // Each is asked again alone: among many some fail, and all of them anew would hardly ever succeed together.
    await Promise.all(some.map((id) => patiently(() => fence(client, id, transactionTimeoutMs))))
  }
}

async function idsOfPredecessor(
  client: KafkaClient,
  { prefix, identity }: AbortOptions,
  held: ReadonlySet<string>,
): Promise<readonly string[]> {
  const named = (await listOwn(client, prefix, IDLE_STATES)).map(({ transactionalId }) => ({
    transactionalId,
    ...parseTransactionName(transactionalId)!,
  }))
  const ofRun = named.filter(({ run, epoch }) => run === identity.run && epoch < identity.epoch)
  // The first process of a run: whoever ran before belongs to another one.
  const earlier = ofRun.length > 0 ? ofRun : named.filter(({ run }) => run !== identity.run)
  const newest = earlier.reduce((most, { epoch }) => Math.max(most, epoch), 0)
  return earlier
    .filter(({ epoch, rewriteOf }) => (ofRun.length === 0 || epoch === newest) && rewriteOf === null)
    .filter(({ transactionalId }) => !held.has(transactionalId))
    .map(({ transactionalId }) => transactionalId)
}
