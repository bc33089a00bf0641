import { randomBytes } from 'node:crypto'
import type { ClientSettings, KafkaError } from './contract.ts'
import { brokerError, isKafkaError, kafkaError } from './kafka-error.ts'
import type { Api } from './protocol/api.ts'
import { SASL_AUTHENTICATE, SASL_HANDSHAKE, type SaslAnswer } from './protocol/sasl-apis.ts'
import { ScramLogin } from './scram.ts'

const NONCE_BYTES = 24

/** Sends one request in the newest version that is known. */
export type Send = <Request, Response>(api: Api<Request, Response>, request: Request) => Promise<Response>

/** Logs in on a connection that has just been opened. Resolves with how long the login lasts, 0 for as long as the connection. Errors never hold the password. */
export async function logIn(
  { mechanism, username, password }: NonNullable<ClientSettings['sasl']>,
  address: string,
  send: Send,
): Promise<number> {
  if (username.includes('\0') || password.includes('\0')) {
    throw kafkaError('AUTHENTICATION', 'the username or the password holds a zero character, which no login can')
  }
  const handshake = await send(SASL_HANDSHAKE, mechanism)
  if (handshake.error !== 0) {
    const offered = handshake.mechanisms.join(', ')
    throw refused(address, `it does not offer ${mechanism}${offered === '' ? '' : `, but ${offered}`}`, password)
  }
  const exchange = async (message: string): Promise<SaslAnswer> => {
    const answer = await send(SASL_AUTHENTICATE, Buffer.from(message))
    const error = brokerError(answer.error, 'the login')
    if (error === null) return answer
    // What is not about the login itself may pass: a broker that is shutting down.
    if (error.isRetriable) throw error
    throw refused(address, answer.errorMessage ?? error.message, password)
  }
  if (mechanism === 'PLAIN') return (await exchange(['', username, password].join('\0'))).sessionLifetimeMs
  const scram = new ScramLogin(mechanism, username, password, randomBytes(NONCE_BYTES).toString('base64'))
  try {
    const first = await exchange(scram.firstMessage)
    const last = await exchange(await scram.finalMessage(first.bytes.toString()))
    scram.verify(last.bytes.toString())
    return last.sessionLifetimeMs
  } catch (error) {
    if (isKafkaError(error)) throw error
    throw refused(address, error instanceof Error ? error.message : String(error), password)
  }
}

function refused(address: string, reason: string, password: string): KafkaError {
  const text = password === '' ? reason : reason.replaceAll(password, '***')
  return kafkaError(
    'AUTHENTICATION',
    `${address} refused the login: ${text.replace(/\.$/, '')}. Check mechanism, username and password`,
  )
}
