import type { KafkaError } from './contract.ts'
import { PROTOCOL_ERRORS } from './protocol/errors.ts'

/** Codes that no broker sends, and whether the same request may succeed later. */
const OWN_CODES: ReadonlyMap<string, boolean> = new Map([
  ['NETWORK', true],
  ['TIMEOUT', true],
  ['AUTHENTICATION', false],
  ['TLS', false],
  ['CLOSED', false],
])

const BY_CODE = new Map(PROTOCOL_ERRORS.map((error) => [error.code, error]))
const BY_NUMBER = new Map(PROTOCOL_ERRORS.map((error) => [error.number, error]))

class KafkaFailure extends Error implements KafkaError {
  override readonly name = 'KafkaError'
  readonly code: string
  readonly isRetriable: boolean

  constructor(code: string, message: string, isRetriable: boolean) {
    super(`${code}: ${message}`)
    this.code = code
    this.isRetriable = isRetriable
  }
}

/** An error by Kafka's name or one of ours. The message says what failed and where; never hand in what may hold a password. */
export function kafkaError(code: string, message: string): KafkaError {
  return new KafkaFailure(code, message, OWN_CODES.get(code) ?? BY_CODE.get(code)?.isRetriable ?? false)
}

/** The error that a broker answered with a number; null for 0. */
export function brokerError(number: number, message: string): KafkaError | null {
  if (number === 0) return null
  const known = BY_NUMBER.get(number)
  if (known === undefined) return new KafkaFailure(`UNKNOWN_ERROR_${number}`, message, false)
  return new KafkaFailure(known.code, `${message}: ${known.message}`, known.isRetriable)
}

export function isKafkaError(error: unknown): error is KafkaError {
  return error instanceof Error && error.name === 'KafkaError'
}
