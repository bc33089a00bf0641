import type { Api } from './api.ts'

/** Of a server that has not proved yet who it is. */
const MOST_BYTES = 64 * 1024

export const SASL_HANDSHAKE: Api<string, { readonly error: number; readonly mechanisms: readonly string[] }> = {
  name: 'SaslHandshake',
  key: 17,
  minVersion: 1,
  maxVersion: 1,
  mostBytes: MOST_BYTES,
  headers: { request: 1, response: 0 },
  write(writer, mechanism) {
    writer.shortString(mechanism)
  },
  read(reader) {
    const error = reader.int16()
    const mechanisms: string[] = []
    for (let left = reader.int32(); left > 0; left--) mechanisms.push(reader.shortString())
    return { error, mechanisms }
  },
}

export interface SaslAnswer {
  readonly error: number
  readonly errorMessage: string | null
  readonly bytes: Buffer
  /** 0: the login lasts as long as the connection. */
  readonly sessionLifetimeMs: number
}

export const SASL_AUTHENTICATE: Api<Uint8Array, SaslAnswer> = {
  name: 'SaslAuthenticate',
  key: 36,
  minVersion: 2,
  maxVersion: 2,
  mostBytes: MOST_BYTES,
  write(writer, bytes) {
    writer.bytes(bytes).end()
  },
  read(reader) {
    return {
      error: reader.int16(),
      errorMessage: reader.nullableString(),
      bytes: reader.bytes(),
      sessionLifetimeMs: reader.int64(),
    }
  },
}
