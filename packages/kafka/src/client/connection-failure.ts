import type { KafkaError } from './contract.ts'
import { isKafkaError, kafkaError } from './kafka-error.ts'

/** What Node calls certificates that are not accepted; OpenSSL's own errors begin with ERR_SSL and ERR_OSSL. */
const CERTIFICATE_CODES =
  /^(ERR_TLS_|ERR_SSL_|ERR_OSSL_|EPROTO$|CERT_|DEPTH_ZERO_SELF_SIGNED_CERT$|SELF_SIGNED_CERT_IN_CHAIN$|UNABLE_TO_|HOSTNAME_MISMATCH$|INVALID_CA$|INVALID_PURPOSE$)/
const AUTHENTICATION_CODE = 'PLT_KFK_AUTHENTICATION'

/**
 * What the client library and Node say of a connection that failed, as one error of ours. Only texts are taken over, never objects (they hold requests), and never the password.
 */
export function connectionFailure(error: unknown, where: string, password: string | null): KafkaError {
  if (isKafkaError(error)) return error
  const chain = causes(error)
  const text = withoutPassword(reasonOf(chain), password)
  if (chain.some(({ code }) => code === AUTHENTICATION_CODE)) {
    return kafkaError('AUTHENTICATION', `${where} refused the login: ${text}. Check mechanism, username and password`)
  }
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
  if (chain.some(({ message }) => message.includes('timed out'))) return kafkaError('TIMEOUT', `${where}: ${text}`)
  return kafkaError('NETWORK', `${where}: ${text}`)
}

interface Cause {
  readonly code: string
  readonly message: string
}

/** The error, what caused it, and what a broker said, outermost first. */
function causes(error: unknown, depth = 0): readonly Cause[] {
  if (!(error instanceof Error) || depth > 8) return []
  const { code, serverErrorMessage } = error as { code?: unknown; serverErrorMessage?: unknown }
  const own = { code: typeof code === 'string' ? code : '', message: error.message }
  const said = typeof serverErrorMessage === 'string' ? [{ code: '', message: serverErrorMessage }] : []
  const inner = error instanceof AggregateError ? error.errors.flatMap((each) => causes(each, depth + 1)) : []
  return [own, ...said, ...inner, ...causes(error.cause, depth + 1)]
}

/** The innermost text that says something. */
function reasonOf(chain: readonly Cause[]): string {
  const last = chain.findLast(({ message }) => message !== '')
  return last === undefined ? 'it failed without a reason' : last.message.replace(/\.$/, '')
}

function withoutPassword(text: string, password: string | null): string {
  return password === null || password === '' ? text : text.replaceAll(password, '***')
}
