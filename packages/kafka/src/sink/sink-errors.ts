import { type SinkIdentity, TidemarkError } from 'tidemark/connector'
import type { KafkaError } from '../client/contract.ts'

export function isKafkaError(error: unknown): error is KafkaError {
  return error instanceof Error && error.name === 'KafkaError'
}

export function codeOf(error: unknown): string {
  return isKafkaError(error) ? error.code : ''
}

export function isRetriable(error: unknown): boolean {
  return isKafkaError(error) && error.isRetriable
}

export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** Answers that mean: the transaction with this producer and epoch cannot go on, somebody has ended it. */
const ENDED_CODES = new Set([
  'PRODUCER_FENCED',
  'INVALID_PRODUCER_EPOCH',
  'INVALID_TXN_STATE',
  'INVALID_PRODUCER_ID_MAPPING',
  'TRANSACTIONAL_ID_NOT_FOUND',
])

export function isEndedTransaction(error: unknown): boolean {
  return ENDED_CODES.has(codeOf(error))
}

/** A sink cannot go on writing. `what` follows its name: `could not write to orders[3]`. */
export function writeFailed(
  { job, operator }: Pick<SinkIdentity, 'job' | 'operator'>,
  what: string,
  cause: unknown,
): TidemarkError {
  return new TidemarkError('SINK_FAILED', `sink ${operator} ${what}: ${reasonOf(cause)}`, {
    action: actionFor(cause),
    context: { job, operator },
    cause,
  })
}

function actionFor(error: unknown): string {
  const code = codeOf(error)
  if (isEndedTransaction(error)) {
    return 'The broker has ended the transaction: it was open for longer than transactionTimeout (give a longer one, or a shorter checkpoint interval), or something else uses the same transactionalIdPrefix. Nothing is lost: the job goes on from its newest checkpoint.'
  }
  if (code === 'OUT_OF_ORDER_SEQUENCE_NUMBER' || code === 'UNKNOWN_PRODUCER_ID') {
    return 'The partition has lost records that it had acknowledged (unclean leader election, deleted records?). The job writes again what came after its newest checkpoint; look for what is missing before that.'
  }
  if (code === 'AUTHENTICATION') return 'Check sasl: mechanism, user name and password have to be those of the brokers.'
  if (code === 'TLS')
    return 'Check tls: the authority (ca), the certificate, and the name in the certificate of the brokers.'
  if (code === 'TRANSACTIONAL_ID_AUTHORIZATION_FAILED') {
    return 'Give this user the rights Write and Describe on transactional ids that begin with transactionalIdPrefix.'
  }
  if (code === 'CLUSTER_AUTHORIZATION_FAILED') return 'Give this user the right IdempotentWrite on the cluster.'
  if (code.endsWith('AUTHORIZATION_FAILED')) return 'Give this user the rights Describe and Write on the topics.'
  if (code === 'INVALID_TRANSACTION_TIMEOUT') {
    return 'Give a shorter transactionTimeout, or raise transaction.max.timeout.ms of the brokers.'
  }
  return 'Check that the brokers run and can be reached from here, also at the addresses that they advertise, and that the topics exist and have leaders.'
}
