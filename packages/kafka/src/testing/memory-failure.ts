import type { KafkaError } from '../client/contract.ts'

/** Errors that the in-memory cluster answers with, and whether Kafka calls them retriable. */
const IS_RETRIABLE = {
  OFFSET_OUT_OF_RANGE: false,
  CORRUPT_MESSAGE: true,
  UNKNOWN_TOPIC_OR_PARTITION: true,
  LEADER_NOT_AVAILABLE: true,
  NOT_LEADER_OR_FOLLOWER: true,
  REQUEST_TIMED_OUT: true,
  COORDINATOR_LOAD_IN_PROGRESS: true,
  COORDINATOR_NOT_AVAILABLE: true,
  NOT_COORDINATOR: true,
  NOT_ENOUGH_REPLICAS: true,
  MESSAGE_TOO_LARGE: false,
  TOPIC_AUTHORIZATION_FAILED: false,
  GROUP_AUTHORIZATION_FAILED: false,
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: false,
  UNKNOWN_MEMBER_ID: false,
  TOPIC_ALREADY_EXISTS: false,
  OUT_OF_ORDER_SEQUENCE_NUMBER: false,
  DUPLICATE_SEQUENCE_NUMBER: false,
  INVALID_PRODUCER_EPOCH: false,
  INVALID_TXN_STATE: false,
  INVALID_PRODUCER_ID_MAPPING: false,
  INVALID_TRANSACTION_TIMEOUT: false,
  CONCURRENT_TRANSACTIONS: true,
  KAFKA_STORAGE_ERROR: true,
  FENCED_LEADER_EPOCH: true,
  UNKNOWN_LEADER_EPOCH: true,
  PRODUCER_FENCED: false,
  UNKNOWN_TOPIC_ID: true,
  INCONSISTENT_TOPIC_ID: true,
  AUTHENTICATION: false,
  TLS: false,
  NETWORK: true,
  TIMEOUT: true,
} as const

export type FailureCode = keyof typeof IS_RETRIABLE

class MemoryKafkaError extends Error implements KafkaError {
  override readonly name = 'KafkaError'
  readonly code: FailureCode
  readonly isRetriable: boolean

  constructor(code: FailureCode, message: string) {
    super(`${code}: ${message}`)
    this.code = code
    this.isRetriable = IS_RETRIABLE[code]
  }
}

export function memoryFailure(code: FailureCode, message: string): KafkaError {
  return new MemoryKafkaError(code, message)
}
