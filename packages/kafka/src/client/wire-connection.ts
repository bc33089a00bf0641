import {
  Connection,
  type ConnectionOptions,
  type SASLOptions,
  saslPlain,
  saslScramSha,
  Writer,
} from '@platformatic/kafka'
import { isIP } from 'node:net'
import type { SecureContext } from 'node:tls'
import { connectionFailure } from './connection-failure.ts'
import type { ClientSettings, KafkaError } from './contract.ts'
import { kafkaError } from './kafka-error.ts'
import type { Api } from './protocol/api.ts'
import { WireReader, WireWriter } from './protocol/wire.ts'

/** Times are ours: those of the library begin when a request is written, and leave the connection unusable. */
const NO_TIMEOUT_MS = 2 ** 31 - 1
/** Requests on a connection are answered in order; that more than this many wait is no case that occurs. */
const MAX_IN_FLIGHT = 1024
/** A login is renewed when this much of its time is over. */
const RENEWAL = 0.8

export interface ConnectionSettings extends ClientSettings {
  readonly secureContext: SecureContext | null
}

/**
 * One connection of the client library, from its opening to its end; it never opens again. Whatever ends it rejects everything that waits on it, also a request that is not answered in
 * time: what comes after could not be told apart.
 */
export class WireConnection {
  readonly address: string
  /** In `performance.now()`: when the broker wants to know again who we are. */
  renewAt = Number.POSITIVE_INFINITY
  private readonly settings: ConnectionSettings
  private readonly connection: Connection
  private readonly host: string
  private readonly port: number
  private readonly waiting = new Set<(reason: KafkaError) => void>()
  private lastError: unknown = null
  private reason: KafkaError | null = null

  constructor(settings: ConnectionSettings, host: string, port: number) {
    this.settings = settings
    this.host = host
    this.port = port
    this.address = `${host}:${port}`
    this.connection = new Connection(settings.clientId, this.options())
    // Without anybody to hear them, errors would end the process.
    this.connection.on('error', (error) => (this.lastError = error))
    this.connection.on('close', () => this.end(this.failure(this.lastError ?? new Error('the connection was closed'))))
  }

  get hasEnded(): boolean {
    return this.reason !== null
  }

  get inFlight(): number {
    return this.waiting.size
  }

  /** Connected and logged in. */
  open(): Promise<void> {
    return this.settled((resolve, reject) => {
      void this.connection.connect(this.host, this.port, (error) => (error === null ? resolve() : reject(error)))
    }, null)
  }

  send<Request, Response>(
    api: Api<Request, Response>,
    version: number,
    request: Request,
    timeoutMs: number,
    hasTaggedHeader = true,
  ): Promise<Response> {
    const write = () => {
      const body = new WireWriter()
      api.write(body, request, version)
      const writer = Writer.create()
      for (const part of body.finish()) writer.append(part)
      return writer
    }
    return this.settled(
      (resolve, reject) => {
        this.connection.send(
          api.key,
          version,
          write,
          // One contiguous copy of the answer, of which everything else is a view.
          (_correlation, _key, _version, reader) => api.read(new WireReader(reader.buffer.buffer), version),
          true,
          hasTaggedHeader,
          (error, response) => {
            if (error === null || error === undefined) return resolve(response as Response)
            reject(
              error instanceof RangeError
                ? kafkaError(
                    'CORRUPT_MESSAGE',
                    `what ${this.address} answered to ${api.name} cannot be read: ${error.message}`,
                  )
                : error,
            )
          },
        )
      },
      { request: api.name, timeoutMs },
    )
  }

  end(reason: KafkaError): void {
    if (this.reason !== null) return
    this.reason = reason
    // The first makes the library forget its timers; the second does not wait until a broker has read everything.
    this.connection.close().catch(() => {})
    this.connection.socket?.destroy()
    for (const reject of this.waiting) reject(reason)
    this.waiting.clear()
  }

  /** Settles with what `start` calls first, with the end of the connection, or with that of its time. */
  private settled<T>(
    start: (resolve: (value: T) => void, reject: (error: unknown) => void) => void,
    limit: { readonly request: string; readonly timeoutMs: number } | null,
  ): Promise<T> {
    if (this.reason !== null) return Promise.reject(this.reason)
    return new Promise((resolve, reject) => {
      const timer =
        limit === null
          ? undefined
          : setTimeout(() => {
              const text = `${this.address} did not answer ${limit.request} within ${limit.timeoutMs} ms`
              this.end(kafkaError('TIMEOUT', text))
            }, limit.timeoutMs)
      const settle = () => {
        clearTimeout(timer)
        this.waiting.delete(fail)
      }
      const fail = (error: unknown) => {
        settle()
        reject(this.failure(error))
      }
      this.waiting.add(fail)
      const succeed = (value: T) => {
        settle()
        resolve(value)
      }
      try {
        start(succeed, fail)
      } catch (error) {
        fail(error)
      }
    })
  }

  private failure(error: unknown): KafkaError {
    return connectionFailure(error, this.address, this.settings.sasl?.password ?? null)
  }

  private options(): ConnectionOptions {
    const { settings, host } = this
    const { secureContext, tls } = settings
    return {
      connectTimeout: settings.connectTimeoutMs,
      requestTimeout: NO_TIMEOUT_MS,
      maxInflights: MAX_IN_FLIGHT,
      ...(secureContext === null ? {} : { tls: { secureContext } }),
      // Names are told to the broker, addresses must not be (RFC 6066).
      ...(secureContext === null ? {} : { tlsServerName: tls?.serverName ?? isIP(host) === 0 }),
      ...(settings.sasl === null ? {} : { sasl: this.login(settings.sasl) }),
    }
  }

  /**
   * The library would log in anew on the same connection, between requests that are under way, which brokers refuse; so it is told that a login lasts for ever, and connections are
   * replaced in time.
   */
  private login({ mechanism, username, password }: NonNullable<ClientSettings['sasl']>): SASLOptions {
    return {
      mechanism,
      authenticate: (_mechanism, connection, api, _username, _password, _token, callback) => {
        const algorithm = mechanism === 'SCRAM-SHA-256' ? 'SHA-256' : 'SHA-512'
        const answer =
          mechanism === 'PLAIN'
            ? saslPlain.authenticate(api, connection, username, password)
            : saslScramSha.authenticate(api, connection, algorithm, username, password, saslScramSha.defaultCrypto)
        answer.then(
          (response) => {
            const lifetimeMs = Number(response.sessionLifetimeMs)
            if (lifetimeMs > 0) this.renewAt = performance.now() + RENEWAL * lifetimeMs
            callback(null, { ...response, sessionLifetimeMs: 0n })
          },
          (error: Error) => callback(error),
        )
      },
    }
  }
}
