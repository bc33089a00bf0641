import { type CommitterContext, type StartKind, TidemarkError } from 'tidemark/connector'
import type { KafkaClient } from '../client/contract.ts'
import { listOwn, OPEN_STATES } from './abort-open.ts'
import type { SinkSettings } from './sink-settings.ts'
import { parseTransactionName } from './transaction-name.ts'

const MAX_TIMEOUT = 'transaction.max.timeout.ms'

/** Refuses what the brokers would refuse later; warns of a timeout that may end transactions that are still needed. */
export async function checkBroker(
  client: KafkaClient,
  context: CommitterContext,
  { transactionTimeoutMs }: SinkSettings,
  topic: string | null,
  brokers: string,
): Promise<void> {
  const { job, operator, checkpointIntervalMs, checkpointTimeoutMs } = context
  const [found, configured] = await Promise.all([
    topic === null ? null : client.topics([topic]),
    client.brokerConfig(MAX_TIMEOUT),
  ])
  if (found?.length === 0) {
    throw new TidemarkError(
      'INVALID_OPTION',
      `topic ${topic} of sink ${operator} does not exist (brokers ${brokers})`,
      {
        action:
          'Create the topic: a sink creates none, since it does not know how many partitions and replicas it shall have.',
        context: { job, operator },
      },
    )
  }
  const most = Number(configured ?? Number.NaN)
  if (transactionTimeoutMs > most) {
    throw new TidemarkError(
      'INVALID_OPTION',
      `transactionTimeout of sink ${operator} is ${transactionTimeoutMs} ms, but the brokers allow ${most} ms (${MAX_TIMEOUT})`,
      {
        action: `Give transactionTimeout: ${most} or less, or raise ${MAX_TIMEOUT} of the brokers. A transaction has to live until its checkpoint is complete, and for as long as the job may be down after that.`,
        context: { job, operator },
      },
    )
  }
  const needed = (checkpointIntervalMs ?? 0) + checkpointTimeoutMs
  if (transactionTimeoutMs >= needed) return
  context.warn(
    `sink ${operator}: transactionTimeout is ${transactionTimeoutMs} ms, less than checkpointInterval and checkpointTimeout together (${needed} ms): brokers may abort a transaction before its checkpoint is complete, or before it is committed`,
  )
}

/**
 * Nothing is restored, but transactions of this sink are there that a checkpoint may hold: then that checkpoint was lost, or is looked for in the wrong place. Open ones are none where
 * the job's record is there: it is known that nothing was completed since they were opened. Committed ones of a run that is said to have no checkpoint always are.
 */
export async function checkTraces(
  client: KafkaClient,
  { job, operator, run }: CommitterContext,
  prefix: string,
  start: StartKind,
): Promise<void> {
  if (start.kind !== 'fresh' || start.isForced) return
  const traces = (await listOwn(client, prefix, [...OPEN_STATES, 'CompleteCommit'])).filter(
    ({ transactionalId, state }) => {
      const named = parseTransactionName(transactionalId)!.run
      if (state === 'PrepareCommit') return true
      if (state === 'CompleteCommit') return named === run || named === start.unfinished
      return named !== run && start.unfinished === undefined
    },
  )
  const [first] = traces
  if (first === undefined) return
  const { run: other, epoch } = parseTransactionName(first.transactionalId)!
  throw new TidemarkError(
    'OUTPUT_WITHOUT_CHECKPOINT',
    `sink ${operator} has left ${traces.length} transactions of run ${other} (epoch ${epoch}) of this job, such as ${first.transactionalId} (${first.state}), but no checkpoint of it was found`,
    {
      action: `Check that checkpointDir is the one that run used, and that no other job has transactionalIdPrefix ${JSON.stringify(prefix)}. To start again from the beginning give --fresh: what is open is aborted, what is committed stays and is written a second time.`,
      context: { job, operator },
    },
  )
}
