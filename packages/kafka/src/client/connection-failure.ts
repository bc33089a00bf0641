import type { KafkaError } from './contract.ts'
import { isKafkaError, kafkaError } from './kafka-error.ts'

/** What Node calls certificates that are not accepted; OpenSSL's own errors begin with ERR_SSL and ERR_OSSL. */
const CERTIFICATE_CODES =
  /^(ERR_TLS_|ERR_SSL_|ERR_OSSL_|EPROTO$|CERT_|DEPTH_ZERO_SELF_SIGNED_CERT$|SELF_SIGNED_CERT_IN_CHAIN$|UNABLE_TO_|HOSTNAME_MISMATCH$|INVALID_CA$|INVALID_PURPOSE$)/

/**
 * What Node says of a connection that failed, as one error of ours. Only texts are taken over, never objects.
 */
export function connectionFailure(error: unknown, where: string): KafkaError {
  if (isKafkaError(error)) return error
  const chain = causes(error)
  const text = reasonOf(chain)
  if (chain.some(({ message }) => message.includes('before secure TLS connection'))) {
    return kafkaError(
      'TLS',
      `${where} hung up when it was spoken to in TLS. Does this listener expect it (option tls)?`,
    )
  }
  if (chain.some(({ code }) => CERTIFICATE_CODES.test(code))) {
    return kafkaError(
      'TLS',
      `no TLS connection to ${where}: ${text}. Check tls, its authorities (ca) and the server's name`,
    )
  }
  return kafkaError('NETWORK', `${where}: ${text}`)
}

interface Cause {
  readonly code: string
  readonly message: string
}

/** The error and what caused it, outermost first. */
function causes(error: unknown, depth = 0): readonly Cause[] {
  if (!(error instanceof Error) || depth > 8) return []
  const { code } = error as { code?: unknown }
  const own = { code: typeof code === 'string' ? code : '', message: error.message }
  const inner = error instanceof AggregateError ? error.errors.flatMap((each) => causes(each, depth + 1)) : []
  return [own, ...inner, ...causes(error.cause, depth + 1)]
}

/** The innermost text that says something. */
function reasonOf(chain: readonly Cause[]): string {
  const last = chain.findLast(({ message }) => message !== '')
  return last === undefined ? 'it failed without a reason' : last.message.replace(/\.$/, '')
}
