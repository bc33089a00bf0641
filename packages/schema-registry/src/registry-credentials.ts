import type { Secret } from 'tidemark/connector'
import type { HttpRequest } from './http-request.ts'
import { type CheckedOptions, invalid, isSecret } from './options.ts'

/** Who we are to a registry, with all secrets looked up. Lives no longer than the client, and no part of it is ever part of a message. */
export interface Credentials {
  /** The header, or none. */
  readonly authorization: Readonly<Record<string, string>>
  readonly tls: HttpRequest['tls']
  /** What must not be shown. */
  readonly hidden: readonly string[]
}

/** `INVALID_OPTION` where a secret cannot be what it stands for. */
export function credentials({ auth, tls }: CheckedOptions, secret: (name: string) => string): Credentials {
  const value = (given: string | Secret): string => (isSecret(given) ? secret(given.secret) : given)
  return { ...authorization(auth, value), tls: tls === null ? null : certificates(tls, value) }
}

function authorization(
  auth: CheckedOptions['auth'],
  value: (given: string | Secret) => string,
): Omit<Credentials, 'tls'> {
  if (auth === null) return { authorization: {}, hidden: [] }
  if ('token' in auth) {
    const token = value(auth.token)
    if (!/^[\x21-\x7e]+$/.test(token)) {
      throw invalid(
        'auth.token is empty or holds characters that no token has: a space, or the end of a line',
        'Correct the secret; a file often ends with a line break.',
      )
    }
    return { authorization: { authorization: `Bearer ${token}` }, hidden: [token] }
  }
  const [username, password] = [value(auth.username), value(auth.password)]
  if (username.includes(':')) {
    throw invalid(
      'auth.username holds a colon, which would end it',
      'Give another user: HTTP does not allow this one (RFC 7617).',
    )
  }
  const encoded = Buffer.from(`${username}:${password}`).toString('base64')
  return {
    authorization: { authorization: `Basic ${encoded}` },
    hidden: [encoded, password].filter((text) => text !== ''),
  }
}

function certificates(
  tls: NonNullable<CheckedOptions['tls']>,
  value: (given: string | Secret) => string,
): Credentials['tls'] {
  const texts: Record<string, string> = {}
  for (const name of ['ca', 'cert', 'key'] as const) {
    const given = tls[name]
    if (given === undefined) continue
    const text = value(given)
    if (!text.includes('-----BEGIN ')) {
      throw invalid(`tls.${name} is no PEM text (-----BEGIN …)`, 'Hand in what the file holds, not where it is.')
    }
    texts[name] = text
  }
  return texts
}
