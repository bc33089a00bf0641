import { type Duration, durationMs, SECRET, type Secret, TidemarkError } from 'tidemark/connector'
import type { ClientSettings, TlsSettings } from './client/contract.ts'
import type { ClusterOptions, SaslOptions, TlsOptions } from './options.ts'

/** Shorter ones would end long polls that nothing is wrong with. */
const SHORTEST_REQUEST_MS = 1000

const MECHANISMS = { plain: 'PLAIN', 'scram-sha-256': 'SCRAM-SHA-256', 'scram-sha-512': 'SCRAM-SHA-512' } as const

const CLUSTER_OPTIONS = ['brokers', 'clientId', 'tls', 'sasl', 'requestTimeout', 'connectTimeout']
const TLS_OPTIONS = ['ca', 'cert', 'key', 'passphrase', 'serverName']
const SASL_OPTIONS = ['mechanism', 'username', 'password']

/** Checked options of a cluster; secrets are looked up only when a client is opened. */
export interface ClusterSettings {
  /** `host:port, host:port`: for people. */
  readonly brokers: string
  resolve(secret: (name: string) => string): ClientSettings
}

/** `INVALID_OPTION` names the option that cannot be. Reaches no broker. */
export function clusterSettings(options: ClusterOptions): ClusterSettings {
  checkNames('kafka()', options, CLUSTER_OPTIONS)
  const { clientId = 'tidemark', tls, sasl } = options
  const brokers = brokerAddresses(options.brokers)
  if (typeof clientId !== 'string' || clientId === '') {
    throw invalid(`clientId is ${JSON.stringify(clientId)}`, 'Give a text that brokers see in their logs and quotas.')
  }
  const requestTimeoutMs = atLeastMs('requestTimeout', options.requestTimeout ?? '30s', SHORTEST_REQUEST_MS)
  const connectTimeoutMs = atLeastMs('connectTimeout', options.connectTimeout ?? '10s', 1)
  if (tls !== undefined && typeof tls !== 'boolean') checkTls(tls)
  if (sasl !== undefined) checkSasl(sasl)
  return {
    brokers: brokers.map(({ host, port }) => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`)).join(', '),
    resolve: (secret) => ({
      brokers,
      clientId,
      requestTimeoutMs,
      connectTimeoutMs,
      tls: tlsSettings(tls, secret),
      sasl: sasl === undefined ? null : saslSettings(sasl, secret),
    }),
  }
}

function brokerAddresses(given: unknown): ClientSettings['brokers'] {
  const texts = typeof given === 'string' ? given.split(',') : given
  if (!Array.isArray(texts) || texts.length === 0) throw invalidBrokers(given)
  return texts.map((text: unknown) => {
    const match = typeof text === 'string' ? /^\s*(?:\[([^\]]+)\]|([^:\s/[\]]+)):(\d{1,5})\s*$/.exec(text) : null
    const port = Number(match?.[3])
    if (match === null || port < 1 || port > 65_535) throw invalidBrokers(text)
    return { host: match[1] ?? match[2]!, port }
  })
}

function checkTls(tls: TlsOptions): void {
  checkNames('tls', tls, TLS_OPTIONS)
  for (const name of ['ca', 'cert'] as const) textOrSecret(`tls.${name}`, tls[name])
  for (const name of ['key', 'passphrase'] as const) {
    if (tls[name] !== undefined) onlySecret(`tls.${name}`, tls[name])
  }
  if (tls.serverName !== undefined && typeof tls.serverName !== 'string') {
    throw invalid('tls.serverName is no text', 'Give the name that stands in the certificate of the brokers.')
  }
  if ((tls.cert === undefined) !== (tls.key === undefined)) {
    throw invalid(
      'tls has only one of cert and key',
      'Give both, for brokers that ask clients for a certificate, or none.',
    )
  }
}

function checkSasl(sasl: SaslOptions): void {
  checkNames('sasl', sasl, SASL_OPTIONS)
  if (!Object.hasOwn(MECHANISMS, sasl.mechanism)) {
    const mechanisms = Object.keys(MECHANISMS).map((name) => `'${name}'`)
    throw invalid(`sasl.mechanism is ${JSON.stringify(sasl.mechanism)}`, `Give one of ${mechanisms.join(', ')}.`)
  }
  if (sasl.username === undefined) throw invalid('sasl.username is missing', 'Give the user as text or as a secret.')
  textOrSecret('sasl.username', sasl.username)
  onlySecret('sasl.password', sasl.password)
}

function tlsSettings(tls: ClusterOptions['tls'], secret: (name: string) => string): TlsSettings | null {
  if (tls === undefined || tls === false) return null
  if (tls === true) return {}
  const { ca, cert, key, passphrase, serverName } = tls
  return {
    ...(ca === undefined ? {} : { ca: resolve(ca, secret) }),
    ...(cert === undefined ? {} : { cert: resolve(cert, secret) }),
    ...(key === undefined ? {} : { key: resolve(key, secret) }),
    ...(passphrase === undefined ? {} : { passphrase: resolve(passphrase, secret) }),
    ...(serverName === undefined ? {} : { serverName }),
  }
}

function saslSettings(sasl: SaslOptions, secret: (name: string) => string): ClientSettings['sasl'] {
  const { mechanism, username, password } = sasl
  return {
    mechanism: MECHANISMS[mechanism],
    username: resolve(username, secret),
    password: resolve(password, secret),
  }
}

function resolve(value: string | Secret, secret: (name: string) => string): string {
  return typeof value === 'string' ? value : secret(value.secret)
}

function textOrSecret(name: string, value: unknown): void {
  if (value === undefined || typeof value === 'string' || isSecret(value)) return
  throw invalid(`${name} is neither text nor a secret`, `Give text, or a secret: secret('…').`)
}

function onlySecret(name: string, value: unknown): void {
  if (isSecret(value)) return
  // Never the value: somebody may have written a password here.
  throw invalid(
    `${name} is not a secret`,
    `Give secret('NAME'): passwords and keys have no place in the code of a job.`,
  )
}

function isSecret(value: unknown): value is Secret {
  return typeof value === 'object' && value !== null && SECRET in value
}

function checkNames(what: string, options: unknown, names: readonly string[]): void {
  if (typeof options !== 'object' || options === null) {
    throw invalid(
      `${what} is given ${options === null ? 'null' : `a ${typeof options}`}`,
      `Give options: ${names.join(', ')}.`,
    )
  }
  const unknown = Object.keys(options).find((name) => !names.includes(name))
  if (unknown !== undefined) {
    throw invalid(`${what} has no option ${JSON.stringify(unknown)}`, `Options: ${names.join(', ')}.`)
  }
}

function atLeastMs(name: string, duration: Duration, leastMs: number): number {
  const ms = durationMs(duration, name)
  if (ms >= leastMs) return ms
  throw invalid(`${name} is ${ms} ms`, `Give a duration of at least ${leastMs} ms: '30s'.`)
}

function invalidBrokers(given: unknown): TidemarkError {
  // Somebody may have written a password here.
  if (JSON.stringify([given]).includes('@')) {
    return invalid(
      'brokers: a part before @ is not the address of a broker',
      `Give 'host:port', comma separated or as a list, and who logs in as sasl: { username, password: secret('…') }.`,
    )
  }
  return invalid(
    `brokers: ${JSON.stringify(given) ?? 'nothing'} is not the address of a broker`,
    `Give 'host:port', comma separated or as a list: 'kafka-1:9092,kafka-2:9092'.`,
  )
}

function invalid(problem: string, action: string): TidemarkError {
  return new TidemarkError('INVALID_OPTION', problem, { action })
}
