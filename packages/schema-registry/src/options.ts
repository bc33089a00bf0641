import { type Duration, durationMs, type Secret, SECRET, TidemarkError } from 'tidemark/connector'

/** How a Confluent-compatible schema registry is reached. */
export interface SchemaRegistryOptions {
  /** `https://registry:8081`; several, comma separated or as a list, are tried in turn. */
  readonly url: string | readonly string[]
  readonly auth?: BasicAuth | BearerAuth
  readonly tls?: RegistryTls
  /** For one request. Default: 10s. */
  readonly timeout?: Duration
  /** How often a request is repeated that failed for a reason that may pass. Default: 5, with growing pauses of together about 6 s. */
  readonly retries?: number
}

export interface BasicAuth {
  readonly username: string | Secret
  readonly password: Secret
}

export interface BearerAuth {
  readonly token: Secret
}

/** PEM texts; the private key only as a secret. */
export interface RegistryTls {
  readonly ca?: string | Secret
  readonly cert?: string | Secret
  readonly key?: Secret
}

/** Under which name a schema is registered: `topic`: `orders-value`; `record`: the schema's full name; `topic-record`: both, `orders-shop.Order`. */
export type SubjectNaming = 'topic' | 'record' | 'topic-record'

/**
 * Which schema is written with. `automatic`: the given one, registered where it is not yet. `lookup`: the given one, which has to be registered. `latest`: the subject's newest
 * version. `{ id }`: this one.
 */
export type SchemaChoice = 'automatic' | 'lookup' | 'latest' | { readonly id: number }

export interface WriteOptions {
  /** Default: `topic`. */
  readonly subject?: SubjectNaming | ((context: { readonly topic: string; readonly part: 'key' | 'value' }) => string)
  /** Default: `automatic` with a schema, `latest` without. */
  readonly use?: SchemaChoice
  /** Schemas that the given one refers to, as they are registered. */
  readonly references?: readonly SchemaReference[]
}

export interface SchemaReference {
  readonly name: string
  readonly subject: string
  readonly version: number
}

export interface CheckedOptions {
  readonly urls: readonly string[]
  readonly auth: BasicAuth | BearerAuth | null
  readonly tls: RegistryTls | null
  readonly timeoutMs: number
  readonly retries: number
}

export function checkOptions(options: SchemaRegistryOptions): CheckedOptions {
  const known = ['url', 'auth', 'tls', 'timeout', 'retries']
  const unknown = Object.keys(options).find((name) => !known.includes(name))
  if (unknown !== undefined)
    throw invalid(`schemaRegistry() has no option '${unknown}'`, `Options: ${known.join(', ')}.`)
  const { url, auth = null, tls = null, retries = 5 } = options
  const urls = (typeof url === 'string' ? url.split(',') : url).map((one) => checkUrl(one.trim()))
  if (urls.length === 0) throw invalid('schemaRegistry() was given no url', 'Give the address of the registry.')
  if (auth !== null) checkAuth(auth)
  if (tls !== null) checkTls(tls, urls)
  if (!Number.isSafeInteger(retries) || retries < 0)
    throw invalid(`retries is ${retries}`, 'Give a whole number from 0.')
  return { urls, auth, tls, timeoutMs: durationMs(options.timeout ?? '10s', 'timeout'), retries }
}

function checkUrl(given: string): string {
  let url: URL
  try {
    url = new URL(given)
  } catch {
    // Without the cause, which shows it: it may hold a password.
    throw invalid('the url of a schema registry cannot be read', 'Give it as http://host:port or https://host:port.')
  }
  if (url.username !== '' || url.password !== '') {
    throw invalid(
      `the url of the schema registry at ${url.host} holds credentials`,
      'Give them as auth: { username, password: secret(…) }.',
    )
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw invalid(`the url of the schema registry has the protocol ${url.protocol}`, 'Give http: or https:.')
  }
  if (url.search !== '' || url.hash !== '') {
    throw invalid(
      `the url of the schema registry at ${url.host} has a part behind ? or #`,
      'Give only the address and, where there is one, the path before /subjects; credentials as auth.',
    )
  }
  return url.href.replace(/\/+$/, '')
}

function checkTls(tls: RegistryTls, urls: readonly string[]): void {
  const known = ['ca', 'cert', 'key']
  const unknown = Object.keys(tls).find((name) => !known.includes(name))
  if (unknown !== undefined) throw invalid(`tls has no option '${unknown}'`, `Options: ${known.join(', ')}.`)
  for (const name of ['ca', 'cert'] as const) checkText(`tls.${name}`, tls[name])
  if (tls.key !== undefined && !isSecret(tls.key)) throw invalid('tls.key is not a secret', `Give secret('NAME').`)
  if ((tls.cert === undefined) !== (tls.key === undefined)) {
    throw invalid('tls has only one of cert and key', 'Give both, for a registry that asks for a certificate, or none.')
  }
  const plain = urls.find((url) => url.startsWith('http:'))
  if (plain !== undefined) throw invalid(`tls is given, and ${plain} does not use it`, 'Give an https: url, or no tls.')
}

function checkText(name: string, value: unknown): void {
  if (value === undefined || typeof value === 'string' || isSecret(value)) return
  throw invalid(`${name} is neither text nor a secret`, `Give text, or a secret: secret('NAME').`)
}

function checkAuth(auth: BasicAuth | BearerAuth): void {
  if (!('token' in auth) && auth.username === undefined)
    throw invalid('auth.username is missing', 'Give the user as text or as a secret, or a token.')
  if (!('token' in auth)) checkText('auth.username', auth.username)
  const given = 'token' in auth ? auth.token : auth.password
  if (!isSecret(given))
    throw invalid(`auth.${'token' in auth ? 'token' : 'password'} is not a secret`, `Give secret('NAME').`)
}

export function isSecret(value: unknown): value is Secret {
  return typeof value === 'object' && value !== null && SECRET in value
}

export function invalid(message: string, action: string, cause?: unknown): TidemarkError {
  return new TidemarkError('INVALID_OPTION', message, { action, ...(cause === undefined ? {} : { cause }) })
}
