import type { Clock } from 'tidemark/connector'
import { assert } from 'tidemark/connector'
import type { KafkaClient, ListedTransaction, TransactionState } from '../client/contract.ts'
import { kafkaError } from '../client/kafka-error.ts'
import { retrying } from '../source/retrying.ts'
import { codeOf } from './sink-errors.ts'
import { parseTransactionName } from './transaction-name.ts'

/** States in which a transaction keeps readers waiting. */
export const OPEN_STATES: readonly TransactionState[] = [
  'Ongoing',
  'PrepareCommit',
  'PrepareAbort',
  'PrepareEpochFence',
]

export interface AbortOptions {
  readonly client: KafkaClient
  readonly clock: Clock
  readonly prefix: string
  readonly transactionTimeoutMs: number
  readonly patienceMs: number
}

/** Transactions in these states whose ids begin with exactly this prefix: those of a longer one are another sink's. */
export async function listOwn(
  client: KafkaClient,
  prefix: string,
  states: readonly TransactionState[],
): Promise<readonly ListedTransaction[]> {
  const listed = await client.listTransactions(`${prefix}~`, states)
  return listed.filter(({ transactionalId }) => parseTransactionName(transactionalId)?.prefix === prefix)
}

/**
 * Aborts every open transaction of a sink, by whichever subtask, attempt, process or run, and waits until no reader waits for one of them any more. By initializing its id: that also
 * shuts out a producer that still thinks it has it.
 */
export async function abortOpen({
  client,
  clock,
  prefix,
  transactionTimeoutMs,
  patienceMs,
}: AbortOptions): Promise<void> {
  await retrying(
    clock,
    patienceMs,
    () => true,
    async () => {
      const open = await listOwn(client, prefix, OPEN_STATES)
      if (open.length === 0) return
      await Promise.all(
        open
          .filter(({ state }) => state === 'Ongoing')
          .map(({ transactionalId }) => fence(client, transactionalId, transactionTimeoutMs)),
      )
      const names = open.slice(0, 3).map(({ transactionalId }) => transactionalId)
      throw kafkaError(
        'CONCURRENT_TRANSACTIONS',
        `${open.length} transactions are still being ended (${names.join(', ')})`,
      )
    },
  )
}

async function fence(client: KafkaClient, transactionalId: string, transactionTimeoutMs: number): Promise<void> {
  assert(parseTransactionName(transactionalId) !== null, 'only transactions of this package are aborted')
  try {
    await client.initializeProducer(transactionalId, transactionTimeoutMs)
  } catch (error) {
    // The abort has begun: that is how the coordinator says so.
    if (codeOf(error) !== 'CONCURRENT_TRANSACTIONS') throw error
  }
}
