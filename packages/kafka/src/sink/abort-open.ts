import { assert, type Clock, type SinkIdentity, TidemarkError } from 'tidemark/connector'
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
  /** Whose sink it is: this process. */
  readonly identity: Pick<SinkIdentity, 'operator' | 'run' | 'epoch'>
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
 * shuts out a producer that still thinks it has it. `FENCED` when one of them is of a process that came after this one.
 */
export async function abortOpen({
  client,
  clock,
  prefix,
  identity,
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
      refuseSuccessor(open, identity)
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

/** Whoever looks for what is left over, and finds what a later process has begun, was replaced without knowing it: to abort that would lose what it is about to commit. */
function refuseSuccessor(open: readonly ListedTransaction[], { operator, run, epoch }: AbortOptions['identity']): void {
  for (const { transactionalId } of open) {
    const name = parseTransactionName(transactionalId)
    if (name === null || name.run !== run || name.epoch <= epoch) continue
    throw new TidemarkError(
      'FENCED',
      `sink ${operator}: this process runs the job as epoch ${epoch}, but ${transactionalId} was begun by epoch ${name.epoch}`,
      {
        action:
          'Stop this process: the job was started again elsewhere. If it was not (an old copy of the checkpoint directory?), end what is open with tidemark kafka transactions abort.',
        context: { operator },
      },
    )
  }
}

/** Whoever had the id is shut out, and what it has open begins to be aborted. */
export async function fence(client: KafkaClient, transactionalId: string, transactionTimeoutMs: number): Promise<void> {
  assert(parseTransactionName(transactionalId) !== null, 'only transactions of this package are aborted')
  try {
    await client.initializeProducer(transactionalId, transactionTimeoutMs)
  } catch (error) {
    // The abort has begun: that is how the coordinator says so.
    if (codeOf(error) !== 'CONCURRENT_TRANSACTIONS') throw error
  }
}
