import { isIP, connect as connectPlain, type Socket } from 'node:net'
import { connect as connectSecurely, type SecureContext } from 'node:tls'
import { connectionFailure } from './connection-failure.ts'
import type { ClientSettings, KafkaError } from './contract.ts'
import { FrameReader } from './frame-reader.ts'
import { kafkaError } from './kafka-error.ts'
import type { Api } from './protocol/api.ts'
import { WireReader, WireWriter } from './protocol/wire.ts'
import { logIn } from './sasl-login.ts'

/** A login is renewed when this much of its time is over. */
const RENEWAL = 0.8
const CORRELATION_BYTES = 4
const MAX_CORRELATION = 2 ** 31 - 1
/** As brokers' `socket.request.max.bytes`. */
const MOST_BYTES = 100 * 1024 * 1024

export interface ConnectionSettings extends ClientSettings {
  readonly secureContext: SecureContext | null
}

interface Waiting {
  readonly correlation: number
  readonly mostBytes: number
  /** Never throws. */
  readonly onAnswer: (frame: Buffer) => void
  readonly reject: (reason: KafkaError) => void
}

/**
 * One connection to a broker, from its opening to its end; it never opens again. Whatever ends it rejects everything that waits on it, also a request that is not answered in time or
 * whose answer cannot be read: what comes after could not be told apart.
 */
export class WireConnection {
  readonly address: string
  /** In `performance.now()`: when the broker wants to know again who we are. */
  renewAt = Number.POSITIVE_INFINITY
  private readonly settings: ConnectionSettings
  private readonly host: string
  private readonly port: number
  private socket: Socket | null = null
  /** In the order in which they were sent, which is the order of the answers. */
  private readonly waiting: Waiting[] = []
  private lastCorrelation = 0
  private rejectOpening: ((reason: KafkaError) => void) | null = null
  private reason: KafkaError | null = null

  constructor(settings: ConnectionSettings, host: string, port: number) {
    this.settings = settings
    this.host = host
    this.port = port
    this.address = `${host}:${port}`
  }

  get hasEnded(): boolean {
    return this.reason !== null
  }

  get inFlight(): number {
    return this.waiting.length
  }

  /** Connected and logged in. */
  async open(): Promise<void> {
    const { connectTimeoutMs, sasl } = this.settings
    const deadline = performance.now() + connectTimeoutMs
    const timer = setTimeout(() => {
      this.end(kafkaError('TIMEOUT', `${this.address}: no connection within ${connectTimeoutMs} ms`))
    }, connectTimeoutMs)
    try {
      await this.connect()
      if (sasl === null) return
      const startedAt = performance.now()
      const lifetimeMs = await logIn(sasl, this.address, (api, request) =>
        this.send(api, api.maxVersion, request, Math.max(1, deadline - performance.now())),
      )
      if (lifetimeMs > 0) this.renewAt = startedAt + RENEWAL * lifetimeMs
    } finally {
      clearTimeout(timer)
    }
  }

  send<Request, Response>(
    api: Api<Request, Response>,
    version: number,
    request: Request,
    timeoutMs: number,
  ): Promise<Response> {
    return new Promise((resolve, reject) => {
      if (this.reason !== null) return reject(this.reason)
      const correlation = (this.lastCorrelation + 1) & MAX_CORRELATION
      this.lastCorrelation = correlation
      const parts = this.encode(api, version, request, correlation)
      const timer = setTimeout(() => {
        const limit = `${this.address} did not answer ${api.name} within ${Math.round(timeoutMs)} ms`
        this.end(kafkaError('TIMEOUT', limit))
      }, timeoutMs)
      this.waiting.push({
        correlation,
        mostBytes: api.mostBytes ?? MOST_BYTES,
        onAnswer: (frame) => {
          clearTimeout(timer)
          try {
            const reader = new WireReader(frame.subarray(CORRELATION_BYTES))
            if (api.headers?.response !== 0) reader.end()
            resolve(api.read(reader, version))
          } catch (error) {
            const failure = this.unreadable(api.name, error)
            // Anything else than a lack of bytes is a mistake of ours, and nothing to try again.
            reject(error instanceof RangeError ? failure : error)
            this.end(failure)
          }
        },
        reject: (reason) => {
          clearTimeout(timer)
          reject(reason)
        },
      })
      this.write(parts)
    })
  }

  end(reason: KafkaError): void {
    if (this.reason !== null) return
    this.reason = reason
    // Without waiting until a broker has read everything.
    this.socket?.destroy()
    this.rejectOpening?.(reason)
    for (const { reject } of this.waiting.splice(0)) reject(reason)
  }

  private connect(): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.reason !== null) return reject(this.reason)
      this.rejectOpening = reject
      const fail = (error: Error) => this.end(connectionFailure(error, this.address))
      const frames = new FrameReader(
        (correlation) => (this.waiting[0]?.correlation === correlation ? this.waiting[0].mostBytes : null),
        (frame) => this.waiting.shift()?.onAnswer(frame),
      )
      const socket = this.openSocket(frames)
      this.socket = socket
      // Before a connection stands, and also after it has ended: without anybody to hear them, errors would end the process.
      socket.on('error', fail)
      socket.on('close', () => fail(new Error('the connection was closed')))
      socket.once(this.settings.secureContext === null ? 'connect' : 'secureConnect', () => {
        this.rejectOpening = null
        // Brokers that hang up take nothing more. An error that is on its way is told first.
        socket.once('end', () => socket.destroy())
        if (this.settings.secureContext !== null) {
          socket.on('data', (chunk: Buffer) => this.receive(() => frames.take(chunk)))
        }
        resolve()
      })
    })
  }

  private receive(read: () => void): void {
    if (this.reason !== null) return
    try {
      read()
    } catch (error) {
      this.end(this.unreadable('requests', error))
    }
  }

  private openSocket(frames: FrameReader): Socket {
    const { host, port } = this
    const { secureContext, tls } = this.settings
    const options = { host, port, noDelay: true, keepAlive: true }
    if (secureContext === null) {
      // Bytes are read to where they belong, as many at once as are there: a tenth of the CPU that reading a topic takes. TLS knows no such thing.
      const callback = (bytes: number): boolean => {
        this.receive(() => frames.taken(bytes))
        return true
      }
      return connectPlain({ ...options, onread: { buffer: () => frames.room(), callback } })
    }
    // Names are told to the broker, addresses must not be (RFC 6066).
    const servername = tls?.serverName ?? (isIP(host) === 0 ? host : null)
    // Certificates are checked: said, so that no variable of the environment switches it off.
    const secure = { ...options, secureContext, rejectUnauthorized: true }
    const socket = connectSecurely({ ...secure, ...(servername === null ? {} : { servername }) })
    // As an option it is not passed on to the socket below.
    return socket.setNoDelay(true)
  }

  private encode<Request>(
    api: Api<Request, unknown>,
    version: number,
    request: Request,
    correlation: number,
  ): readonly Buffer[] {
    const writer = new WireWriter()
    // Its place is that of the length.
    writer.int32(0)
    writer.int16(api.key).int16(version).int32(correlation).shortString(this.settings.clientId)
    if (api.headers?.request !== 1) writer.end()
    api.write(writer, request, version)
    const parts = writer.finish()
    const length = parts.reduce((sum, part) => sum + part.length, 0)
    parts[0]!.writeInt32BE(length - 4)
    return parts
  }

  /** In one system call, and without a copy of what is large. */
  private write(parts: readonly Buffer[]): void {
    const { socket } = this
    socket?.cork()
    for (const part of parts) socket?.write(part)
    socket?.uncork()
  }

  private unreadable(what: string, error: unknown): KafkaError {
    const text = error instanceof Error ? error.message : String(error)
    return kafkaError('CORRUPT_MESSAGE', `what ${this.address} answered to ${what} cannot be read: ${text}`)
  }
}
